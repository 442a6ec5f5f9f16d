"""Quiet hours: what may wait for the morning does, and nothing of an order overtakes anything.

A message is due in the morning when it is written in the quiet hours, or when it comes to be sent only in them: for its
pace, after a retry, after a hold. What must not wait (`Kind.may_wait`) takes along whatever of its order waits, so that
the two go one after the other, now. Which night it is, this process's clock decides; what is due, the database's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import (
    BooleanField,
    Case,
    DateTimeField,
    DurationField,
    F,
    OuterRef,
    Q,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Greatest, Least, Now
from django.utils import timezone

from flowlog.prepared import param
from integrations.locks import unlocked
from integrations.messages import kinds, state_changes
from integrations.messages.sentences import sentence
from integrations.models import NotificationLog
from orders import quiet
from orders.models import Order

CODE = "quiet_hours"
Status = NotificationLog.Status
NO_DELAY = timedelta()
_URGENT = [kind.name for kind in kinds.KINDS.values() if not kind.may_wait]


def times(
    event: str,
    order: Order,
    life: timedelta,
    *,
    until: datetime | None = None,
    delay: timedelta = NO_DELAY,
    wake: bool = True,
) -> dict[str, Any]:
    """What `due`, `too_old` and `woken` need to know of a new message of an order, and why it waits.

    `until`: it is of no use later. `wake`: whether somebody is woken for it, or for one that goes before it, by then.
    """
    morning = _morning(event, order, until)
    why = {"error_code": CODE, "error_message": sentence(CODE)} if morning else {"error_code": "", "error_message": ""}
    held_back = not wake or (bool(delay) and morning is None)
    return {"morning": morning, "delay": delay, "life": life, "until": until, "held_back": held_back, **why}


def due() -> Any:
    """When it is due: in the morning if it waits for it, and once its delay is over."""
    return Greatest(param("morning", DateTimeField()), Now() + param("delay", DurationField()))


def too_old() -> Any:
    """When it is no news any more."""
    due = Coalesce(param("morning", DateTimeField()), Now() + param("delay", DurationField()))
    return Least(due + param("life", DurationField()), param("until", DateTimeField()))


def woken() -> Any:
    """When somebody was woken for it. Before its delay is over nobody can claim it, and the sweep has still to wake."""
    return Case(When(param("held_back", BooleanField()), then=None), default=Now())


def take_along(rows: Sequence[NotificationLog]) -> None:
    """Let what waits of the orders of those that must not wait go now, before them.

    `rows` were written in this transaction. By day it asks nothing. What is being put off at this
    very moment is passed by, and seen after the commit, or by whoever puts it off (`put_off`).
    """
    now = timezone.now()
    urgent = [row for row in rows if row.event in _URGENT and row.order and quiet.end_of(row.order.store, now)]
    if urgent:
        orders = [row.order_id for row in urgent]
        _let_go(orders)
        transaction.on_commit(partial(_let_go, orders), robust=True)


def put_off(row: NotificationLog) -> bool:
    """Put a message that was claimed off to the morning, if it is quiet and it may wait; returns whether it was.

    One that was asked for by a person goes at once.
    """
    if row.order is None or row.resend_of_id:
        return False
    has_an_end = kinds.KINDS[row.event].occasion if row.event in kinds.KINDS else None
    until = row.order.pickup_deadline if has_an_end else None
    morning = _morning(row.event, row.order, until)
    if morning is None or _is_before_an_urgent_one(row):
        return False
    later = F("expires_at") + (morning - timezone.now())
    expires_at = Least(later, Value(until)) if until else later
    state_changes.put_back(row.as_claimed, code=CODE, next_attempt_at=morning, expires_at=expires_at)
    # One that must not wait may have been written meanwhile, or the hours have been changed.
    transaction.on_commit(partial(_look_again, row), robust=True)
    return True


def _look_again(row: NotificationLog) -> None:
    assert row.order  # noqa: S101 - asked for by the caller
    row.order.store.refresh_from_db(fields=["quiet_from", "quiet_until", "time_zone"])
    if _is_before_an_urgent_one(row) or quiet.end_of(row.order.store, timezone.now()) is None:
        _let_go([row.order_id])


@transaction.atomic
def _let_go(orders: Sequence[int | None]) -> None:
    """When what must not wait is due, and not before the moment is over in which the staff may undo their step."""
    waiting = NotificationLog.objects.filter(order__in=orders, status=Status.PENDING, error_code=CODE)
    urgent = NotificationLog.objects.filter(
        order=OuterRef("order"), status__in=NotificationLog.UNFINISHED, event__in=_URGENT
    )
    its_time = Coalesce(Subquery(urgent.order_by("next_attempt_at").values("next_attempt_at")[:1]), Now())
    undo = timedelta(seconds=settings.STAFF_UNDO_SECONDS)
    state_changes.put_back(unlocked(waiting), next_attempt_at=Greatest(F("created_at") + undo, its_time))


def _morning(event: str, order: Order, until: datetime | None) -> datetime | None:
    """When a message that comes to be sent now may go; None: now. What is of no use by then does not wait."""
    if event in _URGENT:
        return None
    morning = quiet.end_of(order.store, timezone.now())
    if morning and until and until <= morning + state_changes.LAST_CHANCE:
        return None
    return morning


def _is_before_an_urgent_one(row: NotificationLog) -> bool:
    """An answer stands behind the order's latest entry, of which a message may wait."""
    if row.order_event_id is None:
        return False
    behind = Q(order_event__gt=row.order_event_id) | Q(order_event=row.order_event_id, pk__gt=row.pk)
    later = NotificationLog.objects.filter(behind, order=row.order_id)
    return later.filter(status__in=NotificationLog.UNFINISHED, event__in=_URGENT).exists()
