"""Waking the worker: publishing a task for a row. Redis may lose any wake-up; the sweep repeats it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from flowlog import publishing
from flowlog.prepared import Rows, param
from flowlog.publishing import WakeUp
from integrations.locks import unlocked
from integrations.messages import state_changes
from integrations.models import NotificationLog
from notifications import claims

LONGEST_COUNTDOWN = 30.0


def publish(rows: Iterable[NotificationLog], *, countdown: float | None = None) -> int:
    """Publish a wake-up for the first of the rows at each instance, which sends the others as well; returns how many.

    Never raises for a broker that is down or hangs; what did not go out is left to the sweep, which finds it unwoken.
    """
    rows = list(rows)
    first = list({row.instance_id: row for row in reversed(rows)}.values())
    # What logs and monitors may show: the snapshot holds the customer's name and phone.
    published = _publish(
        [WakeUp("notifications.tasks.send_whatsapp", (row.pk, row.snapshot), f"({row.pk}, …)") for row in first],
        countdown,
    )
    left = {row.instance_id for row in first[published:]}
    _forget_waking([row for row in rows if row.instance_id in left])
    return published


def wake(rows: Sequence[NotificationLog]) -> None:
    """Publish them, noted on the rows, which are due now if they were not."""
    if rows:
        stamp(rows, state_changes.woken_to_send)
        publish(rows)


@transaction.atomic
def stamp(rows: Sequence[NotificationLog], move: Callable[[state_changes.Rows], int]) -> None:
    """Note on the rows, but for those that somebody else has, that they are woken."""
    move(unlocked(NotificationLog.objects.filter(pk__in=[row.pk for row in rows])))


def publish_look_ups(rows: Iterable[NotificationLog]) -> int:
    """The same, to look the messages up."""
    rows = list(rows)
    published = _publish([WakeUp("notifications.tasks.look_up", (row.pk,), f"({row.pk},)") for row in rows])
    _forget_waking(rows[published:])
    return published


def publish_probes(instance_ids: Iterable[int]) -> int:
    """The same, to ask the gateway for the state of instances."""
    # The next probe makes an older one that nobody has taken pointless.
    return publishing.publish(
        [WakeUp("notifications.tasks.probe", (pk,), f"({pk},)") for pk in instance_ids],
        expires=settings.NOTIFICATIONS.probe_max,
    )


def wake_next(row: NotificationLog) -> None:
    """Wake the message that is next at the row's instance, and the next of its order where another one sends that.

    While the instance keeps its pace, that is one wake-up with a countdown; losing it is harmless, since the sweep
    wakes the oldest of every instance that stands ready. One that is held is left to the sweep.
    """
    # Not `OR`: PostgreSQL would look at all that wait.
    if row.instance_id is None:
        either = claims.oldest_due(None).union(_elsewhere(None, row.order_id), all=True)
        _wake_now(_not_held(either))
    else:
        _wake_now(_NEXT.all(instance=row.instance_id, order=row.order_id))


def wake_elsewhere(row: NotificationLog) -> None:
    """Wake the next of the row's order where another instance sends it."""
    _wake_now(_not_held(_elsewhere(row.instance_id, row.order_id)))


def _elsewhere(instance: Any, order: Any) -> QuerySet[NotificationLog, Any]:
    return claims.due().filter(order=order, order__isnull=False).exclude(instance=instance).values("pk")


def _not_held(keys: Any) -> QuerySet[NotificationLog]:
    rows = NotificationLog.objects.filter(pk__in=keys, instance__held_at__isnull=True).order_by()
    return rows.annotate(pace=F("instance__next_send_at") - Now())


_NEXT = Rows(
    lambda: _not_held(
        claims.oldest_due(param("instance")).union(_elsewhere(param("instance"), param("order")), all=True)
    )
)


def _wake_now(rows: Iterable[Any]) -> None:
    """Or when the pace allows it."""
    for row in rows:
        seconds = row.pace.total_seconds() if row.pace else 0
        publish([row], countdown=min(seconds, LONGEST_COUNTDOWN) if seconds > 0 else None)


def _publish(wake_ups: list[WakeUp], countdown: float | None = None) -> int:
    return publishing.publish(wake_ups, countdown=countdown, expires=settings.NOTIFICATIONS.expires_after)


def _forget_waking(rows: list[NotificationLog]) -> None:
    if not rows:
        return
    with transaction.atomic():
        waiting = (NotificationLog.Status.PENDING, NotificationLog.Status.UNKNOWN)
        forgotten = NotificationLog.objects.filter(pk__in=[row.pk for row in rows], status__in=waiting)
        state_changes.unwoken(unlocked(forgotten))
