"""Signs of life of the queues: written by whoever consumes one, read by everything that asks whether it lives.

Beat sends a heartbeat through each queue every `HEARTBEAT_INTERVAL`. A worker that is busy for longer than a
heartbeat lives proves by every other task that it is alive, so those count too.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now

from flowlog.broker import QUEUES
from flowlog.models import Heartbeat

SENDING_QUEUE = "whatsapp"
# After so many intervals without one, nobody consumes the queue.
MISSED = 2

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
    return MISSED * float(settings.HEARTBEAT_INTERVAL)


def beat(queue: str, host: str) -> None:
    """A worker on `host` has taken a task from the queue just now."""
    Heartbeat.objects.bulk_create(
        [Heartbeat(queue=queue, beat_at=Now(), host=host)],
        update_conflicts=True,
        unique_fields=["queue"],
        update_fields=["beat_at", "host"],
    )
    _noted[queue] = time.monotonic()


def note(queue: str, host: str) -> None:
    """The same, written by this process at most once in an interval: for tasks that come by the dozen."""
    if time.monotonic() - _noted.get(queue, float("-inf")) >= settings.HEARTBEAT_INTERVAL:
        beat(queue, host)


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
