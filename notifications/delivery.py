"""From a wake-up to a settled row: claim, send, settle, wake the next.

    pending ──claim──► sending ──► sent        201 with an id (or proof that it was relayed)
       ▲                  ├──────► pending     not sent for certain: retry later; instance trouble
       │                  ├──────► failed      permanent, or no time left
       │                  └──────► unknown     anything else, or the lease ran out
       └── skipped (no permission, at the claim) · failed/expired (the sweep)

Every UPDATE out of `sending` or `unknown` names the claim's token and the status it leaves, so that a worker that
wakes from the dead cannot undo what happened meanwhile. No database connection is held during the call.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Least, Now

from integrations.evolution.client import EvolutionClient, SendReceipt, client
from integrations.evolution.errors import GatewayError, Outcome
from integrations.models import DeliveryAttempt, EvolutionInstance, NotificationLog
from notifications import claims, retries, wakeups
from notifications.claims import Claim
from notifications.errors import sentence
from orders.contacts import mask_phone

logger = logging.getLogger(__name__)

Status = NotificationLog.Status
State = EvolutionInstance.State

# Seconds. Together with the call they stay well below the soft time limit.
SETTLE_PAUSES = (0.2, 1.0, 3.0)
LONGEST_COUNTDOWN = 30.0
# A message that is about to expire gets its last try this long before.
LAST_CHANCE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Result:
    """What one call to the gateway came to. `outcome` of None is: sent."""

    outcome: Outcome | None
    code: str = ""
    provider_message_id: str = ""
    http_status: int | None = None
    response_body: str = ""
    duration: timedelta | None = None


def deliver(notification_id: int, *, task_id: str = "") -> None:
    """Send one message if it may be sent now, settle it, and wake the next; else do nothing, cheaply."""
    gateway = client()
    held = claims.claim(notification_id, task_id=task_id)
    if held is None:
        return
    if not held.over:
        _send(held, gateway)
    wake_next(held.notification)


def _send(held: Claim, gateway: EvolutionClient) -> None:
    attempt = claims.begin_attempt(held)
    if attempt is None:
        claims.release_slot(held)
        return
    connection.close()  # back to the pool: a slow gateway must not hold a database connection
    row = held.notification
    result = _call(gateway, row)
    # Before anything else can fail: what the gateway said is not to be had a second time.
    said = result.code or f"sent, {result.provider_message_id or 'a message without id'}"
    logger.info("Notification %s (%s to %s): %s", row.pk, row.event, mask_phone(row.recipient), said)
    _settle_surely(held, attempt, result)


def _settle_surely(held: Claim, attempt: DeliveryAttempt, result: Result) -> None:
    """Settle, again if the database fails, since an answer in hand must not become an unknown outcome."""
    for pause in SETTLE_PAUSES:
        try:
            return settle(held, attempt, result)
        except (OperationalError, InterfaceError) as error:
            logger.warning("Notification %s could not be settled (%s): once more", held.notification.pk, error)
            connection.close()
            time.sleep(pause)
    return settle(held, attempt, result)


def settle(held: Claim, attempt: DeliveryAttempt, result: Result) -> None:
    """Write what the call came to.

    If the claim was lost meanwhile, only the attempt is written, except that proof of delivery makes an
    `unknown` row, or one put back to `pending`, `sent`.
    """
    row = held.notification
    own = NotificationLog.objects.filter(pk=row.pk, claim_token=held.token)
    with transaction.atomic():
        settled = _settle_row(own.filter(status=Status.SENDING), row, result)
        if not settled and result.outcome is None:
            late = NotificationLog.objects.filter(pk=row.pk, status__in=(Status.UNKNOWN, Status.PENDING))
            late.update(**_sent(result))
        _complete(attempt, result)
        claims.release_slot(held, **_instance_state(result))


def wake_next(row: NotificationLog) -> None:
    """Wake the next message of the same order, and the oldest that waits for the instance's slot.

    While the instance keeps its pace, that is one wake-up with a countdown; losing it is harmless, since the sweep
    wakes the oldest of every instance that stands ready.
    """
    waiting = claims.due().order_by("next_attempt_at", "pk")
    next_of_order = waiting.filter(order=row.order_id, order__isnull=False)
    oldest = waiting.filter(instance=row.instance_id)
    candidates = waiting.filter(Q(pk__in=next_of_order.values("pk")[:1]) | Q(pk__in=oldest.values("pk")[:1]))
    for candidate in candidates.annotate(pace=F("instance__next_send_at") - Now()):
        seconds = candidate.pace.total_seconds() if candidate.pace else 0
        wakeups.publish([candidate], countdown=min(seconds, LONGEST_COUNTDOWN) if seconds > 0 else None)


def _call(gateway: EvolutionClient, row: NotificationLog) -> Result:
    assert row.instance is not None  # noqa: S101 - the claim has its slot
    try:
        receipt = gateway.send_text(row.instance.name, row.recipient, row.message)
    except GatewayError as error:
        return Result(
            error.outcome,
            error.code,
            http_status=error.http_status,
            response_body=error.response_body,
            duration=timedelta(seconds=error.duration),
        )
    except SoftTimeLimitExceeded:
        return Result(Outcome.UNKNOWN, "interrupted")
    except Exception:  # a defect of ours, at a moment nobody can name: the message may have gone out
        logger.exception("Notification %s: the call failed in an unforeseen way", row.pk)
        return Result(Outcome.UNKNOWN, "client_error")
    return _accepted(receipt)


def _accepted(receipt: SendReceipt) -> Result:
    return Result(
        None,
        provider_message_id=receipt.provider_message_id,
        http_status=receipt.http_status,
        response_body=receipt.response_body,
        duration=timedelta(seconds=receipt.duration),
    )


def _settle_row(own: QuerySet[NotificationLog], row: NotificationLog, result: Result) -> int:
    match result.outcome:
        case None:
            return own.update(**_sent(result))
        case Outcome.PERMANENT:
            return own.update(status=Status.FAILED, lease_until=None, **_error(result.code))
        case Outcome.RETRYABLE:
            return _retry(own, retries.delay_after(row.attempts + 1), result)
        case Outcome.INSTANCE_DOWN:
            return _retry(own, retries.INSTANCE_TROUBLE_PAUSE, result, attempts=F("attempts") - 1)
        case _:
            return own.update(status=Status.UNKNOWN, lease_until=None, **_error(result.code))


def _retry(own: QuerySet[NotificationLog], delay: timedelta, result: Result, **changes: Any) -> int:
    """Back to `pending` while there is time for another attempt before the message expires; else it has."""
    in_time = own.filter(expires_at__gt=Now() + LAST_CHANCE + retries.SCHEDULE[0])
    return in_time.update(
        status=Status.PENDING,
        lease_until=None,
        next_attempt_at=Least(Now() + delay, F("expires_at") - LAST_CHANCE),
        woken_at=None,
        wakes=0,
        **_error(result.code),
        **changes,
    ) or own.update(status=Status.FAILED, lease_until=None, **_error("expired"))


def _sent(result: Result) -> dict[str, Any]:
    return {
        "status": Status.SENT,
        "sent_at": Now(),
        "lease_until": None,
        "provider_message_id": result.provider_message_id,
        "error_code": "",
        "error_message": "",
    }


def _error(code: str) -> dict[str, str]:
    return {"error_code": code, "error_message": sentence(code)}


def _complete(attempt: DeliveryAttempt, result: Result) -> None:
    attempt.outcome = result.outcome or "sent"
    attempt.error_code = result.code
    attempt.http_status = result.http_status
    attempt.response_body = result.response_body
    attempt.duration = result.duration
    attempt.save(update_fields=["outcome", "error_code", "http_status", "response_body", "duration"])


def _instance_state(result: Result) -> dict[str, str]:
    if result.outcome is None:
        return {"state": State.OPEN}
    return {"state": State.CLOSE} if result.outcome is Outcome.INSTANCE_DOWN else {}
