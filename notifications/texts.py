"""The words of a message: one Django template per kind, filled from the snapshot alone.

Templates are plain text (`templates/notifications/whatsapp/<event>.txt`), so nothing is HTML-escaped; whatever a
person typed is a value and never template code. Every text about an order names its code.
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

from notifications.snapshot import Snapshot
from orders.wording import spoken_moment

LANGUAGE = "pt-br"
# A longer list is cut, so that the total and the closing words are still read.
LISTED_ITEMS = 20


def render(event: str, snapshot: Snapshot) -> str:
    """The text of this kind of message for this snapshot, in Portuguese whatever the active language.

    Raises `TemplateDoesNotExist` for a kind without a text.
    """
    with translation.override(LANGUAGE):
        rendered = _engine().get_template(f"{event}.txt").render(Context(_values(snapshot), autoescape=False))
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(line.strip() for line in rendered.splitlines())).strip()
    return text[:1].upper() + text[1:]


@cache
def _engine() -> Engine:
    return Engine(dirs=[str(settings.BASE_DIR / "templates" / "notifications" / "whatsapp")], autoescape=False)


def _values(snapshot: Snapshot) -> dict[str, Any]:
    """What the templates may name. A field that an older snapshot lacks reads as empty."""
    order, customer, store = (snapshot.get(part, {}) for part in ("order", "customer", "store"))
    first_name = _first_word(customer.get("name", ""))
    items = order.get("items", [])
    return {
        "first_name": first_name,
        "to": f"{first_name}, " if first_name else "",
        "store": _line(store.get("name", "")),
        "pickup_address": _line(store.get("pickup_address", "")),
        "code": order.get("code", ""),
        "method": order.get("delivery_method", ""),
        "items": [
            f"{item['quantity']}× {_line(item['description'])} ({_money(item['unit_price'])})"
            for item in items[:LISTED_ITEMS]
        ],
        "more_items": max(len(items) - LISTED_ITEMS, 0),
        "total": _money(order.get("total", "0")),
        "paid": order.get("payment_status") == "paid",
        "tracking_code": order.get("tracking_code", ""),
        "tracking_link": order.get("tracking_link", ""),
        "page": _page(order.get("tracking_token", "")),
        "attempt": order.get("delivery_attempts", 0),
        "pickup_code": order.get("pickup_code", ""),
        "deadline": _deadline(order.get("pickup_deadline", "")),
        "reason": _sentence(snapshot.get("reason", "")),
        "occurred_at": _to_the_second(snapshot.get("occurred_at", "")),
    }


def _line(text: str) -> str:
    return " ".join(text.split())


def _first_word(text: str) -> str:
    return text.split(maxsplit=1)[0] if text.split() else ""


def _sentence(text: str) -> str:
    """The line with a full stop, unless it ends in a sign of its own."""
    line = _line(text)
    return f"{line}." if line and line[-1] not in ".!?…" else line


def _money(amount: str) -> str:
    return f"R$ {formats.number_format(Decimal(amount), decimal_pos=2, use_l10n=True, force_grouping=True)}"


def _to_the_second(moment: str) -> str:
    return formats.date_format(timezone.localtime(datetime.fromisoformat(moment)), "d/m/Y H:i:s") if moment else ""


def _deadline(moment: str) -> str:
    return spoken_moment(datetime.fromisoformat(moment)) if moment else ""


def _page(token: str) -> str:
    """The customer's page of the order, at today's address of the site."""
    return f"{settings.SITE_URL}{reverse('tracking_page', args=[token])}" if token else ""
