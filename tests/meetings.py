"""Two transactions that meet, stepped by hand: one in the test, the other on a connection of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

from tests.processes import wait_until


class Other:
    """Works in a thread of its own, one thing after the other, with its own connection."""

    def __init__(self, thread: ThreadPoolExecutor) -> None:
        self._thread = thread
        self._pid: int = self.does(self._own_pid)

    def does[T](self, work: Callable[[], T]) -> T:
        """Have it done; what it returns or raises."""
        return self._thread.submit(work).result()

    def begins[T](self, work: Callable[[], T]) -> Future[T]:
        """Have it begun."""
        return self._thread.submit(work)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """It does everything meanwhile in one transaction."""
        atomic = transaction.atomic()
        self.does(atomic.__enter__)
        try:
            yield
        finally:
            self.does(lambda: atomic.__exit__(None, None, None))

    def waits_or_ends(self, work: Future[Any]) -> None:
        """Return when it waits for a lock, or is through."""
        wait_until(lambda: work.done() or self._is_waiting(), "the other transaction")

    def _is_waiting(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", [self._pid])
            return bool(cursor.fetchone()[0])

    @staticmethod
    def _own_pid() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            return int(cursor.fetchone()[0])


@contextmanager
def another() -> Iterator[Other]:
    """Another one, whose connection is closed at the end."""
    with ThreadPoolExecutor(1) as thread:
        try:
            yield Other(thread)
        finally:
            thread.submit(lambda: connection.close()).result()  # noqa: PLW0108 - that thread's
