"""A message's snapshot in the staff's words. What a snapshot lacks, or what an anonymised one has lost, is left out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Model
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from flowlog.times import moment
from flowlog.translations import Words
from orders.contacts import format_phone
from orders.models import Customer, Order, Store
from orders.wording import money, quantity

_ORDER = (
    "code", "status", "payment_status", "delivery_status", "delivery_method", "delivery_address", "tracking_code",
    "pickup_code",
)  # fmt: skip


def lines(snapshot: dict[str, Any]) -> list[tuple[str, Words]]:
    """What is in it, as labels and values."""
    return [(capfirst(label), value) for label, value in _all(snapshot) if value]


def _all(snapshot: dict[str, Any]) -> Iterator[tuple[str, Words]]:
    order, customer, store = (snapshot.get(part, {}) for part in ("order", "customer", "store"))
    yield _("when"), _moment(snapshot.get("occurred_at", ""))
    yield _("reason"), snapshot.get("reason", "")
    for name in _ORDER:
        value = order.get(name) or ""
        yield _label(Order, name), dict(_field(Order, name).flatchoices).get(value, value)
    yield _label(Order, "pickup_deadline"), _moment(order.get("pickup_deadline", ""))
    for item in order.get("items", []):
        price = money(Decimal(item.get("unit_price", 0)))
        yield _("item"), f"{quantity(Decimal(item.get('quantity', 1)))}× {item.get('description', '')}, {price}"
    for name in ("freight", "discount"):
        yield _label(Order, name), money(amount) if (amount := Decimal(order.get(name, 0))) else ""
    yield _label(Order, "total"), money(Decimal(order["total"])) if "total" in order else ""
    yield _label(Order, "customer"), customer.get("name", "")
    yield _label(Customer, "phone"), format_phone(customer.get("phone", ""))
    yield _label(Order, "store"), store.get("name", "")
    yield _label(Store, "pickup_address"), store.get("pickup_address", "")


def _label(model: type[Model], name: str) -> str:
    return str(_field(model, name).verbose_name)


def _field(model: type[Model], name: str) -> Any:
    return model._meta.get_field(name)


def _moment(written: str | None) -> str:
    return moment(datetime.fromisoformat(written)) if written else ""
