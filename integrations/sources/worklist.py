"""Working off what was told, by the rows that wait: whoever is woken too late, or not at all, loses nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

logger = logging.getLogger(__name__)

BATCH = 100
# Well within Celery's time limits.
TIME_BUDGET = 20.0
# So long one connection is worked off before the others have their turn: a system that answers slowly, or a shop with
# much to tell, keeps nobody waiting for longer than that and the call that it ends with.
TURN = 5.0
# A worker that dies with it keeps others from the connection for so long. One call may begin at the end of the budget.
LEASE = timedelta(seconds=90)
# What has waited for so long is read before any of it is worked off: of several pieces of news of one order, which
# would all be told at once, the customer is told of the last step alone.
STANDSTILL = timedelta(minutes=1)


class ForgottenError(Exception):
    """The row is not to be worked off any more: an erasure took what was sent, or somebody else was through with it."""


class Worklist:
    """The rows of `news` that are due, of each of the `connections` in the order of arrival, by one worker at a time.

    `look_at` writes on a row what it is about, as far as that can be seen, and returns the names of what it wrote; what
    it raises says that nothing can. `work_off` takes one row, with its connection and store, and sees to it that it is
    not due any more, or later. It writes on it by `write`, and lets `ForgottenError` through.
    """

    def __init__(
        self,
        connections: type[Model],
        news: type[Model],
        look_at: Callable[[Any], Iterable[str]],
        work_off: Callable[[Any], None],
    ) -> None:
        self._connections: Any = connections._default_manager
        self._news: Any = news._default_manager
        self._look_at, self._work_off = look_at, work_off

    def process(self) -> int:
        """Work off what is due; returns how many rows were looked at."""
        ends, total, goes_on = time.monotonic() + TIME_BUDGET, 0, True
        while goes_on:
            goes_on = False
            for pk in self._waiting():
                if time.monotonic() >= ends:
                    return total
                if self._claim(pk):
                    goes_on = True
                    try:
                        total += self._of_connection(pk, min(ends, time.monotonic() + TURN))
                    finally:
                        self._connections.filter(pk=pk).update(busy_until=Now())
        return total

    def _waiting(self) -> list[int]:
        """The connections with something to be worked off, first those whose last turn ended longest ago."""
        due = self.due().order_by().filter(connection=OuterRef("pk"))
        turns = self._connections.filter(Exists(due)).order_by(F("busy_until").asc(nulls_first=True), "pk")
        return list(turns.values_list("pk", flat=True))

    def due(self) -> QuerySet[Any]:
        """What is to be worked off now; of a connection that is switched off nothing."""
        rows: QuerySet[Any] = self._news.filter(due_at__lte=Now(), connection__is_on=True)
        return rows.order_by("connection_id", "due_at", "pk")

    def _claim(self, pk: int) -> bool:
        """Whether nobody else works this connection's news off until it is given back or the lease is over."""
        free = Q(busy_until__isnull=True) | Q(busy_until__lte=Now())
        return bool(self._connections.filter(free, pk=pk).update(busy_until=Now() + LEASE))

    def _of_connection(self, pk: int, ends: float) -> int:
        done = 0
        while rows := list(self.due().filter(connection=pk).order_by("pk").select_related("connection__store")[:BATCH]):
            if not done and waited_out_a_standstill(rows[0]):
                self._read_ahead(pk, ends)
            for news in rows:
                if time.monotonic() >= ends:
                    return done
                try:
                    self._work_off(news)
                except ForgottenError:
                    logger.info("News %s was forgotten, or done, while it was worked off: nothing came of it", news.pk)
                done += 1
        return done

    def _read_ahead(self, pk: int, ends: float) -> None:
        """Look at what has waited out a standstill. Whoever takes a row off the list meanwhile is left alone."""
        unread = self.due().filter(connection=pk, external_id="", received_at__lte=Now() - STANDSTILL)
        last = 0
        while rows := list(unread.filter(pk__gt=last).order_by("pk").select_related("connection__store")[:BATCH]):
            for news in rows:
                if time.monotonic() >= ends:
                    return
                last = news.pk
                try:
                    names = self._look_at(news)
                except Exception as error:  # noqa: BLE001 - it is said once it is worked off
                    logger.debug("News %s cannot be read ahead: %s", news.pk, type(error).__name__)
                    continue
                with suppress(ForgottenError):
                    write(news, names)


def waited_out_a_standstill(news: Any) -> bool:
    """Whether others that came after it may wait, too, and are known by what they are about."""
    return bool(news.received_at <= timezone.now() - STANDSTILL)


def write(news: Any, names: Iterable[str]) -> None:
    """Save these fields of a row that is being worked off, in the transaction of what was made of it.

    What was sent was read before, and may be an erased person's by now. An erasure takes the row off the list; then
    this raises `ForgottenError`, and nothing of the transaction stays. The row is locked after the order and its
    customer, as an erasure does.
    """
    listed = type(news)._default_manager.filter(pk=news.pk, due_at__isnull=False)
    values = {name: getattr(news, name) for name in names}
    if values and not listed.update(**values):
        raise ForgottenError


def wake(rows: QuerySet[Any]) -> int:
    """Have those tried now that wait for their next try, and those that were given up and nobody has seen to; returns
    how many."""
    waiting = Q(due_at__gt=Now(), result__in=("received", "waiting"))
    return again(rows.filter(waiting | Q(result="error", seen_at__isnull=True)))


def again(rows: QuerySet[Any]) -> int:
    """Have the rows worked off anew that still have what was sent; returns how many."""
    kept = rows.exclude(body=b"")
    return kept.update(due_at=Now(), attempts=0, result="received", reason="", seen_at=None)
