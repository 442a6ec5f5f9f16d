"""How a change of orders is written down: their rows locked and saved, the timeline, the word to the apps above.

For the services alone (`orders.services`, `orders.undo`, `orders.bring`), which say what is changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db.models import QuerySet

from flowlog import schema
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
    order.save(update_fields=CHANGED_FIELDS)
    return record_all([(order, before)], transition, lambda _: data, actor=actor, notify=notify, delay=delay)


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
            Order.objects.filter(pk__in=pks).update(**dict(values))


def values_of(order: Order) -> Values:
    """What a transition may change, as it is now."""
    return {name: getattr(order, name) for name in CHANGED_FIELDS}


def locked(orders: QuerySet[Order]) -> QuerySet[Order]:
    """The orders locked in one global order, so that two bulk actions never wait for each other in a ring.

    They are read after the locks are held, with their store and customer: a join under FOR UPDATE would drop, or
    show as it was, what changed while waiting.
    """
    schema.require()
    pks = list(orders.select_for_update().order_by("pk").values_list("pk", flat=True))
    return _whole_orders().filter(pk__in=pks).order_by("pk")


def lock_and_read(order: Order) -> None:
    """Lock the order and bring the object up to date, with its store and customer."""
    schema.require()
    Order.objects.select_for_update().get(pk=order.pk)
    order.refresh_from_db(from_queryset=_whole_orders())


def _whole_orders() -> QuerySet[Order]:
    return Order.objects.select_related("store", "customer")


def record_all(
    changed: Sequence[Changed],
    transition: Transition,
    data_of: DataOf,
    *,
    actor: Actor,
    notify: bool,
    delay: timedelta,
) -> list[OrderEvent]:
    """Write the timeline and tell the apps above, for a whole batch at once."""
    entries = [entry_of(order, before, transition.name, _note(order, data_of(order))) for order, before in changed]
    notify = notify and transition.notifies_customer
    return record(entries, actor=actor, notify=notify, delay=delay, data_of=data_of)


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
    data_of: DataOf = lambda _: {},
) -> list[OrderEvent]:
    """Write these entries to the timelines, in the person's name, and tell the apps above of the changes."""
    if not entries:
        return []
    for entry in entries:
        entry.actor = actor
    events = OrderEvent.objects.bulk_create(entries)
    changes = [
        StatusChange(order=event.order, event=event, notify=notify, data=data_of(event.order), delay=delay)
        for event in events
    ]
    order_status_changed.send(sender=Order, changes=changes)
    return events


def _note(order: Order, data: Data) -> str:
    if "pickup_deadline" in data:
        return moment(order.pickup_deadline, order.store.zone)
    return data.get("reason") or (order.tracking_code if "tracking_code" in data else "")
