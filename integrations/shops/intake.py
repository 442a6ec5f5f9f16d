"""Working off what shops told, by the rows that wait: whoever is woken too late, or not at all, loses nothing."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.core.exceptions import ValidationError
from django.db import InterfaceError, OperationalError
from django.db.models import F
from django.db.models.functions import Greatest, Now
from django.utils.translation import gettext as _

from flowlog.secrets_at_rest import Unreadable
from integrations.shops import SHOPS, wishes
from integrations.shops.models import ID_LENGTH, REASON_LENGTH, ShopConnection, ShopNews
from integrations.shops.news import Hint, Nothing, OrderNews
from integrations.shops.orders import describe, finish, order_of, read, take_in
from integrations.shops.placing import storable
from integrations.sources import RefusedError, calls
from integrations.sources.worklist import ForgottenError, Worklist, again

__all__ = ["again", "due", "process"]

logger = logging.getLogger(__name__)

Result = ShopNews.Result

# A shop that does not answer is not asked again at once, for whatever order.
_REST = timedelta(seconds=30)
# What fails is tried again so much later each time; after the last of them a person has to see to it.
RETRIES = tuple(timedelta(seconds=each) for each in (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 43200, 43200))


def _work_off(news: ShopNews) -> None:
    """Take one row in, or write down when and why it is tried again."""
    if wishes.is_one(news):
        wishes.work_off(news)
        return
    try:
        told = _told(news)
        if told is not None:
            take_in(news, told)
    except (OperationalError, InterfaceError, SoftTimeLimitExceeded, ForgottenError):
        raise  # not its: all of it is tried again
    except calls.TooOftenError as wait:
        _leave_alone(news, wait.seconds)
    except (calls.AwayError, Unreadable) as error:
        # Each of those behind it would wait for its own time-out.
        ShopConnection.objects.filter(pk=news.connection_id).update(calls_from=Now() + _REST)
        _note_trouble(news, str(error))
        _try_later(news, str(error))
    except (ValidationError, RefusedError) as error:
        reason = " ".join(error.messages) if isinstance(error, ValidationError) else str(error)
        _give_up(news, reason)
    except Exception as error:
        logger.exception("A shop's news %s could not be worked off", news.pk)
        _try_later(news, _("It failed (%(error)s): see the log.") % {"error": type(error).__name__})


def _look_at(news: ShopNews) -> tuple[str, ...]:
    """Of which order it tells, and what; of a hint nothing, since what is fetched is the newest anyway."""
    told = Nothing("") if wishes.is_one(news) else read(news)
    return describe(news, told) if isinstance(told, OrderNews) else ()


def _told(news: ShopNews) -> OrderNews | Nothing | None:
    """What the row says, fetched where it only hints at it; None where that has to wait."""
    told = read(news)
    if not isinstance(told, Hint):
        return told
    news.external_id = storable(told.external_id)[:ID_LENGTH]
    fetch = getattr(SHOPS[news.connection.source], "fetch", None)
    if fetch is None:
        return Nothing(told.event)
    if wait := _wait(news.connection_id):
        news.order = order_of(news.connection, told.external_id)
        finish(news, result=Result.WAITING, due_at=wait)
        return None
    fetched: OrderNews | Nothing = fetch(told, news.connection.reveal(), calls.call)
    if isinstance(fetched, Nothing) and fetched.trouble:
        raise calls.AwayError(fetched.reason)  # the order is there once the shop has mended it
    if news.connection.last_error:
        _note_trouble(news, "")
    return fetched


def _wait(connection_id: int) -> Any:
    """Until when the shop wants to be left alone; None if it may be called."""
    waits = ShopConnection.objects.filter(pk=connection_id, calls_from__gt=Now())
    return waits.values_list("calls_from", flat=True).first()


def _leave_alone(news: ShopNews, seconds: float) -> None:
    until = Now() + timedelta(seconds=seconds)
    ShopConnection.objects.filter(pk=news.connection_id).update(calls_from=Greatest(until, F("calls_from")))
    finish(news, result=Result.WAITING, due_at=until)


def _try_later(news: ShopNews, reason: str) -> None:
    news.attempts += 1
    if news.attempts > len(RETRIES):
        _give_up(news, reason)
    else:
        news.order = order_of(news.connection, news.external_id)
        finish(news, result=Result.WAITING, reason=reason, due_at=Now() + RETRIES[news.attempts - 1])


def _give_up(news: ShopNews, reason: str) -> None:
    """An order that was being made is not there any more: what failed was undone."""
    news.order = order_of(news.connection, news.external_id)
    finish(news, result=Result.ERROR, reason=reason)


def _note_trouble(news: ShopNews, sentence: str) -> None:
    ShopConnection.objects.filter(pk=news.connection_id).update(last_error=sentence[:REASON_LENGTH])


_worklist = Worklist(ShopConnection, ShopNews, _look_at, _work_off)
process, due = _worklist.process, _worklist.due
