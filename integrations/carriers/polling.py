"""Asking carriers what became of the parcels under way: those that tell nothing by themselves, and what was missed."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from flowlog.secrets_at_rest import Unreadable
from integrations.carriers import CARRIERS, bringing, polled
from integrations.carriers.meanings import WAY
from integrations.carriers.models import CarrierConnection, CarrierNews, ParcelAsked
from integrations.carriers.news import Parcel, ParcelNews, Question
from integrations.carriers.views import waker
from integrations.sources import RefusedError, calls
from integrations.sources.models import REASON_LENGTH
from orders.codes import tracking_codes, tracking_key
from orders.models import Order, OrderEvent
from orders.origin import OF_TESTS
from orders.statuses import CORREIOS_METHODS, ON_THE_WAY, OrderStatus

logger = logging.getLogger(__name__)

# Answers are kept by some for an hour, and nobody hurries for a parcel's sake; after a failure it takes longer. What
# there was no time for has its turn before.
EVERY, AFTER_FAILURE, SOON = timedelta(hours=1), timedelta(hours=2), timedelta(minutes=5)
# Well within Celery's time limits, with one more call that takes as long as it may.
TIME_BUDGET = 15.0
# What has not moved for so long is asked for no more.
FORGOTTEN = timedelta(days=45)
_MOST_PARCELS = 2000
# Nobody else asks a carrier meanwhile; a worker that dies with it keeps the others away for so long.
_LEASE = timedelta(minutes=5)
# What each carrier is asked for, where it is not all that has a tracking code.
_METHODS = {"correios": CORREIOS_METHODS}
# What a source remembers from one time to the next, such as a token, for as long as the credentials are the same.
_memories: dict[int, tuple[dict[str, str], dict[str, Any]]] = {}


def poll() -> None:
    """Ask each carrier whose turn it is, one process each. Those that are left after a while are asked next time."""
    ends = time.monotonic() + TIME_BUDGET
    for connection in due():
        if time.monotonic() >= ends:
            return
        free = CarrierConnection.objects.filter(pk=connection.pk, poll_due_at__lte=Now())
        if free.update(poll_due_at=Now() + _LEASE):
            ask(connection, ends)


def due() -> list[CarrierConnection]:
    """Those whose carrier is to be asked now, and may be."""
    may = Q(calls_from__isnull=True) | Q(calls_from__lte=Now())
    rows: QuerySet[CarrierConnection] = CarrierConnection.objects.filter(may, is_on=True, poll_due_at__lte=Now())
    return [connection for connection in rows.order_by("poll_due_at", "pk") if can_poll(connection)]


def can_poll(connection: CarrierConnection) -> bool:
    """Whether its source can be asked, and all is there that that takes."""
    source, credentials = CARRIERS.get(connection.source), connection.readable()
    if credentials is None or source is None or not hasattr(source, "questions"):
        return False
    return all(credentials.get(name) for name in source.NEEDED_TO_ASK)


def parcels(connection: CarrierConnection) -> list[Parcel]:
    """Those under way that the carrier may know of, each code once, the one least recently asked about first.

    One that was never asked about waits since its order last changed. Within a round each is asked about once.
    """
    moved = OrderEvent.objects.filter(order=OuterRef("pk"), created_at__gt=Now() - FORGOTTEN)
    orders = Order.objects.filter(
        Exists(moved), store=connection.store_id, status=OrderStatus.CONFIRMED, delivery_status__in=ON_THE_WAY
    ).exclude(Q(tracking_code="") | Q(source__startswith=OF_TESTS))
    if methods := _METHODS.get(connection.source):
        orders = orders.filter(delivery_method__in=methods)
    written = orders.order_by("pk").values_list("tracking_code", "updated_at")
    since = {code: at for codes, at in written for code in tracking_codes(codes)}
    asked = dict(ParcelAsked.objects.filter(connection=connection).values_list("code", "asked_at"))
    begun = connection.round_since
    waiting = [code for code in since if not (begun and code in asked and asked[code] >= begun)]
    waiting.sort(key=lambda code: asked.get(code, since[code]))
    told = CarrierNews.objects.filter(connection=connection, order__in=orders.order_by()).exclude(external_id="")
    known = {tracking_key(code): name for code, name in told.values_list("tracking_code", "external_id")}
    return [Parcel(code, known.get(tracking_key(code), "")) for code in waiting[:_MOST_PARCELS]]


def ask(connection: CarrierConnection, ends: float | None = None) -> int | None:
    """Ask about the parcels, until `ends` on the monotonic clock, and store what is new.

    Returns how much that is, None if there was no answer.

    What was answered is stored at once, and is not lost by what fails after it. Why there was no answer stands in the
    row's `last_error`; all of it is asked again. What there was no time for is asked about soon, and nothing else then.
    """
    row = CarrierConnection.objects.filter(pk=connection.pk)
    row.filter(round_since=None).update(round_since=Now())
    connection.round_since = row.values_list("round_since", flat=True).get()
    stored, failure = _go_round(connection, ends or time.monotonic() + TIME_BUDGET)
    news: dict[str, Any] = {"last_news_at": Now()} if stored else {}
    if isinstance(failure, calls.TooOftenError):
        until = Now() + timedelta(seconds=failure.seconds)
        row.update(calls_from=until, poll_due_at=until, **news)
    elif isinstance(failure, calls.OutOfTimeError):
        row.update(poll_due_at=Now() + SOON, **news)
    elif failure is not None:
        sentence = str(failure)[:REASON_LENGTH] or type(failure).__name__
        row.update(last_error=sentence, poll_due_at=Now() + AFTER_FAILURE, round_since=None, **news)
    else:
        row.update(poll_due_at=Now() + EVERY, round_since=None, **news)
        ParcelAsked.objects.filter(connection=connection, asked_at__lt=Now() - FORGOTTEN).delete()
    if stored:
        transaction.on_commit(waker.wake, robust=True)
    return stored if failure is None or isinstance(failure, calls.OutOfTimeError) else None


def _go_round(connection: CarrierConnection, ends: float) -> tuple[int, Exception | None]:
    """Ask until all is asked about or something went wrong; how much was new, and what that was."""
    questions = _tried(connection, lambda: _questions(connection, ends))
    if isinstance(questions, Exception):
        return 0, questions
    row, stored = CarrierConnection.objects.filter(pk=connection.pk), 0
    for question in questions:
        told = _tried(connection, question.ask)
        if isinstance(told, (calls.OutOfTimeError, calls.TooOftenError)):
            return stored, told
        # Also what fails has had its turn: it does not keep the others from theirs.
        _note(connection, question.parcels)
        if isinstance(told, Exception):
            return stored, told
        stored += store(connection, told)
        row.update(polled_at=Now(), last_error="")
    return stored, None


def _questions(connection: CarrierConnection, ends: float) -> Iterable[Question]:
    credentials = connection.reveal()
    known = _memories.get(connection.pk)
    if known is None or known[0] != credentials:
        known = _memories[connection.pk] = (credentials, {})
    source, asked = CARRIERS[connection.source], parcels(connection)
    questions: Iterable[Question] = source.questions(credentials, asked, calls.calling_until(ends), known[1])
    return questions


def _tried[Each](connection: CarrierConnection, work: Callable[[], Iterable[Each]]) -> list[Each] | Exception:
    """What comes of it, or what went wrong."""
    try:
        return list(work())
    except SoftTimeLimitExceeded:
        raise
    except (calls.OutOfTimeError, calls.TooOftenError, calls.AwayError, RefusedError, Unreadable) as error:
        return error
    except Exception as error:
        logger.exception("A carrier (%s) could not be asked", connection.source)
        return RuntimeError(type(error).__name__)


def _note(connection: CarrierConnection, asked: Iterable[Parcel]) -> None:
    rows = [ParcelAsked(connection=connection, code=each.code, asked_at=Now()) for each in asked]
    ParcelAsked.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["connection", "code"], update_fields=["asked_at"]
    )


def store(connection: CarrierConnection, told: Iterable[ParcelNews]) -> int:
    """Keep what was not told before by the same connection, each parcel's in the order of its way; how much it was."""
    since = _kept_since()
    rows = {
        row.signature: row for row in _rows(connection, told) if row.status in WAY or row.occurred_at > since
    }  # fmt: skip
    known = set(CarrierNews.objects.filter(signature__in=[*rows]).values_list("signature", flat=True))
    new = [row for mark, row in rows.items() if mark not in known]
    # Of one time they stay in the carrier's order. Somebody else may have been faster.
    CarrierNews.objects.bulk_create(sorted(new, key=_time), ignore_conflicts=True)
    return len(new)


def _kept_since() -> datetime:
    """From when on all that was told is still known. What is older and moves no order was told, and forgotten."""
    days: int = settings.RETENTION_WEBHOOKS_DAYS
    return timezone.now() - timedelta(days=days) if days else datetime.min.replace(tzinfo=UTC)


def _time(row: CarrierNews) -> Any:
    return row.occurred_at


def _rows(connection: CarrierConnection, told: Iterable[ParcelNews]) -> Sequence[CarrierNews]:
    rows = []
    for news in told:
        row = CarrierNews(
            connection=connection, source=connection.source, signature=_mark(connection, news),
            headers=polled.HEADERS, body=polled.write(news), due_at=Now(),
        )  # fmt: skip
        bringing.describe(row, news)
        rows.append(row)
    return rows


def _mark(connection: CarrierConnection, news: ParcelNews) -> str:
    """What tells this piece of news from all others."""
    parts = (str(connection.pk), news.external_id or "".join(news.codes), news.word, str(news.occurred_at))
    return hashlib.sha256("\n".join(parts).encode(errors="replace")).hexdigest()
