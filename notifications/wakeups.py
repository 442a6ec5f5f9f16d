"""Waking the worker: publishing a task for a row. Redis may lose any wake-up; the sweep repeats it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from flowlog import publishing
from flowlog.publishing import WakeUp
from integrations.locks import unlocked
from integrations.messages import state_changes
from integrations.models import NotificationLog
from notifications import claims

LONGEST_COUNTDOWN = 30.0


def publish(rows: Iterable[NotificationLog], *, countdown: float | None = None) -> int:
    """Publish a wake-up to send for each row; returns how many went out.

    Never raises for a broker that is down or hangs; what did not go out is left to the sweep, which finds it unwoken.
    """
    rows = list(rows)
    # What logs and monitors may show: the snapshot holds the customer's name and phone.
    published = _publish(
        [WakeUp("notifications.tasks.send_whatsapp", (row.pk, row.snapshot), f"({row.pk}, …)") for row in rows],
        countdown,
    )
    _forget_waking(rows[published:])
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
    elsewhere = claims.due().filter(order=row.order_id, order__isnull=False).exclude(instance=row.instance_id)
    # Not `OR`: PostgreSQL would look at all that wait.
    either = claims.oldest_due(row.instance_id).union(elsewhere.values("pk"), all=True)
    candidates = NotificationLog.objects.filter(pk__in=either, instance__held_at__isnull=True)
    for candidate in candidates.annotate(pace=F("instance__next_send_at") - Now()):
        seconds = candidate.pace.total_seconds() if candidate.pace else 0
        publish([candidate], countdown=min(seconds, LONGEST_COUNTDOWN) if seconds > 0 else None)


def _publish(wake_ups: list[WakeUp], countdown: float | None = None) -> int:
    return publishing.publish(wake_ups, countdown=countdown, expires=settings.NOTIFICATIONS.expires_after)


def _forget_waking(rows: list[NotificationLog]) -> None:
    if not rows:
        return
    with transaction.atomic():
        waiting = (NotificationLog.Status.PENDING, NotificationLog.Status.UNKNOWN)
        forgotten = NotificationLog.objects.filter(pk__in=[row.pk for row in rows], status__in=waiting)
        state_changes.unwoken(unlocked(forgotten))
