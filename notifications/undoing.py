"""Taking back the message of a step that is undone: as long as it only waits, it is cancelled; else the step stays."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from integrations.locks import unlocked
from integrations.messages import state_changes
from integrations.models import NotificationLog
from notifications import wakeups
from notifications.corrections import CODE, corrects, wrong_news
from orders.models import OrderEvent

Status = NotificationLog.Status
# Nothing left, and nothing is about to.
_UNSAID = frozenset({Status.PENDING, Status.SKIPPED, Status.CANCELLED})


def told_already(*, events: Sequence[OrderEvent], **_kwargs: Any) -> dict[int, str]:
    """Lock the messages of these entries, so that no worker claims one; returns which entries may have been told."""
    codes = {event.pk: event.order.code for event in events}
    locked = set(_news(events).select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    words = _("The message of order %(code)s is on its way already: the order stays as it is now.")
    # One that was sent again while this waited for the original is not locked: a worker may have it by now.
    rows = _news(events).values_list("pk", "status", Coalesce("order_event_id", "resend_of__order_event_id"))
    told = {
        event: words % {"code": codes[event]} for pk, status, event in rows if status not in _UNSAID or pk not in locked
    }
    return _cancelled_others(events) | told


def cancel_news(*, events: Sequence[OrderEvent], actor: User | None, **_kwargs: Any) -> None:
    """Cancel what waits of these entries, whose messages `told_already` has locked."""
    rows = _news(events).filter(status=Status.PENDING)
    waiting = list(rows)
    state_changes.to_cancelled(unlocked(rows), cancelled_by=actor)
    for row in {row.instance_id: row for row in waiting}.values():
        transaction.on_commit(partial(wakeups.wake_next, row), robust=True)


def _news(events: Sequence[OrderEvent]) -> QuerySet[NotificationLog]:
    """The messages of these very entries, and what was sent again of them.

    Answers and reminders stand behind an entry, too, and are no news of it.
    """
    of_these = NotificationLog.objects.filter(order__in={event.order_id for event in events})
    own = Q(dedupe_key__in=[f"event:{each.pk}:{each.transition}" for each in events])
    return of_these.filter(own | Q(resend_of__in=of_these.filter(own).values("pk")))


def _cancelled_others(events: Sequence[OrderEvent]) -> dict[int, str]:
    """Which of these are corrections that cancelled what waited: that would be told by nobody if they were undone."""
    words = _("Order %(code)s: a message that waited was cancelled by this. Take the step again to tell the customer.")
    corrections = [event for event in events if corrects(event)]
    if not corrections:
        return {}
    cancelled = wrong_news(corrections).filter(status=Status.CANCELLED, error_code=CODE)
    orders = set(cancelled.values_list("order_id", flat=True))
    return {event.pk: words % {"code": event.order.code} for event in corrections if event.order_id in orders}
