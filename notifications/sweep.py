"""The sweep: whatever was left behind is ended or woken, so that nothing depends on Redis keeping anything.

It makes no call to the gateway. Every pass is a few statements, whatever the number of messages, and passes by rows
that somebody else has locked: they are being moved on, and the next pass comes in seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import (
    CharField,
    DurationField,
    ExpressionWrapper,
    F,
    FloatField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import Coalesce, Concat, Greatest, Least, Now, Power, Trim

from flowlog import due, heartbeats, publishing
from flowlog.publishing import WakeUp
from integrations.locks import unlocked
from integrations.messages import state_changes
from integrations.messages.sentences import sentence
from integrations.models import EvolutionInstance, NotificationLog, earlier_unfinished
from notifications import claims, probes, questions, wakeups

logger = logging.getLogger(__name__)

Status = NotificationLog.Status
BATCH = 500
# For no longer than this the daily cap keeps a message's news from growing old.
LONGEST_WAIT = 31  # days
WAKE_UP_EXPIRES = 60.0


@dataclass(frozen=True, slots=True)
class Swept:
    """How many messages one pass ended, put off and woke, and how many instances it had probed."""

    lease_expired: int = 0
    expired: int = 0
    outcome_unknown: int = 0
    freed: int = 0
    put_off: int = 0
    woken: int = 0
    looked_up: int = 0
    probed: int = 0
    failed: tuple[str, ...] = ()


def sweep_in_turn(host: str) -> None:
    """A pass, unless one was made just now, and a note that it was made: to its end, without a step that failed.

    That note is what tells a system whose sweeps do not come, or come to nothing, from one where all is well.
    """
    if heartbeats.done_lately(heartbeats.SWEEP, settings.NOTIFICATIONS.sweep_interval / 2):
        return
    if not sweep().failed:
        heartbeats.beat(heartbeats.SWEEP, host)


def sweep() -> Swept:
    """One pass: end leases and messages whose time is over, wake what can go on and was not woken lately.

    Other work that waits, of whichever app, has its task woken. Where nothing waits at all, this is one statement.
    `failed` names the steps that broke.
    """
    failed: list[str] = []
    found = _tried(_look, failed)
    others = due.tasks() if found is None else found & due.tasks()
    if others:
        publishing.publish([WakeUp(task) for task in sorted(others)], expires=WAKE_UP_EXPIRES)
    done: dict[str, int] = {}
    for name, (_, step) in _STEPS.items():
        # What a step has moved may be the next one's, which the look has not seen.
        if found is None or name in found or any(done.values()):
            done[name] = _tried(step, failed) or 0
    swept = Swept(**done, failed=tuple(failed))
    if any((swept.lease_expired, swept.expired, swept.outcome_unknown, swept.freed)):
        logger.warning("Sweep: %s", swept)
    return swept


def _tried[T](step: Callable[[], T], failed: list[str]) -> T | None:
    """One part of a pass. What fails in it is logged, so that it keeps none of the others from running."""
    try:
        return step()
    except Exception:
        logger.exception("Sweep: %s failed", step.__name__)
        failed.append(step.__name__)
        return None


def _look() -> frozenset[str]:
    """The steps, and the tasks of other work, for which there is something."""
    return due.find(**{name: rows for name, (rows, _) in _STEPS.items()})


def _with_lease_over() -> QuerySet[NotificationLog]:
    return NotificationLog.objects.filter(status=Status.SENDING, lease_until__lte=Now()).order_by("lease_until")


def _too_old(status: Status) -> QuerySet[NotificationLog]:
    return NotificationLog.objects.filter(status=status, expires_at__lte=Now()).order_by("expires_at")


def _blocked() -> QuerySet[NotificationLog]:
    return NotificationLog.objects.filter(status=Status.PENDING, blocked=True).order_by("pk")


def _capped() -> QuerySet[EvolutionInstance]:
    return EvolutionInstance.objects.filter(claims.capped()).order_by("pk")


def _waiting() -> QuerySet[NotificationLog]:
    return NotificationLog.objects.filter(status=Status.PENDING).order_by("instance_id", "next_attempt_at", "pk")


def _unknown() -> QuerySet[NotificationLog]:
    return NotificationLog.objects.filter(status=Status.UNKNOWN).order_by("lookup_at")


def _held() -> QuerySet[EvolutionInstance]:
    return EvolutionInstance.objects.filter(held_at__isnull=False).order_by("pk")


@transaction.atomic
def _end_leases() -> int:
    """A lease that has run out says nothing of whether the message left: `unknown`, never `pending`."""
    over = _with_lease_over()
    return state_changes.to_unknown(unlocked(over), "lease_expired", lookup_at=Now())


@transaction.atomic
def _expire_pending() -> int:
    """What is too old; if its instance is held, the row says why that is."""
    held = EvolutionInstance.objects.filter(pk=OuterRef("instance_id")).values("held_reason")
    why = Concat(Value(sentence("expired") + " "), Coalesce(Subquery(held), Value("")), output_field=CharField())
    too_old = _too_old(Status.PENDING)
    return state_changes.to_failed(unlocked(too_old), "expired", error_message=Trim(why))


@transaction.atomic
def _expire_unknown() -> int:
    too_old = _too_old(Status.UNKNOWN)
    return state_changes.to_failed(unlocked(too_old), "outcome_unknown")


class _Round:
    """How far this process has looked through what is blocked; from the end it begins anew."""

    after = 0


@transaction.atomic
def _free() -> int:
    """Free what is still called blocked though nothing is before it, a batch in each pass.

    That happens only where two transactions met (see `notification_free` in the database), or where the triggers did
    not work.
    """
    blocked = _blocked()
    batch = list(blocked.filter(pk__gt=_Round.after).order_by("pk").values_list("pk", flat=True)[:BATCH])
    _Round.after = batch[-1] if len(batch) == BATCH else 0
    if not batch:
        return 0
    return state_changes.unblock(unlocked(blocked.filter(~earlier_unfinished(), pk__in=batch)))


def _put_off() -> int:
    """Say on the row that the daily cap keeps it back, and let it live longer by as many days as that may take.

    News that is soon too old, by the life of its kind, does not get older than that.
    """
    return sum(_put_off_at(instance) for instance in _capped())


@transaction.atomic
def _put_off_at(instance: EvolutionInstance) -> int:
    here = NotificationLog.objects.filter(instance=instance, status=Status.PENDING)
    waiting = here.exclude(error_code="daily_cap").filter(next_attempt_at__lte=Now(), expires_at__gt=Now())
    ids = list(waiting.order_by("next_attempt_at", "pk").values_list("pk", flat=True)[:BATCH])
    if not ids:
        return 0
    in_line = here.filter(error_code="daily_cap").order_by("next_attempt_at", "pk")
    ahead = in_line[: LONGEST_WAIT * instance.daily_cap].count()
    by_days: dict[int, list[int]] = {}
    for place, pk in enumerate(ids, start=ahead):
        by_days.setdefault(min(place // instance.daily_cap + 1, LONGEST_WAIT), []).append(pk)
    lifetime = timedelta(seconds=settings.NOTIFICATIONS.expires_after)
    for days, pks in by_days.items():
        rows = unlocked(NotificationLog.objects.filter(pk__in=pks, status=Status.PENDING))
        state_changes.outlast(rows.filter(expires_at__gte=F("created_at") + lifetime), days, lifetime=lifetime)
        state_changes.explain(rows, "daily_cap")
    return len(ids)


def _wake() -> int:
    """Wake the message that is next at each instance that stands ready; each delivery then wakes the next.

    One is enough, since an instance sends one at a time, and it keeps Redis from filling while a worker is down.
    It is woken when it never was, or not since the instance stood ready; then again after 60 s, 120 s … at most
    10 min. One that pauses before another try is due now, if it is the probe of a held instance.
    """
    ready_since = Greatest(F("instance__next_send_at"), F("instance__probe_at"))
    # The keys first: with them in the query itself PostgreSQL walks through the whole table.
    next_ones = claims.ready_instances().values_list(probes.next_at(OuterRef("pk")), flat=True)
    without_instance = claims.due().filter(instance__isnull=True).values_list("pk", flat=True)[:BATCH]
    ids = [pk for pk in (*next_ones, *without_instance) if pk is not None]
    waiting = NotificationLog.objects.filter(_forgotten() | Q(woken_at__lt=ready_since), pk__in=ids)
    rows = list(waiting.order_by()[:BATCH]) if ids else []
    wakeups.wake(rows)
    return len(rows)


def _wake_look_ups() -> int:
    """Wake the look-up that is next at each instance about which nobody asks; each then wakes the next."""
    idle = EvolutionInstance.objects.filter(questions.free())
    next_ones = idle.values_list(Subquery(questions.next_due(OuterRef("pk")).values("pk")), flat=True)
    ids = [pk for pk in next_ones if pk is not None]
    waiting = NotificationLog.objects.filter(_forgotten() | Q(woken_at__lt=F("lookup_at")), pk__in=ids)
    rows = list(waiting.order_by()) if ids else []
    if rows:
        wakeups.stamp(rows, state_changes.woken)
        wakeups.publish_look_ups(rows)
    return len(rows)


def _probe() -> int:
    """Have the gateway asked for the state of held instances that no message can be the probe of."""
    instances = probes.to_ask()
    if instances:
        wakeups.publish_probes([instance.pk for instance in instances])
    return len(instances)


def _forgotten() -> Q:
    """Whether a row was never woken, or so long ago that its wake-up must be lost."""
    times = settings.NOTIFICATIONS
    doubled = Value(times.wake_repeat) * Power(Value(2.0), Least(F("wakes"), Value(20)), output_field=FloatField())
    seconds = Least(doubled, times.wake_repeat_max)
    pause = ExpressionWrapper(seconds * Value(timedelta(seconds=1)), output_field=DurationField())
    return Q(woken_at__isnull=True) | Q(woken_at__lte=Now() - pause)


# By what they are in `Swept`: without such rows there is nothing for the step.
_STEPS: dict[str, tuple[due.Rows, Callable[[], int]]] = {
    "lease_expired": (_with_lease_over, _end_leases),
    "expired": (partial(_too_old, Status.PENDING), _expire_pending),
    "outcome_unknown": (partial(_too_old, Status.UNKNOWN), _expire_unknown),
    "freed": (_blocked, _free),
    "put_off": (_capped, _put_off),
    "woken": (_waiting, _wake),
    "looked_up": (_unknown, _wake_look_ups),
    "probed": (_held, _probe),
}
