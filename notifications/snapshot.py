"""The snapshot: an order as it was when its status changed. A message is made from it and from nothing else.

Snapshots change additively only, so that the previous release can read the next one's: fields are added, never
renamed or removed, and `VERSION` grows when the meaning of one does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import prefetch_related_objects
from django.utils import timezone

from orders.models import Customer, Order, OrderItem, Store
from orders.signals import StatusChange

VERSION = 1

type Snapshot = dict[str, Any]


def build_all(changes: Iterable[StatusChange]) -> list[Snapshot]:
    """The snapshots of a batch of changes, as JSON types. One query for the items of all orders."""
    changes = list(changes)
    prefetch_related_objects([change.order for change in changes], "items")
    return [
        _build(change.event.transition, change.order, change.event.created_at, change.data.get("reason", ""))
        for change in changes
    ]


def build_for(event: str, orders: Sequence[Order], occurred_at: datetime) -> list[Snapshot]:
    """Those of messages that tell of no transition, with the orders as they are. One query for the items of all."""
    prefetch_related_objects(orders, "items")
    return [_build(event, order, occurred_at) for order in orders]


def _build(event: str, order: Order, occurred_at: datetime, reason: str = "") -> Snapshot:
    return {
        "version": VERSION,
        "event": event,
        "occurred_at": occurred_at.isoformat(),
        "reason": reason,
        "order": _order(order),
        "customer": {**_customer(order.customer), "name": order.addressee},
        "store": _store(order.store),
    }


def build_test(store: Store) -> Snapshot:
    """The snapshot of a message about nothing, in the store's name. Its time makes the text one of its own."""
    return {
        "version": VERSION,
        "event": "test",
        "occurred_at": timezone.now().isoformat(),
        "store": _store(store),
    }


def build_without_order(event: str, customer: Customer, occurred_at: datetime) -> Snapshot:
    """The snapshot of a message that is about the customer alone."""
    return {
        "version": VERSION,
        "event": event,
        "occurred_at": occurred_at.isoformat(),
        "customer": _customer(customer),
        "store": _store(customer.store),
    }


def _customer(customer: Customer) -> Snapshot:
    return {"id": customer.pk, "name": customer.name, "phone": customer.phone}


def _store(store: Store) -> Snapshot:
    return {"id": store.pk, "name": store.name, "phone": store.phone, "pickup_address": store.pickup_address}


def _quantity(item: OrderItem) -> int | str:
    """A whole number as one, which is all that the release before writes, and which it reads as it stands."""
    quantity = item.quantity
    return int(quantity) if quantity == int(quantity) else f"{quantity.normalize():f}"


def _order(order: Order) -> Snapshot:
    return {
        "id": order.pk,
        "code": order.code,
        "status": str(order.status),
        "payment_status": str(order.payment_status),
        "delivery_status": str(order.delivery_status),
        "delivery_method": str(order.delivery_method),
        "delivery_address": order.delivery_address,
        "delivery_attempts": order.delivery_attempts,
        "freight": str(order.freight),
        "discount": str(order.discount),
        "total": str(order.total),
        "items": [
            {"description": item.description, "quantity": _quantity(item), "unit_price": str(item.unit_price)}
            for item in order.items.all()
        ],
        "tracking_code": order.tracking_code,
        "tracking_link": order.tracking_link,
        "parcels": [parcel._asdict() for parcel in order.parcels],
        "tracking_token": order.tracking_token,
        "pickup_code": order.pickup_code,
        "pickup_deadline": order.pickup_deadline.isoformat() if order.pickup_deadline else "",
    }
