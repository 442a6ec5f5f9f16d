"""Working off what was told, by the rows that wait: whoever is woken too late, or not at all, loses nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db.models import Model, Q, QuerySet
from django.db.models.functions import Now

BATCH = 100
# Well within Celery's time limits.
TIME_BUDGET = 20.0
# A worker that dies with it keeps others from the connection for so long. One call may begin at the end of the budget.
LEASE = timedelta(seconds=90)


class Worklist:
    """The rows of `news` that are due, of each of the `connections` in the order of arrival, by one worker at a time.

    `work_off` takes one row, with its connection and store, and sees to it that it is not due any more, or later.
    """

    def __init__(self, connections: type[Model], news: type[Model], work_off: Callable[[Any], None]) -> None:
        self._connections: Any = connections._default_manager
        self._news: Any = news._default_manager
        self._work_off = work_off

    def process(self) -> int:
        """Work off what is due; returns how many rows were looked at."""
        ends, total = time.monotonic() + TIME_BUDGET, 0
        waiting = self.due().order_by().values_list("connection", flat=True).distinct()
        for pk in list(waiting):
            if time.monotonic() >= ends:
                break
            if self._claim(pk):
                try:
                    total += self._of_connection(pk, ends)
                finally:
                    self._connections.filter(pk=pk).update(busy_until=None)
        return total

    def due(self) -> QuerySet[Any]:
        """What is to be worked off now; of a connection that is switched off nothing."""
        rows: QuerySet[Any] = self._news.filter(due_at__lte=Now(), connection__is_on=True)
        return rows

    def _claim(self, pk: int) -> bool:
        """Whether nobody else works this connection's news off until it is given back or the lease is over."""
        free = Q(busy_until__isnull=True) | Q(busy_until__lte=Now())
        return bool(self._connections.filter(free, pk=pk).update(busy_until=Now() + LEASE))

    def _of_connection(self, pk: int, ends: float) -> int:
        done = 0
        while rows := list(self.due().filter(connection=pk).order_by("pk").select_related("connection__store")[:BATCH]):
            for news in rows:
                if time.monotonic() >= ends:
                    return done
                self._work_off(news)
                done += 1
        return done


def again(rows: QuerySet[Any]) -> int:
    """Have the rows worked off anew that still have what was sent; returns how many."""
    kept = rows.exclude(body=b"")
    return kept.update(due_at=Now(), attempts=0, result="received", reason="", seen_at=None)
