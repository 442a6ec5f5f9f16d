"""Telling endpoints of events: one at a time and in their order, each until it is taken or three days are over.

A claim is a row in `sending` with a fresh token and a lease. Whoever dies with it keeps the endpoint waiting for no
longer than the lease; then the event is sent again, under the same id, by which the receiver knows it.
"""

from __future__ import annotations

import functools
import logging
import os
import random
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import requests
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Now
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
CONNECT_TIMEOUT, READ_TIMEOUT = 4, 12
# A task begins no further call after so many seconds, and has itself called again, behind what waits meanwhile.
TIME_BUDGET = 5.0
WAKE_UP_EXPIRES = 60.0


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
    """Give up what is too old, and wake a worker for each endpoint whose next event is due."""
    unfinished = OutgoingEvent.objects.filter(_free(), since__lte=Now() - LIFETIME)
    unfinished.update(state=State.FAILED, lease_ends_at=None)
    _wake(due_endpoints())


def due_endpoints() -> list[int]:
    """The endpoints that can be told something now."""
    heads = Endpoint.objects.filter(is_on=True).values_list(Subquery(_head_of(OuterRef("pk"))), flat=True)
    due = OutgoingEvent.objects.filter(_claimable(), pk__in=[pk for pk in heads if pk is not None])
    return list(due.order_by("pk").values_list("endpoint", flat=True))


def deliver(endpoint_id: int) -> int:
    """Tell the endpoint what is due, for a few seconds; returns how many requests were made."""
    ends, made = time.monotonic() + TIME_BUDGET, 0
    while time.monotonic() < ends:
        event = claim(endpoint_id)
        if event is None:
            return made
        settle(event, send(event))
        made += 1
    _wake([endpoint_id])
    return made


def wake(endpoint_id: int) -> None:
    """Have it told after the commit; if that gets lost, the sweep comes in seconds."""
    transaction.on_commit(lambda: _wake([endpoint_id]), robust=True)


def claim(endpoint_id: int) -> OutgoingEvent | None:
    """The endpoint's next event for this process alone, whose try counts; None if none is due, or one is in flight."""
    token, lease = uuid.uuid4(), timedelta(seconds=settings.NOTIFICATIONS.lease)
    # Every condition stands in the outer WHERE: it is checked again after waiting for somebody else's claim.
    on = Exists(Endpoint.objects.filter(pk=OuterRef("endpoint_id"), is_on=True))
    head = OutgoingEvent.objects.filter(_claimable(), on, pk=Subquery(_head_of(endpoint_id)))
    changes = {"state": State.SENDING, "lease_token": token, "lease_ends_at": Now() + lease}
    if not head.update(attempts=F("attempts") + 1, **changes):
        return None
    own = OutgoingEvent.objects.filter(endpoint=endpoint_id, state=State.SENDING, lease_token=token)
    return own.select_related("endpoint").first()


def send(event: OutgoingEvent) -> Answer:
    """Make the request. Never raises for anything that the endpoint does."""
    endpoint, body = event.endpoint, body_of(event)
    if not is_safe(endpoint.url):
        return Answer(None, _("The address must begin with https://."))
    try:
        signed = headers_of(event.webhook_id, int(time.time()), body, endpoint.signing_secrets())
    except Unreadable as error:
        return Answer(None, str(error))
    if not connection.in_atomic_block:
        connection.close()  # back to the pool: a slow system must not hold a database connection
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
    unfinished = OutgoingEvent.objects.filter(endpoint=endpoint, state__in=OutgoingEvent.UNFINISHED)
    return unfinished.order_by("pk").values("pk")[:1]


def _free() -> Q:
    """Whether nobody is sending it."""
    return Q(state=State.PENDING) | Q(state=State.SENDING, lease_ends_at__lte=Now())


def _claimable() -> Q:
    # One that was written before the one in flight, and committed after it, waits for it all the same.
    in_flight = OutgoingEvent.objects.filter(
        endpoint=OuterRef("endpoint"), state=State.SENDING, lease_ends_at__gt=Now()
    )
    return _free() & Q(~Exists(in_flight), due_at__lte=Now())


def _wake(endpoints: list[int]) -> None:
    wake_ups = [WakeUp("outgoing.tasks.deliver", (pk,), f"({pk},)") for pk in endpoints]
    publishing.publish(wake_ups, expires=WAKE_UP_EXPIRES)


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
