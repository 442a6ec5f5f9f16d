"""Taking snapshots: of an order as its status changes, and for the messages that are about none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from django.utils import timezone

from flowlog.prepared import Rows, among, param
from integrations.messages import kinds
from integrations.messages.snapshot import CustomerPart, ItemPart, OrderPart, ParcelPart, Snapshot, StorePart
from integrations.models import CustomerReply
from orders.models import Customer, Order, OrderItem, Store
from orders.signals import StatusChange


def snapshots_of(changes: Iterable[StatusChange]) -> list[Snapshot]:
    """The snapshots of a batch of changes. One query for the items of all orders."""
    changes = list(changes)
    items = _items_of([change.order for change in changes])
    return [
        _snapshot_of(
            change.event.transition,
            change.order,
            items[change.order.pk],
            change.event.created_at,
            change.data.get("reason", ""),
        )
        for change in changes
    ]


def snapshots_as_they_are(event: str, orders: Sequence[Order], occurred_at: datetime) -> list[Snapshot]:
    """Those of messages that tell of no transition. One query for the items of all orders."""
    items = _items_of(orders)
    return [_snapshot_of(event, order, items[order.pk], occurred_at) for order in orders]


_ITEMS = Rows(lambda: OrderItem.objects.filter(order=param("order")))


def _items_of(orders: Sequence[Order]) -> dict[int, list[OrderItem]]:
    """Each order's items, by its key. One query for all of which they are not known."""
    known = {order.pk: getattr(order, "_prefetched_objects_cache", {}).get("items") for order in orders}
    items = {pk: list(rows or ()) for pk, rows in known.items()}
    for item in _read([pk for pk, rows in known.items() if rows is None]):
        items[item.order_id].append(item)
    return items


def _read(orders: Sequence[int]) -> Iterable[OrderItem]:
    """Their items, each order's as they stand in it."""
    if len(orders) == 1:
        return _ITEMS.all(order=orders[0])
    return OrderItem.objects.filter(among("order", orders)) if orders else ()


def _snapshot_of(
    event: str, order: Order, items: Sequence[OrderItem], occurred_at: datetime, reason: str = ""
) -> Snapshot:
    return Snapshot(
        event=event,
        occurred_at=occurred_at,
        reason=reason,
        order=_order(order, items),
        customer=_customer(order.customer, order.addressee),
        store=store_part(order.store),
    )


def snapshot_of_answer(text: str, reply: CustomerReply, phone: str) -> Snapshot:
    """That of a person's answer: about the reply's order, if it has one, in the name of its store."""
    now = timezone.now()
    if reply.order:
        items = _items_of([reply.order])[reply.order.pk]
        return replace(_snapshot_of(kinds.FREE_ANSWER, reply.order, items, now), text=text)
    customer = _customer(reply.customer, reply.customer.name) if reply.customer else CustomerPart(phone=phone)
    store = reply.customer.store if reply.customer else reply.instance.store
    return Snapshot(event=kinds.FREE_ANSWER, occurred_at=now, text=text, customer=customer, store=store_part(store))


def snapshot_of_test(store: Store) -> Snapshot:
    """That of a message about nothing, in the store's name. Its time makes the text one of its own."""
    return Snapshot(event=kinds.TEST, occurred_at=timezone.now(), store=store_part(store))


def snapshot_without_order(event: str, customer: Customer, occurred_at: datetime) -> Snapshot:
    """That of a message that is about the customer alone."""
    return Snapshot(
        event=event,
        occurred_at=occurred_at,
        customer=_customer(customer, customer.name),
        store=store_part(customer.store),
    )


def _customer(customer: Customer, name: str) -> CustomerPart:
    return CustomerPart(id=customer.pk, name=name, phone=customer.phone)


def store_part(store: Store) -> StorePart:
    """The store as a snapshot has it."""
    return StorePart(
        id=store.pk,
        name=store.name,
        phone=store.phone,
        pickup_address=store.pickup_address,
        signature=store.signature,
        opening_hours=store.opening_hours,
        time_zone=store.time_zone,
    )


def _order(order: Order, items: Sequence[OrderItem]) -> OrderPart:
    return OrderPart(
        id=order.pk,
        code=order.code,
        status=str(order.status),
        payment_status=str(order.payment_status),
        delivery_status=str(order.delivery_status),
        delivery_method=str(order.delivery_method),
        delivery_address=order.delivery_address,
        delivery_attempts=order.delivery_attempts,
        freight=order.freight,
        discount=order.discount,
        total=order.total,
        items=tuple(
            ItemPart(description=item.description, quantity=item.quantity, unit_price=item.unit_price) for item in items
        ),
        tracking_code=order.tracking_code,
        tracking_link=order.tracking_link,
        parcels=tuple(ParcelPart(code=parcel.code, link=parcel.link) for parcel in order.parcels),
        tracking_token=order.tracking_token,
        pickup_code=order.pickup_code,
        pickup_deadline=order.pickup_deadline,
    )
