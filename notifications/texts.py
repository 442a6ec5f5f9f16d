"""The words of a message: one Django template per kind, filled from the snapshot alone.

Templates are plain text (`templates/notifications/whatsapp/<event>.txt`), so nothing is HTML-escaped; whatever a
person typed is a value, never template code and never a mark of WhatsApp's. Every text about an order names its code.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from django.conf import settings
from django.template import Context, Engine
from django.urls import reverse
from django.utils import formats, timezone, translation

from integrations.messages.snapshot import CustomerPart, ItemPart, ParcelPart, Snapshot
from notifications import marks
from orders.names import first_name
from orders.wording import quantity, spoken_moment

LANGUAGE = "pt-br"
# A longer list is cut, so that the total and the closing words are still read.
LISTED_ITEMS = 20
# What WhatsApp takes, in the units that it counts in (an emoji is two).
LONGEST = 4096


def render(event: str, snapshot: Snapshot) -> str:
    """The text of this kind of message for this snapshot, in Portuguese whatever the active language.

    Raises `TemplateDoesNotExist` for a kind without a text.
    """
    with translation.override(LANGUAGE):
        for listed in range(min(len(snapshot.order.items), LISTED_ITEMS), -1, -1):
            text = _fill(event, snapshot, listed)
            if _length(text) <= LONGEST:
                break
    return text


def _fill(event: str, snapshot: Snapshot, listed: int) -> str:
    """The text with so many of the items listed."""
    rendered = _engine().get_template(f"{event}.txt").render(Context(_values(snapshot, listed), autoescape=False))
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(line.strip() for line in rendered.splitlines())).strip()
    return text[:1].upper() + text[1:]


def _length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@cache
def _engine() -> Engine:
    return Engine(dirs=[str(settings.BASE_DIR / "templates" / "notifications" / "whatsapp")], autoescape=False)


def _values(snapshot: Snapshot, listed: int) -> dict[str, Any]:
    """What the templates may name. A field that an older snapshot lacks reads as empty.

    Every value is taken literally, but for those that are made here: links, and what has marks of ours around it.
    """
    order, store = snapshot.order, snapshot.store
    values = {
        "store": _line(store.name),
        "pickup_address": _line(store.pickup_address),
        "code": order.code,
        "freight": _charge(order.freight),
        "discount": _charge(order.discount),
        "total": _money(order.total or Decimal(0)),
        "pickup_code": order.pickup_code,
        "deadline": spoken_moment(order.pickup_deadline) if order.pickup_deadline else "",
        "reason": _sentence(snapshot.reason),
        "occurred_at": _to_the_second(snapshot.occurred_at),
        **_called(snapshot.customer),
    }
    return {name: marks.literal(value) for name, value in values.items()} | {
        "items": [marks.literal(_item(item)) for item in order.items[:listed]],
        "more_items": max(len(order.items) - listed, 0),
        "method": order.delivery_method,
        "paid": order.payment_status == "paid",
        "attempt": order.delivery_attempts,
        "parcels": [_parcel(parcel) for parcel in order.parcels],
        "page": _page(order.tracking_token),
        "signature": marks.marked("_", values["store"]),
    }


def _called(customer: CustomerPart) -> dict[str, str]:
    name = first_name(customer.name)
    return {"first_name": name, "to": f"{name}, " if name else ""}


def _item(item: ItemPart) -> str:
    price = f" ({_money(item.unit_price)})" if item.unit_price is not None else ""
    return f"{quantity(item.quantity)}× {_line(item.description)}{price}"


def _parcel(parcel: ParcelPart) -> dict[str, str]:
    return {"code": marks.copyable(parcel.code), "link": parcel.link}


def _line(text: str) -> str:
    return " ".join(text.split())


def _sentence(text: str) -> str:
    """The line with a full stop, unless it ends in a sign of its own or in what is there to be copied."""
    line = _line(text)
    return line if not line or line[-1] in ".!?…" or marks.ends_in_code(line) else f"{line}."


def _money(amount: Decimal) -> str:
    """With a plain space, unlike the pages: a message is copied, and pasted where a hard one is no space."""
    return f"R$ {formats.number_format(amount, decimal_pos=2, use_l10n=True, force_grouping=True)}"


def _charge(amount: Decimal) -> str:
    """Empty for none."""
    return _money(amount) if amount else ""


def _to_the_second(moment: datetime | None) -> str:
    return formats.date_format(timezone.localtime(moment), "d/m/Y H:i:s") if moment else ""


def _page(token: str) -> str:
    """The customer's page of the order, at today's address of the site."""
    return f"{settings.SITE_URL}{reverse('tracking_page', args=[token])}" if token else ""
