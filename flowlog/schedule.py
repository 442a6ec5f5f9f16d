"""Beat's schedule: in memory, and proof against a clock that is set back.

With a file, as Celery keeps one by default, a machine that once started with its clock ahead would publish nothing
until that time has come, through every restart. In memory the same lasts from the clock's correction on.
"""

from __future__ import annotations

from typing import Any

from celery import beat


class Scheduler(beat.Scheduler):
    """Celery's scheduler without a file, for which no task was ever run in the future."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Publish what is due; the seconds until something may be due again."""
        self._forget_the_future()
        return super().tick(*args, **kwargs)

    def _forget_the_future(self) -> None:
        for entry in self.schedule.values():
            now = entry.default_now()
            if entry.last_run_at and entry.last_run_at > now:
                entry.last_run_at = now
                self._heap = None  # made anew: its times are of the clock before
