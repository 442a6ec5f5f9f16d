"""Signs of life of the queues: written by whoever consumes one, read by everything that asks whether it lives.

Beat sends a heartbeat through each queue every `HEARTBEAT_INTERVAL`. A worker that is busy for longer than a
heartbeat lives proves by every other task that it is alive, so those count too: their beginning, their end, and each
call to the gateway of one that makes several.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from celery import Task, current_task
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from flowlog.broker import QUEUES
from flowlog.models import Heartbeat

SENDING_QUEUE = "whatsapp"
# After so many intervals without one, nobody consumes the queue: with the quarter until the next look (in the settings)
# that is less than the two within which everything says so.
SILENT_AFTER = 1.5
# So many times in an interval a process writes down that it is busy. The pause, and the longest that it says nothing
# while it works, together are shorter than the silence.
NOTES = 2

_noted: dict[str, float] = {}


@dataclass(frozen=True, slots=True)
class Pulse:
    """The latest sign of life of one queue, by the database's clock; `age` in seconds.

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
        return self.age is not None and self.age > silent_after()


def silent_after() -> float:
    """After how many seconds a queue without a sign of life counts as silent."""
    return SILENT_AFTER * float(settings.HEARTBEAT_INTERVAL)


def beat(queue: str, host: str) -> None:
    """A worker on `host` has taken a task from the queue just now."""
    # Also if this fails: while the database is away not every task shall wait for it once more.
    _noted[queue] = time.monotonic()
    Heartbeat.objects.bulk_create(
        [Heartbeat(queue=queue, beat_at=Now(), host=host)],
        update_conflicts=True,
        unique_fields=["queue"],
        update_fields=["beat_at", "host"],
    )


def note(task: Task) -> None:
    """The same for the queue that brought the task, by this process at most twice in an interval."""
    queue = queue_of(task)
    if queue and time.monotonic() - _noted.get(queue, float("-inf")) >= settings.HEARTBEAT_INTERVAL / NOTES:
        beat(queue, str(task.request.hostname))


def note_progress() -> None:
    """Note the task in hand, if there is one, and give the database connection back: before a call that may be slow."""
    if current_task:
        note(current_task)
        connection.close()


def queue_of(task: Task) -> str:
    """The queue that brought the task; empty for one that was called without a queue."""
    return str((task.request.delivery_info or {}).get("routing_key") or "")


def await_first() -> None:
    """Begin to wait for the sending queue's first sign of life, so that one that never comes is noticed."""
    Heartbeat.objects.bulk_create([Heartbeat(queue=SENDING_QUEUE)], ignore_conflicts=True)


def pulses() -> dict[str, Pulse]:
    """The pulse of every queue. One query."""
    found = {row.queue: row for row in Heartbeat.objects.annotate(age=Now() - F("beat_at"))}
    return {
        queue.name: Pulse(queue.name, row.beat_at, row.age.total_seconds(), row.host)
        if (row := found.get(queue.name))
        else Pulse(queue.name)
        for queue in QUEUES
    }
