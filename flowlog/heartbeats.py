"""Signs of life of the queues: written by whoever consumes one, read by everything that asks whether it lives.

Beat sends a heartbeat through each queue every `HEARTBEAT_INTERVAL`. A worker that is busy for longer than a
heartbeat lives proves by every other task that it is alive, so those count too: their beginning, their end, and each
call to the gateway of one that makes several.

What beat asks for is watched likewise, from outside: when the sweep was last done, by the database's clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from time import monotonic

from celery import Task, current_task
from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection
from django.db.models import F, Func, JSONField, TextField, Value
from django.db.models.functions import Cast, Extract, Now
from django.utils import timezone

from flowlog.broker import QUEUES
from flowlog.models import Heartbeat

SENDING_QUEUE = "whatsapp"
# Beside the queues, the periodic jobs whose last time is noted.
SWEEP, NIGHTLY = "sweep", "nightly"
# After so many intervals without one, nobody consumes the queue: with the quarter until the next look (in the settings)
# that is less than the two within which everything says so.
SILENT_AFTER = 1.5
# So many times in an interval a process writes down that it is busy. The pause, and the longest that it says nothing
# while it works, together are shorter than the silence.
NOTES = 2

_noted: dict[str, float] = {}


@dataclass(frozen=True, slots=True)
class Pulse:
    """The latest sign of life of one queue, or of the sweep, by the database's clock; `age` in seconds.

    Without `host` there never was one: then `beat_at` is since when it is awaited, if anybody does.
    """

    queue: str
    beat_at: datetime | None = None
    age: float | None = None
    host: str = ""

    @property
    def silent(self) -> bool:
        """Whether nobody consumes the queue, as far as can be known."""
        return not self.host or self.overdue

    @property
    def overdue(self) -> bool:
        """The same, but for a system that has only just been started."""
        return self.age is not None and self.age > silent_after(self.queue)


def silent_after(queue: str = "") -> float:
    """After how many seconds a queue, or the sweep, counts as silent without a sign of life."""
    seconds = SILENT_AFTER * float(settings.HEARTBEAT_INTERVAL)
    return seconds + settings.NOTIFICATIONS.sweep_interval if queue == SWEEP else seconds


def beat(queue: str, host: str) -> None:
    """A worker on `host` has taken a task from the queue, or done the job, just now."""
    # Also if this fails: while the database is away not every task shall wait for it once more.
    _noted[queue] = monotonic()
    Heartbeat.objects.bulk_create(
        [Heartbeat(queue=queue, beat_at=Now(), host=host)],
        update_conflicts=True,
        unique_fields=["queue"],
        update_fields=["beat_at", "host"],
    )


def note(task: Task) -> bool:
    """The same for the queue that brought the task, by this process at most twice in an interval; whether it did."""
    queue = queue_of(task)
    due = bool(queue) and monotonic() - _noted.get(queue, float("-inf")) >= settings.HEARTBEAT_INTERVAL / NOTES
    if due:
        beat(queue, str(task.request.hostname))
    return due


def note_progress() -> None:
    """Note the task in hand, if there is one, and give the database connection back: before a call that may be slow."""
    if current_task:
        note(current_task)
        connection.close()


def queue_of(task: Task) -> str:
    """The queue that brought the task; empty for one that was called without a queue."""
    return str((task.request.delivery_info or {}).get("routing_key") or "")


def done_lately(job: str, seconds: float) -> bool:
    """Whether the periodic job was done in the last seconds, by the database's clock."""
    lately = Heartbeat.objects.filter(queue=job, beat_at__gt=Now() - timedelta(seconds=seconds))
    return lately.exclude(host="").exists()


def done_since(job: str, at: time) -> bool:
    """Whether the job was done since it was last that time of day in the shop, by the database's clock."""
    done = Heartbeat.objects.filter(queue=job).exclude(host="").annotate(now=Now()).first()
    if done is None:
        return False
    now = timezone.localtime(done.now)
    today = timezone.make_aware(datetime.combine(now.date(), at))
    return done.beat_at >= (today if today <= now else today - timedelta(days=1))


def await_first() -> None:
    """Begin to wait for the first sign of life of sending queue and sweep: one that never comes is noticed."""
    awaited = [Heartbeat(queue=name) for name in (SENDING_QUEUE, SWEEP)]
    Heartbeat.objects.bulk_create(awaited, ignore_conflicts=True)


def pulses() -> dict[str, Pulse]:
    """The pulse of every queue, and of the sweep. One query."""
    return _named(
        Pulse(row.queue, row.beat_at, row.age.total_seconds(), row.host)
        for row in Heartbeat.objects.annotate(age=Now() - F("beat_at"))
    )


def asked() -> ArraySubquery:
    """The same for a statement that asks for more: its value is for `pulses_of`."""
    age = Extract(Now() - F("beat_at"), "epoch")
    fields = {"queue": F("queue"), "beat_at": Cast("beat_at", TextField()), "age": age, "host": F("host")}
    pairs = (part for name, value in fields.items() for part in (Value(name), value))
    # Not Django's JSONObject, which asks the server for its version first: this is part of a statement that is compiled
    # without one.
    told = Func(*pairs, function="JSONB_BUILD_OBJECT", output_field=JSONField())
    return ArraySubquery(Heartbeat.objects.values_list(told))


def pulses_of(told: Iterable[str]) -> dict[str, Pulse]:
    rows = [json.loads(row) for row in told]
    return _named(Pulse(**{**row, "beat_at": datetime.fromisoformat(row["beat_at"])}) for row in rows)


def _named(found: Iterable[Pulse]) -> dict[str, Pulse]:
    by_name = {pulse.queue: pulse for pulse in found}
    return {name: by_name.get(name, Pulse(name)) for name in (*(queue.name for queue in QUEUES), SWEEP)}
