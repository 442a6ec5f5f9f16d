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

from notifications import marks
from notifications.snapshot import Snapshot
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
    items = snapshot.get("order", {}).get("items", [])
    with translation.override(LANGUAGE):
        for listed in range(min(len(items), LISTED_ITEMS), -1, -1):
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
    order, store = snapshot.get("order", {}), snapshot.get("store", {})
    items = order.get("items", [])
    values = {
        "store": _line(store.get("name", "")),
        "pickup_address": _line(store.get("pickup_address", "")),
        "code": order.get("code", ""),
        "freight": _charge(order.get("freight", "0")),
        "discount": _charge(order.get("discount", "0")),
        "total": _money(order.get("total", "0")),
        "pickup_code": order.get("pickup_code", ""),
        "deadline": _deadline(order.get("pickup_deadline", "")),
        "reason": _sentence(snapshot.get("reason", "")),
        "occurred_at": _to_the_second(snapshot.get("occurred_at", "")),
        **_called(snapshot.get("customer", {})),
    }
    return {name: marks.literal(value) for name, value in values.items()} | {
        "items": [marks.literal(_item(item)) for item in items[:listed]],
        "more_items": max(len(items) - listed, 0),
        "method": order.get("delivery_method", ""),
        "paid": order.get("payment_status") == "paid",
        "attempt": order.get("delivery_attempts", 0),
        "parcels": _parcels(order),
        "page": _page(order.get("tracking_token", "")),
        "signature": marks.marked("_", values["store"]),
    }


def _called(customer: dict[str, Any]) -> dict[str, str]:
    name = first_name(customer.get("name", ""))
    return {"first_name": name, "to": f"{name}, " if name else ""}


def _item(item: dict[str, Any]) -> str:
    return f"{quantity(Decimal(item['quantity']))}× {_line(item['description'])} ({_money(item['unit_price'])})"


def _parcels(order: dict[str, Any]) -> list[dict[str, str]]:
    """What the customer follows at the carrier. An older snapshot has one parcel at most."""
    code, link = order.get("tracking_code", ""), order.get("tracking_link", "")
    parcels = order.get("parcels", [{"code": code, "link": link}] if code or link else [])
    return [{"code": marks.copyable(parcel["code"]), "link": parcel["link"]} for parcel in parcels]


def _line(text: str) -> str:
    return " ".join(text.split())


def _sentence(text: str) -> str:
    """The line with a full stop, unless it ends in a sign of its own or in what is there to be copied."""
    line = _line(text)
    return line if not line or line[-1] in ".!?…" or marks.ends_in_code(line) else f"{line}."


def _money(amount: str) -> str:
    """With a plain space, unlike the pages: a message is copied, and pasted where a hard one is no space."""
    return f"R$ {formats.number_format(Decimal(amount), decimal_pos=2, use_l10n=True, force_grouping=True)}"


def _charge(amount: str) -> str:
    """Empty for none."""
    return _money(amount) if Decimal(amount) else ""


def _to_the_second(moment: str) -> str:
    return formats.date_format(timezone.localtime(datetime.fromisoformat(moment)), "d/m/Y H:i:s") if moment else ""


def _deadline(moment: str) -> str:
    return spoken_moment(datetime.fromisoformat(moment)) if moment else ""


def _page(token: str) -> str:
    """The customer's page of the order, at today's address of the site."""
    return f"{settings.SITE_URL}{reverse('tracking_page', args=[token])}" if token else ""
