"""Claiming: how exactly one worker gets a message, in its turn, while nobody else may send it.

A claim is a row in `sending` with a fresh token and a lease, together with its instance's slot. Whoever does not
hold the token cannot settle the row; whoever dies with it blocks nothing for longer than the lease.
"""

from __future__ import annotations

import logging
import random
import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count, DateTimeField, Exists, F, Func, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Coalesce, Now

from integrations.models import DeliveryAttempt, EvolutionInstance, NotificationLog, earlier_unfinished
from notifications import policy, texts
from notifications.errors import sentence

logger = logging.getLogger(__name__)

Status = NotificationLog.Status
CANNOT_RENDER_PAUSE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that this process, and no other, may send until its lease ends.

    `over` of True: it is not sent now, and what became of it is on the row already.
    """

    notification: NotificationLog
    token: uuid.UUID
    over: bool = False


def due() -> QuerySet[NotificationLog]:
    """Messages whose turn it is: pending, due, not expired, and no earlier one of the same order unfinished.

    Every condition stands in the outer WHERE, never behind a join: an UPDATE built on it is checked again on
    the newest version of the row after waiting for another transaction.
    """
    return NotificationLog.objects.filter(
        ~earlier_unfinished(), status=Status.PENDING, next_attempt_at__lte=Now(), expires_at__gt=Now()
    )


def claimable() -> QuerySet[NotificationLog]:
    """Messages that could be sent this moment: due, and their instance has a free slot and pace."""
    ready = _ready_instances().filter(pk=OuterRef("instance_id"))
    return due().filter(Exists(ready) | Q(instance__isnull=True))


def claim(notification_id: int, *, task_id: str = "") -> Claim | None:
    """Claim the message, or return None if it may not be sent now; one statement when there is nothing to do.

    Permission is read here. A message that may not be sent at all is settled `skipped`, with the reason. The
    text is rendered at the first claim and stored, so that every attempt says the same; a message that this
    release cannot put into words waits for one that can, without standing in another's way.
    """
    token = uuid.uuid4()
    with transaction.atomic():
        taken = (
            claimable()
            .filter(pk=notification_id)
            .update(status=Status.SENDING, claim_token=token, lease_until=_lease_end(), celery_task_id=task_id)
        )
        if not taken:
            return None
        row = NotificationLog.objects.select_related("instance", "order__customer").get(pk=notification_id)
        refusal = policy.refusal(row)
        if refusal:
            _skip(row, refusal)
            return Claim(row, token, over=True)
        if not _write_text(row):
            return Claim(row, token, over=True)
        if not _take_slot(row.instance, token):
            transaction.set_rollback(True)
            return None
    return Claim(row, token)


def begin_attempt(held: Claim) -> DeliveryAttempt | None:
    """Record that the request goes out now; None if the claim no longer leaves time for the call.

    This is the last look at token and lease before the request. On None the message was not sent for certain,
    so that it goes back to `pending`, even if the sweep has already made it `unknown`.
    """
    enough = Now() + timedelta(seconds=settings.NOTIFICATIONS.call_timeout)
    rows = NotificationLog.objects.filter(pk=held.notification.pk, claim_token=held.token)
    with transaction.atomic():
        if rows.filter(status=Status.SENDING, lease_until__gt=enough).update(
            attempts=F("attempts") + 1, first_attempt_at=Coalesce("first_attempt_at", Now())
        ):
            return DeliveryAttempt.objects.create(notification=held.notification, claim_token=held.token)
    rows.filter(status__in=(Status.SENDING, Status.UNKNOWN)).update(
        status=Status.PENDING,
        lease_until=None,
        next_attempt_at=Now(),
        woken_at=None,
        wakes=0,
        error_code="",
        error_message="",
    )
    return None


def release_slot(held: Claim, **changes: object) -> None:
    """Give the instance's slot back, unless another claim has it by now; `changes` are written with it."""
    EvolutionInstance.objects.filter(slot_token=held.token).update(slot_token=None, slot_until=None, **changes)


def _ready_instances() -> QuerySet[EvolutionInstance]:
    """Instances with a free slot, whose pace and daily cap allow a message now."""
    today = Func(
        Value("day"),
        Now(),
        Value(settings.TIME_ZONE),
        function="date_trunc",
        output_field=DateTimeField(),
    )
    # One whose outcome is unknown may have gone out, so it counts.
    gone_out_today = NotificationLog.objects.filter(
        Q(status=Status.SENT, sent_at__gte=today) | Q(status=Status.UNKNOWN, first_attempt_at__gte=today),
        instance=OuterRef("pk"),
    )
    counted = gone_out_today.order_by().values("instance").annotate(number=Count("pk")).values("number")
    return EvolutionInstance.objects.filter(
        Q(slot_until__isnull=True) | Q(slot_until__lte=Now()),
        Q(daily_cap=0) | Q(daily_cap__gt=Coalesce(Subquery(counted), 0)),
        next_send_at__lte=Now(),
    )


def _take_slot(instance: EvolutionInstance | None, token: uuid.UUID) -> bool:
    """Take the instance's only slot and set its pace. The UPDATE locks the instance until the commit."""
    if instance is None:
        return False
    taken = (
        _ready_instances()
        .filter(pk=instance.pk)
        .update(slot_token=token, slot_until=_lease_end(), next_send_at=Now() + _gap(instance.messages_per_minute))
    )
    return bool(taken)


def _gap(messages_per_minute: int) -> timedelta:
    """The pause before the next message: random, so that the traffic does not look like a machine's."""
    if not messages_per_minute:
        return timedelta()
    return timedelta(seconds=60 / messages_per_minute * random.uniform(0.75, 1.25))  # noqa: S311 - not a secret


def _write_text(row: NotificationLog) -> bool:
    """Render and store the text at the first claim; False, with the row put back, if that is not possible."""
    recipient = settings.NOTIFICATIONS_OVERRIDE_RECIPIENT or row.recipient
    if row.message and row.recipient == recipient:
        return True
    try:
        row.message = row.message or texts.render(row.event, row.snapshot)
    except Exception:  # whatever a template or an odd snapshot raises must not stop the messages behind it
        logger.exception("Notification %s (%s) cannot be put into words", row.pk, row.event)
        row.status, row.lease_until, row.error_code = Status.PENDING, None, "cannot_render"
        row.error_message = sentence(row.error_code)
        row.next_attempt_at = Now() + CANNOT_RENDER_PAUSE
        row.save(update_fields=["status", "lease_until", "error_code", "error_message", "next_attempt_at"])
        return False
    row.recipient = recipient
    row.save(update_fields=["message", "recipient"])
    return True


def _skip(row: NotificationLog, refusal: policy.Refusal) -> None:
    row.status, row.lease_until = Status.SKIPPED, None
    row.error_code, row.error_message = refusal.code, refusal.sentence
    row.save(update_fields=["status", "lease_until", "error_code", "error_message"])


def _lease_end() -> CombinedExpression:
    return Now() + timedelta(seconds=settings.NOTIFICATIONS.lease)
