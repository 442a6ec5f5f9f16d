"""Amounts of money and of goods: how they are read, and what an order comes to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from orders.typed import plain
from orders.wording import money

if TYPE_CHECKING:
    from orders.models import Order, OrderItem

_CENT = Decimal("0.01")
# With the comma that Brazilians write, or with a point before too few digits for thousands: `1.500` may be either.
_WRITTEN = re.compile(r"-?(?:\d{1,3}(?:\.\d{3})+,\d+|\d*,\d+|\d+(?:\.\d{1,2})?)")
# Far more than any column holds. What is counted with a bigger one takes for ever.
_MOST_DIGITS = 20


def read(text: str) -> Decimal:
    """A number as people in Brazil type it, `1.234,56`, `R$ 19,90`, `1,5`, `19.90`. Raises `ValidationError`.

    What could be meant in two ways, a hundred or a thousand times apart, is refused.
    """
    written = re.sub(r"^R\$\s*", "", plain(text))
    if not _WRITTEN.fullmatch(written):
        raise ValidationError(
            _("“%(text)s” is not clear: write it with a comma, like 1.234,56 or 0,5."),
            params={"text": text.strip()[:30]},
            code="invalid",
        )
    return Decimal(written.replace(".", "").replace(",", ".") if "," in written else written)


def number(value: Any, otherwise: str) -> Decimal:
    """A number as programs give it: Decimal, int or a text with a point.

    Raises `ValidationError`, which says `otherwise`.
    """
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        raise ValidationError(otherwise) from None
    if not found.is_finite() or abs(found.adjusted()) > _MOST_DIGITS:
        raise ValidationError(otherwise)
    return found


def in_cents(amount: Decimal) -> Decimal:
    """Half a cent counts as a whole one."""
    return amount.quantize(_CENT, ROUND_HALF_UP)


def set_total(order: Order, items: Iterable[OrderItem]) -> None:
    """What the order comes to with these items, its freight and its discount; saves nothing.

    Raises `ValidationError` if the discount is more than all of it, or the total more than there is room for.
    """
    gross = sum((item.subtotal for item in items), Decimal(0)) + order.freight
    if order.discount > gross:
        raise ValidationError(
            _("The discount is more than what the order comes to: %(gross)s."), params={"gross": money(gross)}
        )
    order.total = order._meta.get_field("total").clean(in_cents(gross - order.discount), order)
