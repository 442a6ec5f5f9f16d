"""Working off what connected carriers told, by the rows that wait."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.datastructures import CaseInsensitiveMapping
from django.utils.translation import gettext as _

from integrations.carriers import CARRIERS, polled
from integrations.carriers.bringing import connection_of, describe, finish, take_in
from integrations.carriers.models import CarrierConnection, CarrierNews
from integrations.carriers.news import ParcelNews, Told
from integrations.sources import worklist

__all__ = ["again", "due", "process"]

logger = logging.getLogger(__name__)

Result = CarrierNews.Result

# What fails, or is of no order that is known as yet, is tried again so much later each time.
RETRIES = tuple(timedelta(seconds=each) for each in (60, 600, 3600, 21600, 86400, 86400))


def _work_off(news: CarrierNews) -> None:
    """Take one row in, or write down when and why it is tried again."""
    try:
        take_in(news, _told(news), again_at=_next_try(news))
    except (OperationalError, InterfaceError, SoftTimeLimitExceeded, worklist.ForgottenError):
        raise  # not its: all of it is tried again
    except Exception as error:
        logger.exception("A carrier's news %s could not be worked off", news.pk)
        # What was being written was undone.
        news.order = news.event = None
        reason = _("It failed (%(error)s): see the log.") % {"error": type(error).__name__}
        due_at = _next_try(news)
        news.attempts += 1
        finish(news, result=Result.RECEIVED if due_at else Result.ERROR, reason=reason, due_at=due_at)


def _look_at(news: CarrierNews) -> tuple[str, ...]:
    """Of which parcel it tells, and what."""
    told = _told(news)
    return describe(news, told) if isinstance(told, ParcelNews) else ()


def _told(news: CarrierNews) -> Told:
    body = bytes(news.body)
    if news.headers == polled.HEADERS:
        return polled.read(body)
    told: Told = CARRIERS[connection_of(news).source].read(CaseInsensitiveMapping(news.headers), body)
    return told


def _next_try(news: CarrierNews) -> Any:
    """When it is tried again if it comes to nothing now; None if this is the last time."""
    return Now() + RETRIES[news.attempts] if news.attempts < len(RETRIES) else None


def again(rows: QuerySet[CarrierNews]) -> int:
    """Have the rows worked off anew that still have what was sent; returns how many. What has moved an order has."""
    return worklist.again(rows.filter(connection__isnull=False).exclude(result=Result.APPLIED))


_worklist = worklist.Worklist(CarrierConnection, CarrierNews, _look_at, _work_off)
process, due = _worklist.process, _worklist.due
