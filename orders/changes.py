"""How a change of orders is written down: their rows locked and saved, the timeline, the word to the apps above.

For the services alone (`orders.services`, `orders.undo`, `orders.bring`), which say what is changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import QuerySet

from flowlog import schema
from flowlog.prepared import (
    Compiled,
    Insertion,
    Rows,
    Statement,
    among,
    following,
    insertion,
    param,
    recording,
    stored,
)
from flowlog.times import moment
from orders.models import Order, OrderEvent
from orders.signals import StatusChange, order_status_changed
from orders.transitions import Data, Transition

STATUSES = ("status", "payment_status", "delivery_status")
CHANGED_FIELDS = (
    *STATUSES,
    "delivery_attempts",
    "tracking_code",
    "tracking_url",
    "pickup_deadline",
    "delivery_address",
)
NO_DELAY = timedelta()
_CODES_AT_ONCE = 200

type Actor = User | None
type Values = dict[str, Any]
type DataOf = Callable[[Order], Data]
# An order as it is now, in memory, and what its fields were before.
type Changed = tuple[Order, Values]


def take(
    order: Order, transition: Transition, data: Data, *, actor: Actor, notify: bool, delay: timedelta
) -> list[OrderEvent]:
    """Apply one transition, with clean data, to a locked order; its entry. Raises `TransitionNotAllowed`."""
    before = values_of(order)
    transition.apply(order, data)
    entry = entry_of(order, before, transition.name, _note(order, data))
    entry.actor = actor
    changed = {name: value for name, value in _columns(order).items() if name in CHANGED_FIELDS}
    [(entry.pk,)] = _CHANGE_AND_WRITE.fetched(**changed | _columns(entry), order=order.pk)
    stored(entry)
    tell = StatusChange(
        order=order, event=entry, notify=notify and transition.notifies_customer, data=data, delay=delay
    )
    order_status_changed.send(sender=Order, changes=[tell])
    return [entry]


def save_all(changed: Sequence[Changed]) -> None:
    """Save what has changed. A transition changes many orders alike: one UPDATE for all that change in one way.

    Tracking codes differ, and go first: an order may not have left without one. One that loses it goes by itself.
    """
    coded = [
        order for order, before in changed if order.tracking_code and order.tracking_code != before["tracking_code"]
    ]
    Order.objects.bulk_update(coded, ["tracking_code"], batch_size=_CODES_AT_ONCE)
    alike: defaultdict[tuple[tuple[str, Any], ...], list[int]] = defaultdict(list)
    for order, before in changed:
        new = values_of(order)
        changes = {name: new[name] for name in CHANGED_FIELDS if new[name] != before[name]}
        if changes.get("tracking_code"):
            del changes["tracking_code"]
        alike[tuple(changes.items())].append(order.pk)
    for values, pks in alike.items():
        if values:
            Order.objects.filter(among("pk", pks)).update(**dict(values))


def values_of(order: Order) -> Values:
    """What a transition may change, as it is now."""
    return {name: getattr(order, name) for name in CHANGED_FIELDS}


def locked(orders: QuerySet[Order]) -> QuerySet[Order]:
    """The orders locked in one global order, so that two bulk actions never wait for each other in a ring.

    They are read after the locks are held, with their store and customer: a join under FOR UPDATE would drop, or
    show as it was, what changed while waiting.
    """
    return read_locked(lock(orders))


def lock(orders: QuerySet[Order]) -> list[int]:
    """Lock them in that order; their keys."""
    schema.require()
    return list(orders.select_for_update().order_by("pk").values_list("pk", flat=True))


def read_locked(pks: Collection[int]) -> QuerySet[Order]:
    # Of many orders the stores are few.
    orders = Order.objects.select_related("customer").prefetch_related("store")
    return orders.filter(among("pk", pks)).order_by("pk")


def lock_and_read(order: Order) -> None:
    """Lock the order and bring the object up to date, with its store and customer."""
    schema.require()
    if not _LOCK.fetched(order=order.pk):
        raise Order.DoesNotExist
    order.refresh_from_db(from_queryset=_Read())  # type: ignore[arg-type]


def _whole_orders() -> QuerySet[Order]:
    return Order.objects.select_related("store", "customer")


_LOCK = Statement(lambda: Order.objects.select_for_update().filter(pk=param("order")).order_by().values_list("pk"))
_READ = Rows(lambda: _whole_orders().filter(pk=param("order")).order_by())


class _Read:
    """What Django asks for an object's row."""

    def filter(self, pk: int) -> _Read:
        self._pk = pk
        return self

    def only(self, *_fields: str) -> _Read:
        return self

    def get(self) -> Order:
        [order] = _READ.all(order=self._pk)
        return order


def _entry() -> OrderEvent:
    names = [field.attname for field in OrderEvent._meta.concrete_fields if not field.primary_key]
    return OrderEvent(**{name: param(name) for name in names})


def _change_and_entry() -> Compiled:
    changed = recording(Order.objects.filter(pk=param("order")))
    change = changed.update(**{name: param(name) for name in CHANGED_FIELDS})
    return following(change, insertion(_entry(), returning=["id"]))


_WRITE, _CHANGE_AND_WRITE = Insertion(_entry, returning=["id"]), Statement(_change_and_entry)


def _columns(row: Order | OrderEvent) -> Values:
    """The columns of a row but its key, as the database takes them."""
    fields = [field for field in row._meta.concrete_fields if not field.primary_key]
    return {field.attname: field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields}


def record_all(
    changed: Sequence[Changed],
    transition: Transition,
    data_of: DataOf,
    *,
    actor: Actor,
    notify: bool,
    delay: timedelta,
    wake: bool = True,
) -> list[OrderEvent]:
    """Write the timeline and tell the apps above, for a whole batch at once."""
    entries = [entry_of(order, before, transition.name, _note(order, data_of(order))) for order, before in changed]
    notify = notify and transition.notifies_customer
    return record(entries, actor=actor, notify=notify, delay=delay, wake=wake, data_of=data_of)


def entry_of(order: Order, before: Values, name: str, note: str = "") -> OrderEvent:
    """The entry for what has just happened to the order, which was as `before` has it; none of it for a new one."""
    replaced = {field: before[field] for field in CHANGED_FIELDS if field in before and field not in STATUSES}
    return OrderEvent(
        order=order,
        transition=name,
        **{f"from_{field}": before.get(field, "") for field in STATUSES},
        **{field: getattr(order, field) for field in STATUSES},
        note=note,
        replaced={field: value for field, value in replaced.items() if value != getattr(order, field)} or None,
    )


def record(
    entries: Sequence[OrderEvent],
    *,
    actor: Actor,
    notify: bool = False,
    delay: timedelta = NO_DELAY,
    wake: bool = True,
    data_of: DataOf = lambda _: {},
) -> list[OrderEvent]:
    """Write these entries to the timelines, in the person's name, and tell the apps above of the changes."""
    if not entries:
        return []
    for entry in entries:
        entry.actor = actor
    for entry, (pk,) in zip(entries, _WRITE.each([_columns(entry) for entry in entries]), strict=True):
        entry.pk = pk
        stored(entry)
    changes = [
        StatusChange(order=event.order, event=event, notify=notify, data=data_of(event.order), delay=delay, wake=wake)
        for event in entries
    ]
    order_status_changed.send(sender=Order, changes=changes)
    return list(entries)


def _note(order: Order, data: Data) -> str:
    if "pickup_deadline" in data:
        return moment(order.pickup_deadline, order.store.zone)
    return data.get("reason") or (order.tracking_code if "tracking_code" in data else "")
