"""Jobs that run later, in threads of their own."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable


class Schedule:
    """Runs each job at its time; with one thread, jobs of the same time in the order in which they came.

    What has not run when the process ends is lost, like everything that the gateway has in memory only.
    """

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._started = False
        self._running = 0
        self._numbers = itertools.count()
        self._jobs: list[tuple[float, int, Callable[[], object]]] = []
        self._changed = threading.Condition()

    def after(self, seconds: float, job: Callable[[], object]) -> None:
        """Run `job` so many seconds from now."""
        with self._changed:
            heapq.heappush(self._jobs, (time.monotonic() + seconds, next(self._numbers), job))
            if not self._started:
                self._started = True
                for _ in range(self._threads):
                    threading.Thread(target=self._work, daemon=True).start()
            self._changed.notify()

    @property
    def pending(self) -> int:
        """How many jobs wait or run."""
        with self._changed:
            return len(self._jobs) + self._running

    def clear(self) -> None:
        """Forget the jobs that wait."""
        with self._changed:
            self._jobs.clear()

    def _work(self) -> None:
        while True:
            job = self._next()
            try:
                job()
            finally:
                with self._changed:
                    self._running -= 1

    def _next(self) -> Callable[[], object]:
        """The next job, once its time has come."""
        with self._changed:
            while True:
                left = self._jobs[0][0] - time.monotonic() if self._jobs else None
                if left is not None and left <= 0:
                    self._running += 1
                    return heapq.heappop(self._jobs)[2]
                self._changed.wait(left)
