"""A message's snapshot in the staff's words. What a snapshot lacks, or what an anonymised one has lost, is left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Model
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from flowlog.times import moment
from flowlog.translations import Words
from integrations.messages.snapshot import ItemPart, Snapshot
from orders.contacts import format_phone
from orders.models import Customer, Order, Store
from orders.wording import money, quantity


def lines(snapshot: Snapshot) -> list[tuple[str, Words]]:
    """What is in it, as labels and values."""
    return [(capfirst(label), value) for label, value in _all(snapshot) if value]


def _all(snapshot: Snapshot) -> Iterator[tuple[str, Words]]:
    order, customer, store = snapshot.order, snapshot.customer, snapshot.store
    yield _("when"), moment(snapshot.occurred_at)
    yield _("reason"), snapshot.reason
    yield _("text"), snapshot.text
    yield _label(Order, "code"), order.code
    yield _chosen("status", order.status)
    yield _chosen("payment_status", order.payment_status)
    yield _chosen("delivery_status", order.delivery_status)
    yield _chosen("delivery_method", order.delivery_method)
    yield _label(Order, "delivery_address"), order.delivery_address
    yield _label(Order, "tracking_code"), order.tracking_code
    yield _label(Order, "pickup_code"), order.pickup_code
    yield _label(Order, "pickup_deadline"), moment(order.pickup_deadline, store.zone)
    yield from ((_("item"), _item(item)) for item in order.items)
    yield _label(Order, "freight"), money(order.freight) if order.freight else ""
    yield _label(Order, "discount"), money(order.discount) if order.discount else ""
    yield _label(Order, "total"), money(order.total) if order.total is not None else ""
    yield _label(Order, "customer"), customer.name
    yield _label(Customer, "phone"), format_phone(customer.phone)
    yield _label(Order, "store"), store.name
    yield _label(Store, "pickup_address"), store.pickup_address


def _item(item: ItemPart) -> str:
    price = f", {money(item.unit_price)}" if item.unit_price is not None else ""
    return f"{quantity(item.quantity)}× {item.description}{price}"


def _chosen(name: str, value: str) -> tuple[str, Words]:
    """A field with choices; its value as it stands where a later version has dropped it."""
    return _label(Order, name), dict(_field(Order, name).flatchoices).get(value, value)


def _label(model: type[Model], name: str) -> str:
    return str(_field(model, name).verbose_name)


def _field(model: type[Model], name: str) -> Any:
    return model._meta.get_field(name)
