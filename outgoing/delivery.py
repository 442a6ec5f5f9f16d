"""Telling endpoints of events: each one at a time and in their order, until it is taken or three days are over.

A claim is a row in `sending` with its worker's token and a lease. Whoever dies with it keeps the endpoints waiting for
no longer than the lease; then the event is sent again, under the same id, by which the receiver knows it.

One process alone does so, for many endpoints at once: a system that hangs keeps neither other endpoints waiting nor a
second process of queue `default`, which sweeps and webhooks need.
"""

from __future__ import annotations

import functools
import logging
import os
import random
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import requests
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Greatest, Now
from django.utils.translation import gettext as _

from flowlog import publishing
from flowlog.publishing import WakeUp
from flowlog.secrets_at_rest import Unreadable
from integrations.gateways.http import call, keepable
from integrations.gateways.outcomes import GatewayError
from integrations.gateways.transport import GatewaySession, is_not_public
from integrations.sources.calls import is_safe, retry_after
from outgoing.bodies import body_of, headers_of
from outgoing.models import ANSWER_LENGTH, Endpoint, OutgoingAttempt, OutgoingEvent

logger = logging.getLogger(__name__)

State = OutgoingEvent.State

LIFETIME = timedelta(days=3)
PAUSES = (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800)
"""Seconds before another try; the last one again and again. Each is a fifth shorter or longer, at random."""
LONGEST_PAUSE = 86400.0
CONNECT_TIMEOUT, READ_TIMEOUT = 4, 10
# So many endpoints are told at once; those that wait for an answer cost a thread each.
AT_ONCE = 16
# A task begins no further call after so many seconds, and has itself called again, behind what waits meanwhile. Whoever
# did not take the last one may hang again, and is begun with only so early that it is through by then.
TIME_BUDGET = 20.0
_LOOK_EVERY = 1.0
WAKE_UP_EXPIRES = 60.0
_LOCK = 0x6F75_7467  # any number that nothing else in this database uses


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request: a status, or an error that says why there is none."""

    status: int | None
    error: str = ""
    body: str = ""
    seconds: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_success(self) -> bool:
        return self.status is not None and HTTPStatus(200) <= self.status < HTTPStatus.MULTIPLE_CHOICES


def sweep() -> None:
    """Give up what is too old, and wake a worker if something is due that nobody sees to."""
    OutgoingEvent.objects.filter(_free(), since__lte=Now() - LIFETIME).update(state=State.FAILED, lease_ends_at=None)
    if due_endpoints():
        _wake()


def unfinished() -> QuerySet[OutgoingEvent]:
    """What may have to be told or given up, now or later."""
    return OutgoingEvent.objects.filter(state__in=OutgoingEvent.UNFINISHED).order_by("endpoint_id", "pk")


def due_endpoints(worker: uuid.UUID | None = None, *, again: bool = True) -> list[int]:
    """The endpoints that this worker can tell something now, first those that were told longest ago; without `again`,
    none whose next event was tried before. While another worker tells something there are none."""
    heads = Endpoint.objects.filter(is_on=True).values_list(Subquery(_head_of(OuterRef("pk"))), flat=True)
    due = OutgoingEvent.objects.filter(_claimable(worker), pk__in=[pk for pk in heads if pk is not None])
    if not again:
        due = due.filter(attempts=0)
    last_told = Greatest("endpoint__last_success_at", "endpoint__last_failure_at").asc(nulls_first=True)
    return list(due.order_by(last_told, "pk").values_list("endpoint", flat=True))


def deliver() -> int:
    """Tell the endpoints what is due, for a while; returns how many requests were made.

    Nothing of the database is asked by the threads that wait for answers.
    """
    worker, ends, made = uuid.uuid4(), time.monotonic() + TIME_BUDGET, 0
    flying: dict[Future[Answer], OutgoingEvent] = {}
    with ThreadPoolExecutor(AT_ONCE, "outgoing") as threads:
        while True:
            for event in _next_ones(worker, ends, AT_ONCE - len(flying)):
                flying[threads.submit(send, event)] = event
            if not flying:
                break
            _give_connection_back()
            for done in wait(flying, _LOOK_EVERY, FIRST_COMPLETED).done:
                settle(flying.pop(done), _answer_of(done))
                made += 1
    if time.monotonic() >= ends:
        _wake()
    return made


def _next_ones(worker: uuid.UUID, ends: float, most: int) -> list[OutgoingEvent]:
    """What this worker is to send next, claimed."""
    left = ends - time.monotonic()
    if left <= 0:
        return []
    due = due_endpoints(worker, again=left > CONNECT_TIMEOUT + READ_TIMEOUT)
    return [event for pk in due[:most] if (event := claim(pk, worker))]


def wake() -> None:
    """Have told what is due after the commit; if that gets lost, the sweep comes in seconds."""
    transaction.on_commit(_wake, robust=True)


@transaction.atomic
def claim(endpoint_id: int, worker: uuid.UUID) -> OutgoingEvent | None:
    """The endpoint's next event for this worker alone, whose try counts; None if none is due, or one is in flight."""
    lease = timedelta(seconds=settings.NOTIFICATIONS.lease)
    with connection.cursor() as cursor:
        # Two workers that claim at the same time would not see each other.
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    on = Exists(Endpoint.objects.filter(pk=OuterRef("endpoint_id"), is_on=True))
    head = OutgoingEvent.objects.filter(_claimable(worker), on, pk=Subquery(_head_of(endpoint_id)))
    changes = {"state": State.SENDING, "lease_token": worker, "lease_ends_at": Now() + lease}
    if not head.update(attempts=F("attempts") + 1, **changes):
        return None
    own = OutgoingEvent.objects.filter(endpoint=endpoint_id, state=State.SENDING, lease_token=worker)
    return own.select_related("endpoint").first()


def send(event: OutgoingEvent) -> Answer:
    """Make the request. Never raises for anything that the endpoint does, and asks nothing of the database."""
    endpoint, body = event.endpoint, body_of(event)
    if not is_safe(endpoint.url):
        return Answer(None, _("The address must begin with https://."))
    try:
        signed = headers_of(event.webhook_id, int(time.time()), body, endpoint.signing_secrets())
    except Unreadable as error:
        return Answer(None, str(error))
    headers = {"Content-Type": "application/json", **signed}
    try:
        answer = call(
            _session(os.getpid()), "POST", endpoint.url, data=body, headers=headers,
            timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
        )  # fmt: skip
    except GatewayError as error:
        return Answer(error.http_status, _words(error), seconds=error.duration or 0)
    kept = keepable(answer.body, "")[:ANSWER_LENGTH]
    return Answer(answer.status, body=kept, seconds=answer.duration, headers=answer.headers)


@transaction.atomic
def settle(event: OutgoingEvent, answer: Answer) -> None:
    """Note the try, and what becomes of the event: delivered, tried again, or given up.

    Who has lost the lease notes the try alone.
    """
    error = answer.error or ("" if answer.is_success else _("It answered with %d.") % (answer.status or 0))
    OutgoingAttempt.objects.create(
        event=event,
        milliseconds=round(answer.seconds * 1000),
        http_status=answer.status,
        error=error,
        answer=answer.body,
    )
    own = OutgoingEvent.objects.filter(pk=event.pk, state=State.SENDING, lease_token=event.lease_token)
    endpoint = Endpoint.objects.filter(pk=event.endpoint_id)
    if answer.is_success:
        own.update(state=State.DELIVERED, lease_ends_at=None)
        endpoint.update(last_success_at=Now(), last_error="")
        return
    due = Now() + timedelta(seconds=pause_after(event.attempts, answer.headers))
    own.filter(since__gt=Now() - LIFETIME).update(state=State.PENDING, lease_ends_at=None, due_at=due)
    own.update(state=State.FAILED, lease_ends_at=None)
    endpoint.update(last_failure_at=Now(), last_error=error)
    if answer.status == HTTPStatus.GONE:
        words = _("It answered 410: nobody is there any more.")
        endpoint.filter(is_on=True).update(is_on=False, off_reason=words)
    logger.warning("Outgoing event %s, try %d: %s", event.webhook_id, event.attempts, error)


def pause_after(attempts: int, headers: Mapping[str, str]) -> float:
    """The seconds before the next try: no less than the endpoint asks for, if that is no more than a day."""
    pause = PAUSES[min(attempts, len(PAUSES)) - 1] * random.uniform(0.8, 1.2)  # noqa: S311 - not a secret
    return min(max(pause, retry_after(headers) or 0), LONGEST_PAUSE)


def again(events: QuerySet[OutgoingEvent]) -> int:
    """Have them told again that are finished, under the same ids; returns how many."""
    finished = events.exclude(state__in=OutgoingEvent.UNFINISHED)
    return finished.update(state=State.PENDING, attempts=0, due_at=Now(), since=Now())


def _head_of(endpoint: Any) -> QuerySet[OutgoingEvent, Any]:
    return unfinished().filter(endpoint=endpoint).order_by("pk").values("pk")[:1]


def _free() -> Q:
    """Whether nobody is sending it."""
    return Q(state=State.PENDING) | Q(state=State.SENDING, lease_ends_at__lte=Now())


def _claimable(worker: uuid.UUID | None) -> Q:
    flying = OutgoingEvent.objects.filter(state=State.SENDING, lease_ends_at__gt=Now())
    # One that was written before the one in flight, and committed after it, waits for it all the same.
    in_flight = flying.filter(endpoint=OuterRef("endpoint"))
    others = flying.exclude(lease_token=worker) if worker else flying
    return _free() & Q(~Exists(in_flight), ~Exists(others), due_at__lte=Now())


def _answer_of(done: Future[Answer]) -> Answer:
    """What came of the request. One event with which we ourselves fail must keep no other back."""
    error = done.exception()
    if error is None:
        return done.result()
    logger.error("An outgoing event could not be sent", exc_info=error)
    return Answer(None, _("It failed (%(error)s): see the log.") % {"error": type(error).__name__})


def _give_connection_back() -> None:
    """To the pool: a slow system must not hold a database connection."""
    if not connection.in_atomic_block:
        connection.close()


def _wake() -> None:
    publishing.publish([WakeUp("outgoing.tasks.deliver")], expires=WAKE_UP_EXPIRES)


def _words(error: GatewayError) -> str:
    """What the staff read of a request without an answer."""
    cause = error.__cause__
    if isinstance(cause, requests.RequestException) and is_not_public(cause):
        return _("The system's address is not one of the public Internet.")
    return {
        "gateway_unreachable": _("No connection: the system is not there, or its certificate is not valid."),
        "read_timeout": _("The system did not answer in time."),
    }.get(error.code, _("The connection broke off before the answer had come."))


@functools.lru_cache(maxsize=2)
def _session(_process_id: int) -> GatewaySession:
    """One for each process: a forked child must not write into its parent's connections."""
    session = GatewaySession(public_only=True)
    session.headers.update({"Accept-Encoding": "identity", "User-Agent": "flowlog"})
    return session
