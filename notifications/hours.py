"""When a store's quiet hours change: what waits for their end waits no longer than they say now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from integrations.locks import unlocked
from integrations.messages import state_changes
from integrations.models import NotificationLog
from notifications import wakeups
from notifications.quiet import CODE
from orders import quiet
from orders.models import Order, Store

Status = NotificationLog.Status


def quiet_hours_changed(*, store: Store, **_kwargs: Any) -> None:
    """Look again at what waits, once the change is committed: whoever puts a message off later knows of it
    (`quiet.put_off`)."""
    transaction.on_commit(partial(look_again, store.pk), robust=True)


@transaction.atomic
def look_again(store_id: int) -> int:
    """Let go what waits for a morning that is not to be waited for any more, each where it stood in line, or only for
    an earlier one; returns how many. Nothing is put off any further: that is asked when it is sent."""
    store = Store.objects.get(pk=store_id)
    morning = quiet.end_of(store, timezone.now())
    # Not by a join: the orders would be locked with them.
    orders = Order.objects.filter(store=store).values("pk")
    waiting = NotificationLog.objects.filter(order__in=orders, status=Status.PENDING, error_code=CODE)
    if morning is not None:
        later = waiting.filter(next_attempt_at__gt=morning)
        return state_changes.put_back(unlocked(later), code=CODE, next_attempt_at=morning)
    instances = list(waiting.order_by().values_list("instance", flat=True).distinct())
    # Not before the moment is over in which the staff may undo their step.
    due = F("created_at") + timedelta(seconds=settings.STAFF_UNDO_SECONDS)
    number = state_changes.put_back(unlocked(waiting), next_attempt_at=due)
    transaction.on_commit(partial(_wake, instances), robust=True)
    return number


def _wake(instances: Sequence[int | None]) -> None:
    """The first in line of each, which wakes the next."""
    for pk in instances:
        pending = NotificationLog.objects.filter(instance=pk, status=Status.PENDING, blocked=False)
        wakeups.publish(pending.filter(next_attempt_at__lte=timezone.now()).order_by("next_attempt_at", "pk")[:1])
