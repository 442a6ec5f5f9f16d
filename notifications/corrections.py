"""Telling of a step that was corrected: only who may have read the wrong news needs the right one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from django.db import transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from integrations.locks import unlocked
from integrations.messages import state_changes
from integrations.messages.corrected import SPEAKS_OF_PAYMENT
from integrations.models import NotificationLog
from notifications import wakeups
from orders.models import OrderEvent
from orders.signals import StatusChange
from orders.transitions import TRANSITIONS
from orders.undo import undone_of

# Why a message was cancelled.
CODE = "corrected"
Status = NotificationLog.Status
_MAY_HAVE_ARRIVED = ~Q(status__in=(Status.CANCELLED, Status.SKIPPED, Status.FAILED)) | Q(
    status=Status.FAILED, error_code="outcome_unknown"
)


def news(changes: Sequence[StatusChange]) -> list[StatusChange]:
    """The changes that the customer is to be told of.

    Of a correction only if a message that it corrects may have arrived. What of these still waits is cancelled, unless
    a worker has it at this moment: the correction then follows it.
    """
    corrections = [change for change in changes if corrects(change.event)]
    if not corrections:
        return [change for change in changes if change.notify]
    events = [change.event for change in corrections]
    waiting = wrong_news(events).filter(status=Status.PENDING)
    cancelled = list(waiting)
    # Whoever holds its order waits for no message.
    state_changes.to_cancelled(unlocked(waiting), code=CODE, cancelled_by=corrections[0].event.actor)
    for row in {row.instance_id: row for row in cancelled}.values():
        transaction.on_commit(partial(wakeups.wake_next, row), robust=True)
    said_so = wrong_news(events, besides=True).filter(_MAY_HAVE_ARRIVED)
    told = set(said_so.values_list("order_id", flat=True))
    return [change for change in changes if change.notify and (not corrects(change.event) or change.order.pk in told)]


def wrong_news(corrections: Sequence[OrderEvent], *, besides: bool = False) -> QuerySet[NotificationLog]:
    """The messages of what these entries take back, and what was sent again of them.

    Since the same was corrected the last time: a correction that was undone is none. `besides`: and those that say it
    beside their own news, which stays true.
    """
    orders = {event.order_id for event in corrections}
    names = {event.transition for event in corrections}
    before = OrderEvent.objects.filter(order=OuterRef("order"), transition__in=names)
    standing = before.exclude(pk__in=[*(event.pk for event in corrections), *undone_of(orders)])
    last = Coalesce(Subquery(standing.order_by("-pk").values("pk")[:1]), Value(0))
    of_these = NotificationLog.objects.filter(order__in=orders)
    wrong = Q(event__in=frozenset().union(*map(corrects, corrections)))
    if besides and "unpay" in names:
        wrong |= SPEAKS_OF_PAYMENT
    originals = of_these.filter(wrong, order_event__gt=last, resend_of=None).values("pk")
    return of_these.filter(Q(pk__in=originals) | Q(resend_of__in=originals))


def corrects(event: OrderEvent) -> frozenset[str]:
    """The kinds of messages whose news the entry takes back."""
    entry = TRANSITIONS.get(event.transition)
    return entry.corrects if entry else frozenset()
