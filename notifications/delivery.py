"""From a wake-up to a settled row: claim, send, settle, wake the next. `PROTOCOL.md` has the whole picture.

Every UPDATE out of `sending` or `unknown` names the claim's token and the status it leaves, so that a worker that
wakes from the dead cannot undo what happened meanwhile. No database connection is held during the call.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from flowlog.logs.context import about
from integrations.gateways import TOO_LATE, GatewayError, Outcome, SendReceipt, gateway_for, uptime
from integrations.instances.connections import alive, hold, probe_at_once, resume, resume_by_proof
from integrations.messages import retries, state_changes
from integrations.models import DeliveryAttempt, EvolutionInstance, NotificationLog
from notifications import claims, lookups, probes, wakeups
from notifications.claims import Claim
from notifications.message_ids import own_id
from orders.contacts import mask_phone

logger = logging.getLogger(__name__)

Status = NotificationLog.Status
State = EvolutionInstance.State

# Seconds between tries to settle while the database is away; the last one repeats.
SETTLE_PAUSES = (0.2, 1.0, 3.0)
# So many failures in a row, not explained by one number, hold the instance.
FAILURE_THRESHOLD = 3
# Failed for want of an answer, or of time: an answer that comes late is right all the same.
GIVEN_UP = ("outcome_unknown", "expired")
# These say nothing of the number: the request did not get as far.
NOT_ABOUT_A_NUMBER = frozenset({"gateway_unreachable", "gateway_database_down", "meta_rate_limit", "bad_gateway"})
# Seconds from the last look at the lease to the request, beside those that connecting may take; a process that stood
# still for longer sends nothing.
MAX_STALL = 5.0


@dataclass(frozen=True, slots=True)
class SendResult:
    """What one call to the gateway came to. `outcome` of None is: sent."""

    outcome: Outcome | None
    code: str = ""
    provider_message_id: str = ""
    http_status: int | None = None
    response_body: str = ""
    duration: timedelta = timedelta()

    @property
    def shows_life(self) -> bool:
        """Whether only a connected instance could have said this."""
        return bool(self.provider_message_id) or self.code == "not_on_whatsapp"

    @property
    def is_trouble(self) -> bool:
        """Whether this may be the instance's fault."""
        return self.outcome in {Outcome.RETRYABLE, Outcome.INSTANCE_DOWN, Outcome.UNKNOWN}


def deliver(notification_id: int, *, task_id: str = "") -> None:
    """Send the message that is next at this one's instance, settle it, and wake the next; else do nothing, cheaply."""
    claim = claims.claim(notification_id, task_id=task_id)
    if claim is None:
        return
    # Often another one than the wake-up was for.
    with about(notification=claim.notification.pk, order=claim.notification.snapshot_order_code):
        if not claim.over:
            _send(claim)
        elif claim.probe and claim.notification.instance:
            probes.wake_next(claim.notification.instance.pk)
        wakeups.wake_next(claim.notification)


def _send(claim: Claim) -> None:
    claimed_at, not_after = time.monotonic(), uptime() + _time_to_write()
    attempt = claims.begin_attempt(claim)
    if attempt is None:
        claims.release_slot(claim)
        return
    connection.close()  # back to the pool: a slow gateway must not hold a database connection
    row = claim.notification
    result = _call(row, not_after)
    if result.code == TOO_LATE:
        _give_up(claim, attempt)
        return
    # Before anything else can fail: what the gateway said is not to be had a second time.
    said = result.code or f"sent, {result.provider_message_id or 'a message without id'}"
    logger.info("Notification %s (%s to %s): %s", row.pk, row.event, mask_phone(row.recipient), said)
    _settle_surely(claim, attempt, result, until=claimed_at + settings.NOTIFICATIONS.soft_time_limit)


def _time_to_write() -> float:
    connect_timeout = settings.NOTIFICATIONS.connect_timeout
    return connect_timeout + min(MAX_STALL, connect_timeout)


def _give_up(claim: Claim, attempt: DeliveryAttempt) -> None:
    """Send nothing, since this process stood still after it had looked at its lease: as if it had not begun."""
    logger.warning("Notification %s: stood still before the request, nothing was sent", claim.notification.pk)
    with transaction.atomic():
        claims.give_back(claim, attempts=F("attempts") - 1)
        claims.release_slot(claim)
        attempt.delete()


def _settle_surely(claim: Claim, attempt: DeliveryAttempt, result: SendResult, *, until: float) -> None:
    """Settle, again while the database is away, since an answer in hand must not become an unknown outcome.

    Given up when `until` (monotonic) is near: then the lease ends, and a look-up finds the message.
    """
    for number in range(1000):
        try:
            return settle(claim, attempt, result)
        except IntegrityError:
            if not result.provider_message_id:
                raise
            logger.error("Notification %s: the gateway gave an id that another message has", claim.notification.pk)
            result = replace(result, provider_message_id="")
        except (OperationalError, InterfaceError) as error:
            pause = SETTLE_PAUSES[min(number, len(SETTLE_PAUSES) - 1)]
            if time.monotonic() + pause > until:
                raise
            logger.warning("Notification %s could not be settled (%s): once more", claim.notification.pk, error)
            connection.close()
            time.sleep(pause)
    raise AssertionError("unreachable: the pauses outlast any time limit")


def settle(claim: Claim, attempt: DeliveryAttempt, result: SendResult) -> None:
    """Write what the call came to.

    If the claim was lost meanwhile, only the attempt is written, except that proof of delivery makes an
    `unknown` row, or one put back to `pending`, or given up since, `sent`.
    """
    row = claim.notification
    own = NotificationLog.objects.filter(pk=row.pk, status=Status.SENDING, claim_token=claim.token)
    with transaction.atomic():
        settled = _move(own, claim, attempt, result)
        if not settled and result.outcome is None:
            open_or_given_up = Q(status__in=(Status.UNKNOWN, Status.PENDING)) | Q(
                status=Status.FAILED, error_code__in=GIVEN_UP
            )
            late = NotificationLog.objects.filter(open_or_given_up, pk=row.pk)
            state_changes.to_sent(late, result.provider_message_id, sent_at=attempt.started_at)
            if result.shows_life:
                resume_by_proof(row.instance_id, attempt.started_at)
        claims.release_slot(claim, **(_judge_instance(claim, result) if settled else {}))
        _complete(attempt, result)


def _move(own: state_changes.Rows, claim: Claim, attempt: DeliveryAttempt, result: SendResult) -> int:
    tried_before = result.outcome is not None and claim.notification.attempts
    if tried_before and (earlier := claims.accepted(claim.notification.pk).first()):
        # Its answer came during this call, and whatever this one came to: it is sent.
        return state_changes.to_sent(own, earlier.provider_message_id, sent_at=earlier.started_at)
    match result.outcome:
        case None:
            return state_changes.to_sent(own, result.provider_message_id)
        case Outcome.PERMANENT:
            return state_changes.to_failed(own, result.code)
        case Outcome.UNKNOWN:
            first = lookups.first_at(claim.notification, attempt.started_at, result.duration)
            return state_changes.to_unknown(own, result.code, lookup_at=first)
        case Outcome.RETRYABLE if not claim.probe:
            delay = retries.delay_after(claim.notification.attempts + 1)
            return state_changes.retry(own, Now() + delay, code=result.code)
        case _:
            return state_changes.put_back(own, code=result.code, attempts=F("attempts") - 1, **_place_after(claim))


def _place_after(claim: Claim) -> dict[str, Any]:
    """A message that could not go because of its instance keeps its place, unless that has been so too often."""
    row = claim.notification
    sends = row.delivery_attempts.filter(kind=DeliveryAttempt.Kind.SEND).count()
    pauses = state_changes.pauses(sends, row.attempts)
    if pauses < 1:
        return {}
    pause = min(retries.delay_after(pauses), timedelta(seconds=settings.NOTIFICATIONS.probe_max))
    return {"next_attempt_at": Now() + pause}


def _judge_instance(claim: Claim, result: SendResult) -> dict[str, Any]:
    """Hold or resume the instance by what this call has shown; returns what else is to be written to it."""
    row, instance = claim.notification, claim.notification.instance
    assert instance is not None  # noqa: S101 - the claim has its slot
    if result.shows_life:
        if claim.probe:
            resume(instance.pk, by_message=True)
        return alive()
    if not result.is_trouble:
        # The refusal of one message shows nothing of the connection: the next one finds out.
        if claim.probe:
            probe_at_once(instance.pk)
        return {}
    same_number = instance.failed_recipient == row.recipient and result.code not in NOT_ABOUT_A_NUMBER
    failures = instance.failures if same_number else instance.failures + 1
    state = {}
    if claim.probe or result.outcome is Outcome.INSTANCE_DOWN or failures >= FAILURE_THRESHOLD:
        hold(instance.pk, result.code)
        # Whatever the gateway said of it before was wrong, or is nothing to go by.
        state["state"] = State.CLOSE if result.outcome is Outcome.INSTANCE_DOWN else State.UNKNOWN
    return {"failures": min(failures, FAILURE_THRESHOLD), "failed_recipient": row.recipient, **state}


def _call(row: NotificationLog, not_after: float) -> SendResult:
    assert row.instance is not None  # noqa: S101 - the claim has its slot
    started = time.monotonic()
    try:
        gateway = gateway_for(row.instance)
        message_id = own_id(row) if gateway.capabilities.takes_ids else ""
        receipt = gateway.send(row.recipient, row.message, message_id=message_id, not_after=not_after)
    except GatewayError as error:
        return SendResult(
            error.outcome,
            error.code,
            http_status=error.http_status,
            response_body=error.response_body,
            duration=timedelta(seconds=error.duration),
        )
    except SoftTimeLimitExceeded:
        return SendResult(Outcome.UNKNOWN, "interrupted", duration=timedelta(seconds=time.monotonic() - started))
    except Exception:  # a defect of ours, at a moment nobody can name: the message may have gone out
        logger.exception("Notification %s: the call failed in an unforeseen way", row.pk)
        return SendResult(Outcome.UNKNOWN, "client_error", duration=timedelta(seconds=time.monotonic() - started))
    return _accepted(receipt)


def _accepted(receipt: SendReceipt) -> SendResult:
    return SendResult(
        None,
        provider_message_id=receipt.provider_message_id,
        http_status=receipt.http_status,
        response_body=receipt.response_body,
        duration=timedelta(seconds=receipt.duration),
    )


def _complete(attempt: DeliveryAttempt, result: SendResult) -> None:
    attempt.outcome = result.outcome or DeliveryAttempt.Result.SENT
    attempt.error_code = result.code
    attempt.http_status = result.http_status
    attempt.response_body = result.response_body
    attempt.provider_message_id = result.provider_message_id
    attempt.duration = result.duration
    attempt.save(
        update_fields=["outcome", "error_code", "http_status", "response_body", "provider_message_id", "duration"]
    )
