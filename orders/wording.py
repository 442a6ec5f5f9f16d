"""How amounts and moments are written for people, in Brazilian Portuguese."""

from __future__ import annotations

from datetime import datetime, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING

from django.utils import formats, timezone
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from orders.models import Order


def money(amount: Decimal) -> str:
    """`R$ 1.234,50`, which no page breaks into two lines."""
    return f"R$\N{NO-BREAK SPACE}{formats.number_format(amount, decimal_pos=2, use_l10n=True, force_grouping=True)}"


def charges(order: Order) -> list[tuple[str, str]]:
    """Freight and discount as lines before the total, where there are any."""
    lines = ((_("Freight"), order.freight, ""), (_("Discount"), order.discount, "\N{MINUS SIGN}"))
    return [(words, f"{sign}{money(amount)}") for words, amount, sign in lines if amount]


def quantity(amount: Decimal) -> str:
    """`2`, `1,5` or `1.200`, without idle zeros."""
    decimals = max(-int(amount.normalize().as_tuple().exponent), 0)
    return formats.number_format(amount, decimal_pos=decimals, use_l10n=True, force_grouping=True)


def spoken_moment(when: datetime, zone: tzinfo | None = None) -> str:
    """A time as one says it, in that zone or the system's: `sábado, 28/11, às 18h`, `domingo, 29/11, à 1h05`."""
    local = timezone.localtime(when, zone)
    minutes = f"{local.minute:02}" if local.minute else ""
    at = "à" if local.hour == 1 else "às"
    return f"{formats.date_format(local, 'l, d/m').lower()}, {at} {local.hour}h{minutes}"
