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
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, DurationField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Coalesce, Now
from django.db.models.lookups import GreaterThan

from flowlog.logs.context import about
from integrations.instances.connections import probe_pause
from integrations.messages import state_changes
from integrations.models import DeliveryAttempt, EvolutionInstance, NotificationLog, earlier_unfinished
from notifications import policy, quiet, texts
from notifications.models import own_text_of, with_texts

logger = logging.getLogger(__name__)

Status = NotificationLog.Status
# What a defect of ours keeps back is tried again after so long, perhaps by a release without it.
DEFECT_PAUSE = timedelta(minutes=10)
CAP_WINDOW = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that this process, and no other, may send until its lease ends.

    `over` of True: it is not sent now, and what became of it is on the row already.
    """

    notification: NotificationLog
    token: uuid.UUID
    over: bool = False

    @property
    def probe(self) -> bool:
        """Whether its instance was held at the claim, so that this message finds out whether it still has to be."""
        instance = self.notification.instance
        return instance is not None and instance.held_at is not None


def due() -> QuerySet[NotificationLog]:
    """Messages whose turn it is: pending, due, not expired, and no earlier one of the same order unfinished."""
    return waiting().filter(next_attempt_at__lte=Now())


def waiting() -> QuerySet[NotificationLog]:
    """The same, whether they are due or pause before another try.

    Every condition stands in the outer WHERE, never behind a join: an UPDATE built on it is checked again on
    the newest version of the row after waiting for another transaction. That it is not `blocked` decides nothing, but
    has an index lead past what waits for its order.
    """
    # Not `expires_at__gt`: PostgreSQL would walk the index of what expires, which nearly all rows match.
    time_left = ExpressionWrapper(F("expires_at") - Now(), DurationField())
    return NotificationLog.objects.filter(
        ~earlier_unfinished(), GreaterThan(time_left, timedelta()), status=Status.PENDING, blocked=False
    )


def oldest_due(instance: Any) -> QuerySet[NotificationLog, Any]:
    """The key of the message that is next at the instance, which may be a reference to an outer query's."""
    return due().filter(instance=instance).order_by("next_attempt_at", "pk").values("pk")[:1]


def ready_instances() -> QuerySet[EvolutionInstance]:
    """Instances that may send a message now: a free slot, pace, daily cap; one that is held, its next probe."""
    return idle_instances().exclude(capped()).filter(next_send_at__lte=Now())


def idle_instances() -> QuerySet[EvolutionInstance]:
    """Instances with a free slot; one that is held, only when its next probe is due."""
    return EvolutionInstance.objects.filter(
        Q(slot_until__isnull=True) | Q(slot_until__lte=Now()), Q(held_at__isnull=True) | Q(probe_at__lte=Now())
    )


def capped() -> Q:
    """Whether an instance has sent as much in the last 24 hours as its cap allows.

    A rolling window, so that what had to wait does not leave at midnight. An unknown one may have gone out, so it
    counts.
    """
    since = Now() - CAP_WINDOW
    # Each by an index of its own.
    sent = _number(NotificationLog.objects.filter(status=Status.SENT, sent_at__gt=since))
    unknown = _number(NotificationLog.objects.filter(status=Status.UNKNOWN, first_attempt_at__gt=since))
    return Q(daily_cap__gt=0, daily_cap__lte=sent + unknown)


def _number(rows: QuerySet[NotificationLog]) -> Coalesce:
    """How many of these are the instance's."""
    own = rows.filter(instance=OuterRef("pk")).order_by().values("instance")
    return Coalesce(Subquery(own.annotate(number=Count("pk")).values("number")), 0)


def claim(notification_id: int, *, task_id: str = "") -> Claim | None:
    """Claim the message that is next at this one's instance; None, after one statement, if none may be sent now.

    So messages leave in the order in which they fell due, whichever wake-up comes first. Permission is read here:
    a message that may not be sent at all is settled `skipped`, with the reason. One that this release cannot
    prepare waits for one that can, without standing in another's way.
    """
    token = uuid.uuid4()
    ready = Exists(ready_instances().filter(pk=OuterRef("instance_id")))
    # None if it is not ready, so that the search for what is next there does not even begin.
    own_instance = NotificationLog.objects.filter(ready, pk=notification_id).values("instance")[:1]
    with transaction.atomic():
        claimable = due().filter(ready | Q(instance__isnull=True))
        next_up = claimable.filter(pk=Coalesce(Subquery(oldest_due(Subquery(own_instance))), Value(notification_id)))
        if not state_changes.to_sending(next_up, token, lease_until=_lease_end(), task_id=task_id):
            return None
        own = NotificationLog.objects.filter(status=Status.SENDING, claim_token=token)
        row = with_texts(policy.with_consent(own)).select_related("instance", "order__customer", "order__store").get()
        try:
            refusal = policy.refusal(row)
            if not refusal and quiet.put_off(row, own):
                return Claim(row, token, over=True)
            if not refusal:
                render(row)
        except Exception:  # whatever a template or an odd row raises must not stop the messages behind it
            with about(notification=row.pk, order=row.snapshot_order_code):
                logger.exception("Notification %s (%s) cannot be prepared", row.pk, row.event)
            state_changes.put_back(own, code="cannot_prepare", next_attempt_at=Now() + DEFECT_PAUSE)
            return Claim(row, token, over=True)
        if refusal:
            state_changes.to_skipped(own, refusal)
            return Claim(row, token, over=True)
        if not _take_slot(row.instance, token):
            transaction.set_rollback(True)
            return None
    return Claim(row, token)


def begin_attempt(claim: Claim) -> DeliveryAttempt | None:
    """Record that the request goes out now, and the text that it carries; None if no time is left for the call.

    This is the last look at token and lease before the request, and at what earlier ones came to: the answer of one may
    have come since this claim. On None the row has gone back, or is `sent` if it turns out that it was.
    """
    row = claim.notification
    enough = Now() + timedelta(seconds=settings.NOTIFICATIONS.call_timeout)
    rows = NotificationLog.objects.filter(pk=row.pk, claim_token=claim.token)
    unsent = ~Exists(accepted(OuterRef("pk")))
    with transaction.atomic():
        in_time = rows.filter(unsent, status=Status.SENDING, lease_until__gt=enough)
        if state_changes.begin_attempt(in_time, message=row.message, recipient=row.recipient):
            return DeliveryAttempt.objects.create(notification=row, claim_token=claim.token)
    if earlier := accepted(row.pk).first():
        state_changes.to_sent(_own(claim), earlier.provider_message_id, sent_at=earlier.started_at)
    else:
        give_back(claim)
    return None


def accepted(row: Any) -> QuerySet[DeliveryAttempt]:
    """The sends of a row, which may be a reference to an outer query's, that the gateway has accepted: it is sent."""
    sends = DeliveryAttempt.objects.filter(notification=row, kind=DeliveryAttempt.Kind.SEND)
    return sends.filter(outcome=DeliveryAttempt.Result.SENT).order_by("pk")


def give_back(claim: Claim, **changes: Any) -> int:
    """Put back what was not sent for certain, even if the sweep has already made it `unknown`."""
    return state_changes.put_back(_own(claim), **changes)


def _own(claim: Claim) -> QuerySet[NotificationLog]:
    own = NotificationLog.objects.filter(pk=claim.notification.pk, claim_token=claim.token)
    return own.filter(status__in=(Status.SENDING, Status.UNKNOWN))


def release_slot(claim: Claim, **changes: object) -> None:
    """Give the instance's slot back, unless another claim has it by now; `changes` are written with it."""
    EvolutionInstance.objects.filter(slot_token=claim.token).update(slot_token=None, slot_until=None, **changes)


def _take_slot(instance: EvolutionInstance | None, token: uuid.UUID) -> bool:
    """Take the instance's only slot and set its pace. The UPDATE locks the instance until the commit."""
    if instance is None:
        return False
    on_hold = instance.held_at is not None
    probe = {"probe_at": Now() + probe_pause(instance.probes), "probes": instance.probes + 1} if on_hold else {}
    taken = (
        ready_instances()
        .filter(pk=instance.pk, held_at__isnull=not on_hold)
        .update(
            slot_token=token,
            slot_until=_lease_end(),
            next_send_at=Now() + _gap(instance.messages_per_minute),
            **probe,
        )
    )
    return bool(taken)


def _gap(messages_per_minute: int) -> timedelta:
    """The pause before the next message: random, so that the traffic does not look like a machine's."""
    if not messages_per_minute:
        return timedelta()
    return timedelta(seconds=60 / messages_per_minute * random.uniform(0.75, 1.25))  # noqa: S311 - not a secret


def render(row: NotificationLog) -> None:
    """Set text and number on the object alone; a text that was rendered before stays, so that every attempt says it.

    The store's own text is that of `with_texts`.
    """
    row.message = row.message or texts.render(row.event, row.parsed_snapshot, own_text_of(row))
    row.recipient = settings.NOTIFICATIONS_OVERRIDE_RECIPIENT or row.recipient


def _lease_end() -> CombinedExpression:
    return Now() + timedelta(seconds=settings.NOTIFICATIONS.lease)
