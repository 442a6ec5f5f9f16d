"""Taking back a step that somebody has just made by mistake, as long as it can be as if it had never been.

The apps above may say that it cannot (`steps_being_undone`): a message that has left cannot be called back. What is
found out later is corrected by a transition of its own, which the customer is told of.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db import models, transaction
from django.utils.translation import gettext as _

from orders.changes import Values, entry_of, locked, record, save_all, values_of
from orders.models import Order, OrderEvent
from orders.services import BulkResult
from orders.signals import steps_being_undone, steps_undone
from orders.transitions import TRANSITIONS, UNDO, done_words


@transaction.atomic
def undo(events: Collection[int], *, actor: User) -> BulkResult:
    """Take back those of these timeline entries that are the person's own and the last of their orders.

    The orders get the statuses, and what else the steps replaced, that they had before; a new one is cancelled. What
    waited to be told is cancelled, and nobody is told. Several entries of one order are taken back together or not at
    all. A handful of statements, whatever their number.
    """
    own = OrderEvent.objects.filter(pk__in=events, actor=actor).exclude(replaced__has_key="undone").order_by("pk")
    steps: defaultdict[int, list[OrderEvent]] = defaultdict(list)
    for event in own.select_related("order"):
        steps[event.order_id].append(event)
    # Before the orders: whoever has a message may wait for its order.
    said: list[tuple[Any, Any]] = steps_being_undone.send(
        sender=Order, events=[event for each in steps.values() for event in each]
    )
    vetoes: dict[int, str] = {}
    for _receiver, answer in said:
        vetoes |= answer or {}
    orders = list(locked(Order.objects.filter(pk__in=steps)))
    latest = _entries_since(steps)
    result = BulkResult()
    changed: list[tuple[Order, Values]] = []
    entries = []
    for order in orders:
        taken_back = steps[order.pk]
        pks = [event.pk for event in taken_back]
        if why := next((vetoes[pk] for pk in pks if pk in vetoes), "") or _overtaken(order, pks, latest[order.pk]):
            result.refused.append((order, why))
            continue
        before = values_of(order)
        entries.append(_put_back(order, before, taken_back))
        changed.append((order, before))
    result.applied = [order for order, _before in changed]
    save_all(changed)
    result.events = record(entries, actor=actor)
    undone = [event for order in result.applied for event in steps[order.pk]]
    steps_undone.send(sender=Order, events=undone, actor=actor)
    return result


def is_undone(event: OrderEvent | None) -> bool:
    """Whether what the entry tells of was taken back."""
    if event is None:
        return False
    return OrderEvent.objects.filter(order=event.order_id, replaced__undone__contains=[event.pk]).exists()


def undone_of(orders: Collection[int]) -> list[int]:
    """The entries of these orders that were taken back. One query."""
    undoing = OrderEvent.objects.filter(order__in=orders, replaced__has_key="undone")
    return [pk for undone in undoing.values_list("replaced__undone", flat=True) for pk in undone]


def _entries_since(steps: dict[int, list[OrderEvent]]) -> dict[int, list[tuple[int, str]]]:
    """The entries of each order from the first of its steps on."""
    first = min((each[0].pk for each in steps.values()), default=0)
    found: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
    rows = OrderEvent.objects.filter(order__in=steps, pk__gte=first).order_by("pk")
    for order, pk, transition in rows.values_list("order", "pk", "transition"):
        if pk >= steps[order][0].pk:
            found[order].append((pk, transition))
    return found


def _overtaken(order: Order, pks: Sequence[int], since: Sequence[tuple[int, str]]) -> str:
    """Why the steps are not the last of their order; empty if they are."""
    if [pk for pk, _transition in since] == list(pks):
        return ""
    if since and since[-1][1] == UNDO:
        return _("Order %(code)s: this was undone already.") % {"code": order.code}
    return _("Order %(code)s has been changed since: it stays as it is now.") % {"code": order.code}


def _put_back(order: Order, before: Values, steps: Sequence[OrderEvent]) -> OrderEvent:
    """Bring the order in memory where it was before these steps; the entry that says so."""
    if steps[0].transition == "create":
        TRANSITIONS["cancel"].change_statuses(order)
        entry = entry_of(order, before, "cancel", _("Undone right after it was made"))
        entry.replaced = {"undone": [event.pk for event in steps]}
        return entry
    for event in reversed(steps):
        order.status = event.from_status
        order.payment_status = event.from_payment_status
        order.delivery_status = event.from_delivery_status
        for name, value in (event.replaced or {}).items():
            field: models.Field[Any, Any] = Order._meta.get_field(name)  # type: ignore[assignment]
            setattr(order, name, field.to_python(value))
    entry = entry_of(order, before, UNDO, " · ".join(str(done_words(event.transition)) for event in steps))
    entry.replaced = {"undone": [event.pk for event in steps]}
    return entry
