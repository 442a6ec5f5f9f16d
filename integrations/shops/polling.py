"""Asking shops what changed: what their webhooks did not tell, as while Flowlog was away, comes in so."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from flowlog.secrets_at_rest import Unreadable
from integrations.shops import SHOPS, polled
from integrations.shops.models import REASON_LENGTH, ShopConnection, ShopNews
from integrations.shops.news import OrderNews
from integrations.shops.views import waker
from integrations.sources import RefusedError, calls

logger = logging.getLogger(__name__)

EVERY = timedelta(minutes=10)
# Clocks differ, and what was being saved while we asked has an earlier time.
OVERLAP = timedelta(minutes=5)
# No other shop is begun with after so long; and one is asked for so long, with the call that it ends with. All of it
# together lies within Celery's time limits.
BEGUN_WITHIN, TIME_BUDGET = 10.0, 15.0
# What a shop changed longer ago, while it could not be asked, its customers have heard otherwise by now.
LONGEST_SILENCE = timedelta(days=3)
# Nobody else asks a shop meanwhile; a worker that dies with it keeps the others away for so long.
_LEASE = timedelta(minutes=5)


def poll() -> None:
    """Ask each shop whose turn it is, one process each. Those that are left after a while are asked next time."""
    ends = time.monotonic() + BEGUN_WITHIN
    for connection in due():
        if time.monotonic() >= ends:
            return
        free = ShopConnection.objects.filter(pk=connection.pk, poll_due_at__lte=Now())
        if free.update(poll_due_at=Now() + _LEASE):
            ask(connection)


def due() -> list[ShopConnection]:
    """Those whose shop is to be asked now, and may be, first who has waited longest."""
    may = Q(calls_from__isnull=True) | Q(calls_from__lte=Now())
    rows: QuerySet[ShopConnection] = ShopConnection.objects.filter(may, is_on=True, poll_due_at__lte=Now())
    return [connection for connection in rows.order_by("poll_due_at", "pk") if can_poll(connection)]


def can_poll(connection: ShopConnection) -> bool:
    """Whether its source can be asked, and all is there that that takes."""
    shop, credentials = SHOPS.get(connection.source), connection.readable()
    if credentials is None or shop is None or not hasattr(shop, "poll"):
        return False
    return all(credentials.get(name) for name in shop.NEEDED_TO_ASK)


def ask(connection: ShopConnection) -> int | None:
    """Ask what changed since the last time and store it; returns how much was new, None if there was no answer.

    The first time only what changes from the connection's own beginning counts: old orders are nobody's news. Why there
    was no answer stands in the row's `last_error`.
    """
    row = ShopConnection.objects.filter(pk=connection.pk)
    now = row.values_list(Now(), flat=True).get()
    since: datetime = max(connection.polled_at or connection.created_at, now - LONGEST_SILENCE) - OVERLAP
    try:
        told, is_all = _changed(connection, since)
    except calls.TooOftenError as wait:
        row.update(calls_from=Now() + timedelta(seconds=wait.seconds), poll_due_at=Now() + EVERY)
        return None
    except (calls.AwayError, RefusedError, Unreadable) as error:
        row.update(last_error=str(error)[:REASON_LENGTH], poll_due_at=Now() + EVERY)
        return None
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:
        logger.exception("A shop (%s) could not be asked", connection.source)
        row.update(last_error=type(error).__name__, poll_due_at=Now() + EVERY)
        return None
    stored = store(connection, told)
    news: dict[str, Any] = {"last_news_at": Now()} if stored else {}
    asked_until = now if is_all else told[-1].changed_at + OVERLAP
    row.update(polled_at=asked_until, poll_due_at=Now() + EVERY, last_error="", **news)
    if stored:
        transaction.on_commit(waker.wake, robust=True)
    return stored


def _changed(connection: ShopConnection, since: datetime) -> tuple[list[OrderNews], bool]:
    """What changed since, as far as there is time for; and whether that is all. What is older is not ours to tell.

    Raises `AwayError` where the time was over before anything came of it: the next time would end no further.
    """
    told: list[OrderNews] = []
    call = calls.calling_until(time.monotonic() + TIME_BUDGET)
    try:
        for news in SHOPS[connection.source].poll(connection.reveal(), since, call):
            if news.changed_at >= since:
                told.append(news)  # noqa: PERF401 - what came before the time was over stays
    except calls.OutOfTimeError:
        if not told:
            raise calls.AwayError(_("The system answers too slowly.")) from None
        return told, False
    return told, True


def store(connection: ShopConnection, told: Iterable[OrderNews]) -> int:
    """Keep what nothing has told yet: an order in this very state was told before, by a webhook or an earlier look."""
    rows = [
        ShopNews(
            connection=connection, headers=polled.HEADERS, body=polled.write(news), external_id=news.external_id
        )
        for news in sorted(told, key=lambda each: each.changed_at)
        if not _is_known(connection, news)
    ]  # fmt: skip
    ShopNews.objects.bulk_create(rows)
    return len(rows)


def _is_known(connection: ShopConnection, news: OrderNews) -> bool:
    same = ShopNews.objects.filter(connection=connection, external_id=news.external_id)
    waits = Q(headers=polled.HEADERS, due_at__isnull=False, body=polled.write(news))
    return same.filter(Q(changed_at=news.changed_at, statuses=list(news.statuses), due_at=None) | waits).exists()
