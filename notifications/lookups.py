"""Finding out whether a message of unknown outcome was sent, by evidence, before anything is sent again.

What proves that it was: the answer of the send itself, if it came after all; the gateway's own account of what it
sent, if that came meanwhile; or the message among those that the gateway keeps. What proves that it was not: no
request of its claim ever began; or the gateway, asked long enough after, does not have it though it does keep what it
sends.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import replace
from datetime import datetime, timedelta

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import connection
from django.db.models import OuterRef, Q, Subquery
from django.db.models.functions import Greatest, Now

from flowlog.logs.context import about
from integrations.gateways import Archive, GatewayError, Outcome, gateway_for
from integrations.instances import connections
from integrations.messages import retries, state_changes
from integrations.models import DeliveryAttempt, NotificationLog
from notifications import controls, wakeups
from notifications.controls import CLOCK_SKEW
from notifications.evidence import CUT_SHORT, INTERRUPTED, Answer, Finding, LookUp, find, known_id, last, told_id
from orders.models import Store

logger = logging.getLogger(__name__)

Status = NotificationLog.Status


def next_after(began_at: datetime, elapsed: timedelta) -> datetime:
    """When a request that began then, and is that old, is looked up next; after the last time, less and less often."""
    seconds = elapsed.total_seconds()
    later = (moment for moment in settings.NOTIFICATIONS.lookups if moment > seconds)
    pause = max(last(), min(seconds, settings.NOTIFICATIONS.wake_repeat_max))
    return began_at + timedelta(seconds=next(later, seconds + pause))


def first_at(row: NotificationLog, began_at: datetime, elapsed: timedelta) -> state_changes.Moment:
    """When a request whose outcome nobody knows is looked up first: at once if the gateway has told of it already."""
    return Now() if told_id(row, since=began_at - CLOCK_SKEW) else next_after(began_at, elapsed)


def due() -> state_changes.Rows:
    """Messages that are to be looked up now."""
    return NotificationLog.objects.filter(
        Q(lookup_at__isnull=True) | Q(lookup_at__lte=Now()), status=Status.UNKNOWN, expires_at__gt=Now()
    )


def look_up(notification_id: int) -> None:
    """Look for the message if it is time to, and settle it if that shows what became of it; else do nothing, cheaply.

    A worker that dies over it loses nothing: the next look-up is on the row already.
    """
    begun = _begin(notification_id)
    if begun is not None:
        with about(notification=notification_id, order=begun.notification.snapshot_order_code):
            _look_up(begun)


def _look_up(begun: LookUp) -> None:
    if begun.began_at is None:
        # Its worker stopped between the claim and the request.
        moved = state_changes.put_back(begun.rows)
    elif known := known_id(begun):
        moved = _to_sent(begun, begun.began_at, known)
    else:
        earlier = _answered(begun)
        connection.close()  # back to the pool: a slow gateway must not hold a database connection
        started = time.monotonic()
        answer = replace(_ask(begun, earlier), duration=timedelta(seconds=time.monotonic() - started))
        if answer.asked:
            _record(begun, answer)
        moved = _settle(begun, answer)
    if moved:
        wakeups.wake_next(begun.notification)


def _begin(notification_id: int) -> LookUp | None:
    """Put the next look-up on the row, so that only one process does this one; None if it is not due."""
    requests = DeliveryAttempt.objects.filter(
        notification=OuterRef("pk"), claim_token=OuterRef("claim_token"), kind=DeliveryAttempt.Kind.SEND
    )
    row = (
        due()
        .filter(pk=notification_id)
        .select_related("instance__store", "order__store")
        .annotate(began_at=Subquery(requests.order_by("-pk").values("started_at")[:1]), now=Now())
        .first()
    )
    if row is None:
        return None
    begun = LookUp(row, row.began_at, row.now)
    elapsed = row.now - row.began_at if row.began_at else timedelta()
    scheduled = next_after(row.began_at or row.now, elapsed)
    return begun if state_changes.look_up_at(begun.rows.filter(lookup_at=row.lookup_at), scheduled) else None


def _answered(begun: LookUp) -> frozenset[str]:
    """The questions that earlier look-ups had answered before they were cut short, late enough to be final."""
    if not begun.is_last:
        return frozenset()
    row = begun.notification
    assert row.claim_token is not None  # noqa: S101 - an attempt of the claim was found
    cut_short = row.delivery_attempts.filter(
        kind=DeliveryAttempt.Kind.LOOK_UP, claim_token=row.claim_token, error_code__in=CUT_SHORT
    ).exclude(response_body="")
    return frozenset(each for body in cut_short.values_list("response_body", flat=True) for each in json.loads(body))


def _ask(begun: LookUp, earlier: frozenset[str]) -> Answer:
    """Ask all that was not answered `earlier`. Each question fits in the time limit, all together may not."""
    answered = set(earlier)
    assert begun.notification.instance is not None  # noqa: S101 - it was sent through it

    def is_found(gateway: Archive, control: NotificationLog) -> bool:
        if (question := f"control {control.pk}") not in answered and controls.is_found(gateway, control):
            answered.add(question)
        return question in answered

    try:
        gateway = gateway_for(begun.notification.instance)
        if not isinstance(gateway, Archive):
            return Answer(Finding.NOT_FOUND, asked=False)
        if found := find(gateway, begun, answered):
            return Answer(Finding.FOUND, found)
        keeps = begun.is_last and controls.keeps_messages(gateway, begun.notification, found=is_found)
    except GatewayError as error:
        failure = error
    except SoftTimeLimitExceeded:
        failure = GatewayError(Outcome.UNKNOWN, INTERRUPTED)
    else:
        return Answer(Finding.NOT_FOUND, keeps_messages=keeps)
    # Before the last time, "not there" is no answer that would hold.
    return Answer(Finding.NO_ANSWER, error=failure, answered=frozenset(answered - earlier if begun.is_last else ()))


def _settle(begun: LookUp, answer: Answer) -> int:
    """Move the row if the answer decides; returns whether it did."""
    row = begun.notification
    assert begun.began_at is not None  # noqa: S101 - else there was nothing to ask
    logger.info("Notification %s (%s) looked up: %s", row.pk, row.event, answer.finding)
    if answer.finding == Finding.FOUND:
        return _to_sent(begun, begun.began_at, answer.provider_message_id)
    if answer.code == INTERRUPTED and answer.answered:
        state_changes.look_up_now(begun.rows)
    if answer.finding != Finding.NOT_FOUND or not begun.is_last:
        return 0
    if not answer.keeps_messages and _store(row).on_unknown_outcome == Store.OnUnknownOutcome.ASK_STAFF:
        return state_changes.to_failed(begun.rows, "outcome_unknown")
    due_at = Greatest(begun.began_at + retries.delay_after(row.attempts), Now())
    return state_changes.retry(begun.rows, due_at, code="did_not_arrive")


def _to_sent(begun: LookUp, began_at: datetime, provider_message_id: str) -> int:
    """It is sent, and so its instance could send then."""
    moved = state_changes.to_sent(begun.rows, provider_message_id, sent_at=began_at)
    if moved:
        connections.resume_by_proof(begun.notification.instance_id, began_at)
    return moved


def _store(row: NotificationLog) -> Store:
    assert row.instance is not None  # noqa: S101 - it was sent through it
    return row.order.store if row.order else row.instance.store


def _record(begun: LookUp, answer: Answer) -> None:
    error, token = answer.error, begun.notification.claim_token
    assert token is not None  # noqa: S101 - an attempt of the claim was found
    DeliveryAttempt.objects.create(
        notification=begun.notification,
        claim_token=token,
        kind=DeliveryAttempt.Kind.LOOK_UP,
        started_at=begun.now,
        duration=answer.duration,
        outcome=answer.finding,
        error_code=answer.code,
        http_status=error.http_status if error else 200,
        response_body=answer.response_body,
        provider_message_id=answer.provider_message_id,
    )
