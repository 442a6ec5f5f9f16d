"""Waking the worker for webhooks: at most once a second and process, however many come."""

from __future__ import annotations

import threading
import time

from django.db import connection, transaction

from flowlog import publishing
from flowlog.publishing import WakeUp

# The work begins this long after the first webhook, so that one wake-up does for all that come meanwhile.
GATHER = 1.0
# Those that come later than this have a wake-up of their own; the rest is for what they still have to do.
COVERED = 0.8
# While the broker is away, webhooks are not kept waiting for it; the sweep comes every few seconds anyway.
PAUSE = 10.0
EXPIRES = 60.0


class _Pause:
    """Until when this process publishes nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0

    def is_over(self) -> bool:
        """Whether it is this caller's turn to publish; others then wait for `COVERED` seconds."""
        with self._lock:
            now = time.monotonic()
            if now < self._until:
                return False
            self._until = now + COVERED
            return True

    def extend(self) -> None:
        with self._lock:
            self._until = time.monotonic() + PAUSE

    def end(self) -> None:
        with self._lock:
            self._until = 0.0


class Waker:
    """Wakes the worker for one kind of rows."""

    def __init__(self, task: str) -> None:
        self._task = task
        self.pause = _Pause()

    def wake(self) -> None:
        """Have what was stored just now worked off within about a second. Never raises for a broken broker."""
        if self.pause.is_over() and not publishing.publish([WakeUp(self._task)], expires=EXPIRES, countdown=GATHER):
            self.pause.extend()

    def wake_after_commit(self) -> None:
        """The same once what is being done is committed: at once, and without a connection, outside transactions."""
        if connection.in_atomic_block:
            transaction.on_commit(self.wake, robust=True)
        else:
            self.wake()


_webhooks = Waker("integrations.tasks.work_off_webhooks")
pause, wake, wake_after_commit = _webhooks.pause, _webhooks.wake, _webhooks.wake_after_commit
