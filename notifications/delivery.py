"""From a wake-up to settled rows: claim, send, settle, and so on at one instance. `PROTOCOL.md` has the whole picture.

Every UPDATE out of `sending` or `unknown` names the claim's token and the status it leaves, so that a worker that
wakes from the dead cannot undo what happened meanwhile. No database connection is held during the call.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from flowlog.logs.context import about
from flowlog.prepared import Call, Statement, param, recording, returning, together
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
    def is_ordinary(self) -> bool:
        """Whether it was sent, and it is known as what."""
        return self.outcome is None and bool(self.provider_message_id)

    @property
    def shows_life(self) -> bool:
        """Whether only a connected instance could have said this."""
        return bool(self.provider_message_id) or self.code == "not_on_whatsapp"

    @property
    def is_trouble(self) -> bool:
        """Whether this may be the instance's fault."""
        return self.outcome in {Outcome.RETRYABLE, Outcome.INSTANCE_DOWN, Outcome.UNKNOWN}


@dataclass(frozen=True, slots=True)
class Turn:
    """How long (monotonic) a task goes on with one message of an instance after the other; of its own, with one."""

    task_id: str = ""
    until: float = 0.0

    def goes_on_after(self, claim: Claim) -> bool:
        """Whether there is time for another one at the same instance."""
        return claim.notification.instance_id is not None and not claim.probe and time.monotonic() < self.until


ONE = Turn()


def deliver(notification_id: int, *, task_id: str = "", seconds: float = 0.0) -> None:
    """Send the message that is next at this one's instance and settle it; else do nothing, cheaply.

    For so many seconds begin with the one after it, and so on; then wake what is next.
    """
    turn = Turn(task_id, time.monotonic() + seconds)
    claim = claims.claim(notification_id, task_id=task_id)
    while claim is not None:
        row = claim.notification
        # Often another one than the wake-up was for.
        with about(notification=row.pk, order=row.snapshot_order_code):
            claim = _deal_with(claim, turn)
            if claim is None:
                # Only now that the slot is free: whatever was woken before found it taken.
                wakeups.wake_next(row)


def _deal_with(claim: Claim, turn: Turn) -> Claim | None:
    """Send it, unless that is over; returns the next one, if there is time for it."""
    if not claim.over:
        return _send(claim, turn)
    if claim.probe and claim.notification.instance:
        probes.wake_next(claim.notification.instance.pk)
    return _go_on(claim, turn)


def _go_on(claim: Claim, turn: Turn) -> Claim | None:
    instance = claim.notification.instance_id
    if instance is None or not turn.goes_on_after(claim):
        return None
    try:
        following = claims.claim_next(instance, task_id=turn.task_id)
    except claims.SlotLostError:
        return None
    if following:
        wakeups.wake_elsewhere(claim.notification)
    return following


def _send(claim: Claim, turn: Turn = ONE) -> Claim | None:
    claimed_at, looked_at = time.monotonic(), claim.looked_at or uptime()
    attempt = claim.attempt or claims.begin_attempt(claim)
    if attempt is None:
        claims.release_slot(claim)
        return None
    connection.close()  # back to the pool: a slow gateway must not hold a database connection
    row = claim.notification
    result = _call(row, looked_at + _time_to_write())
    if result.code == TOO_LATE:
        _give_up(claim, attempt)
        return None
    # Before anything else can fail: what the gateway said is not to be had a second time.
    said = result.code or f"sent, {result.provider_message_id or 'a message without id'}"
    logger.info("Notification %s (%s to %s): %s", row.pk, row.event, mask_phone(row.recipient), said)
    return _settle_surely(claim, attempt, result, turn, until=claimed_at + settings.NOTIFICATIONS.soft_time_limit)


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


def _settle_surely(
    claim: Claim, attempt: DeliveryAttempt, result: SendResult, turn: Turn = ONE, *, until: float
) -> Claim | None:
    """Settle and go on; again while the database is away, since an answer in hand must not become an unknown outcome.

    Given up when `until` (monotonic) is near: then the lease ends, and a look-up finds the message.
    """
    for number in range(1000):
        try:
            return settle(claim, attempt, result, turn)
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


def settle(claim: Claim, attempt: DeliveryAttempt, result: SendResult, turn: Turn = ONE) -> Claim | None:
    """Write what the call came to, and return the claim of the next, if the turn goes on.

    If the claim was lost meanwhile, only the attempt is written, except that proof of delivery makes an
    `unknown` row, or one put back to `pending`, or given up since, `sent`.
    """
    # As `_settle` does it, in constant statements; of a lost claim they find nothing.
    if result.is_ordinary and not claim.probe:
        try:
            return _settle_sent(claim, attempt, result, turn)
        except _ClaimLostError:
            pass
        except (IntegrityError, OperationalError, InterfaceError):
            raise
        except Exception as error:  # whatever is wrong with the next one, this one is sent
            unforeseen = not isinstance(error, (claims.SlotLostError, claims.NotBegunError))
            logger.warning("Notification %s: its task cannot go on", claim.notification.pk, exc_info=unforeseen)
            turn = ONE
    with transaction.atomic():
        _settle(claim, attempt, result)
    return _go_on(claim, turn)


class _ClaimLostError(Exception):
    """Somebody else has settled the message, or has it."""


@transaction.atomic
def _settle_sent(claim: Claim, attempt: DeliveryAttempt, result: SendResult, turn: Turn) -> Claim | None:
    """Raises `_ClaimLostError`, and what `claims.claim_next` raises; then nothing is settled."""
    row = claim.notification
    assert row.instance_id  # noqa: S101 - the claim has its slot
    sent = _SENT.given(id=row.pk, token=claim.token, provider_message_id=result.provider_message_id)
    freed = _FREED.given(instance=row.instance_id, token=claim.token)
    completed = _completed(attempt, result)
    if not turn.goes_on_after(claim):
        together(sent, freed, completed)
        following = None
    else:
        settling = claims.Settling(claim.token, sent, completed)
        following = claims.claim_next(row.instance_id, before=settling, task_id=turn.task_id)
        if following is None or following.over:
            together(freed, completed)
    if not sent.result:
        raise _ClaimLostError
    if following and sent.result == [(True,)]:
        transaction.on_commit(partial(wakeups.wake_elsewhere, row), robust=True)
    return following


def _to_sent() -> Any:
    """Returns as well whether another message of the order waits at another instance."""
    rows = NotificationLog.objects.filter(pk=param("id"), status=Status.SENDING, claim_token=param("token"))
    waits_elsewhere = NotificationLog.objects.filter(
        ~Q(instance=OuterRef("instance")), order=OuterRef("order"), status=Status.PENDING
    )
    sent = state_changes.to_sent(recording(rows), param("provider_message_id"))
    return returning(sent, rows, Exists(waits_elsewhere))


def _to_free() -> Any:
    slot = EvolutionInstance.objects.filter(pk=param("instance"), slot_token=param("token"))
    return recording(slot).update(slot_token=None, slot_until=None, **alive())


_SENT, _FREED = Statement(_to_sent), Statement(_to_free)


def _settle(claim: Claim, attempt: DeliveryAttempt, result: SendResult) -> None:
    row = claim.notification
    settled = _move(row.as_claimed, claim, attempt, result)
    if not settled and result.outcome is None:
        open_or_given_up = Q(status__in=(Status.UNKNOWN, Status.PENDING)) | Q(
            status=Status.FAILED, error_code__in=GIVEN_UP
        )
        late = NotificationLog.objects.filter(open_or_given_up, pk=row.pk)
        state_changes.to_sent(late, result.provider_message_id, sent_at=attempt.started_at)
        if result.shows_life:
            resume_by_proof(row.instance_id, attempt.started_at)
    claims.release_slot(claim, **(_judge_instance(claim, result) if settled else {}))
    together(_completed(attempt, result))


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


def _completed(attempt: DeliveryAttempt, result: SendResult) -> Call:
    outcome, code = result.outcome or DeliveryAttempt.Result.SENT, result.code
    told = {"http_status": result.http_status, "body": result.response_body, "message": result.provider_message_id}
    return _COMPLETED.given(id=attempt.pk, outcome=str(outcome), code=code, duration=result.duration, **told)


def _to_complete() -> Any:
    return recording(DeliveryAttempt.objects.filter(pk=param("id"))).update(
        outcome=param("outcome"),
        error_code=param("code"),
        http_status=param("http_status"),
        response_body=param("body"),
        provider_message_id=param("message"),
        duration=param("duration"),
    )


_COMPLETED = Statement(_to_complete)
