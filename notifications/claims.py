"""Claiming: how exactly one worker gets a message, in its turn, while nobody else may send it.

A claim is a row in `sending` with a fresh token and a lease, together with its instance's slot. Whoever does not
hold the token cannot settle the row; whoever dies with it blocks nothing for longer than the lease.
"""

from __future__ import annotations

import logging
import random
import uuid
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, DurationField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now
from django.db.models.lookups import GreaterThan

from flowlog.logs.context import about
from flowlog.prepared import Call, Rows, Statement, following, insertion, param, recording, together
from integrations.gateways import uptime
from integrations.instances.connections import alive, probe_pause
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

    `over` of True: it is not sent now, and what became of it is on the row already. `attempt`: the one that began with
    the claim, if one did, and then `looked_at` is a moment (by `uptime`) just before the last look at its lease.
    """

    notification: NotificationLog
    token: uuid.UUID
    over: bool = False
    attempt: DeliveryAttempt | None = None
    looked_at: float = 0.0

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


def ready_instances(*, before: Any = None) -> QuerySet[EvolutionInstance]:
    """Instances that may send a message now: a free slot, pace, daily cap; one that is held, its next probe.

    A slot with the token `before` is as good as free.
    """
    return idle_instances(before=before).exclude(capped()).filter(next_send_at__lte=Now())


def idle_instances(*, before: Any = None) -> QuerySet[EvolutionInstance]:
    """Instances with a free slot; one that is held, only when its next probe is due."""
    free = Q(slot_until__isnull=True) | Q(slot_until__lte=Now())
    if before is not None:
        free |= Q(slot_token=before)
    return EvolutionInstance.objects.filter(free, Q(held_at__isnull=True) | Q(probe_at__lte=Now()))


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
    with transaction.atomic():
        if not _TAKE.changed(id=notification_id, token=token, lease=_lease(), task_id=task_id):
            return None
        claim = _prepared(_TAKEN.all(token=token), token)
        if not claim.over and not _take_slot(claim):
            transaction.set_rollback(True)
            return None
    return claim


@dataclass(frozen=True, slots=True)
class Settling:
    """A claim that is being settled, and the statements that do it: about its message, and then about its attempt."""

    token: uuid.UUID
    message: Call
    attempt: Call


def claim_next(instance_id: int, *, before: Settling | None = None, task_id: str = "") -> Claim | None:
    """Claim the message that is next at the instance, unless it is held; None if none may be sent now.

    In the transaction that settles the claim `before`, its slot goes over to the next one, whose attempt begins. Its
    message is settled in any case, its attempt only with the slot: not if nothing is next, or that is over. What others
    have locked is passed by. Raises `SlotLostError`, and the transaction must be undone, if the slot went to somebody
    else in this moment; `NotBegunError` likewise.
    """
    token = uuid.uuid4()
    values = {"instance": instance_id, "before": before and before.token, "token": token, "lease": _lease()}
    with transaction.atomic(savepoint=False):
        taking, taken = _TAKE_NEXT.given(**values, task_id=task_id), _TAKEN.given(token=token)
        together(*([before.message] if before else []), taking, taken)
        if not taken.result:
            return None
        claim = _prepared(taken.result, token)
        if claim.over:
            return claim
        if before:
            return _taken_over(claim, before, values)
        if not _take_slot(claim):
            raise SlotLostError
    return claim


def _taken_over(claim: Claim, before: Settling, values: dict[str, Any]) -> Claim:
    """With the slot of the claim before, and begun."""
    assert claim.notification.instance  # noqa: S101 - it is of this one
    slot = _SLOT_OVER.given(**values, gap=_gap(claim.notification.instance.messages_per_minute))
    looked_at, begin = uptime(), _BEGIN.given(**_beginning(claim))
    together(begin, slot, before.attempt)
    if not slot.result:
        raise SlotLostError
    if not begin.result:
        raise NotBegunError
    return replace(claim, attempt=_attempt(claim, begin.result), looked_at=looked_at)


class SlotLostError(Exception):
    """The instance that seemed to be ready is not."""


class NotBegunError(Exception):
    """What is next seemed to be sent now, and is not: whoever claims it alone finds out what becomes of it."""


def _to_take() -> Any:
    # By its key: however PostgreSQL plans it, the cap of no other instance is asked for.
    own = Subquery(NotificationLog.objects.filter(pk=param("id")).order_by().values("instance")[:1])
    # None if it is not ready, so that the search for what is next there does not even begin.
    ready = Subquery(ready_instances().filter(pk=own).order_by().values("pk")[:1])
    claimable = due().filter(Q(instance=ready) | Q(instance__isnull=True))
    return _taking(claimable.filter(pk=Coalesce(Subquery(oldest_due(ready)), param("id"))))


def _to_take_next() -> Any:
    ready = (
        ready_instances(before=param("before"))
        .filter(pk=param("instance"), held_at__isnull=True)
        .order_by()
        .values("pk")[:1]
    )
    next_up = oldest_due(Subquery(ready)).select_for_update(skip_locked=True, no_key=True)
    return _taking(NotificationLog.objects.filter(pk=Subquery(next_up), status=Status.PENDING))


def _taking(rows: QuerySet[NotificationLog]) -> Any:
    lease_until = Now() + param("lease", DurationField())
    return state_changes.to_sending(recording(rows), param("token"), lease_until=lease_until, task_id=param("task_id"))


def _taken() -> QuerySet[NotificationLog]:
    own = NotificationLog.objects.filter(status=Status.SENDING, claim_token=param("token")).order_by()
    return with_texts(policy.with_consent(own)).select_related("instance", "order__customer", "order__store")


_TAKE, _TAKE_NEXT, _TAKEN = Statement(_to_take), Statement(_to_take_next), Rows(_taken)


def _prepared(taken: list[NotificationLog], token: uuid.UUID) -> Claim:
    """The message that was taken, with its text; over if it is not to be sent now."""
    [row] = taken
    try:
        refusal = policy.refusal(row)
        if not refusal and quiet.put_off(row):
            return Claim(row, token, over=True)
        if not refusal:
            render(row)
    except Exception:  # whatever a template or an odd row raises must not stop the messages behind it
        with about(notification=row.pk, order=row.snapshot_order_code):
            logger.exception("Notification %s (%s) cannot be prepared", row.pk, row.event)
        state_changes.put_back(row.as_claimed, code="cannot_prepare", next_attempt_at=Now() + DEFECT_PAUSE)
        return Claim(row, token, over=True)
    if refusal:
        state_changes.to_skipped(row.as_claimed, refusal)
        return Claim(row, token, over=True)
    return Claim(row, token)


def begin_attempt(claim: Claim) -> DeliveryAttempt | None:
    """Record that the request goes out now, and the text that it carries; None if no time is left for the call.

    This is the last look at token and lease before the request, and at what earlier ones came to: the answer of one may
    have come since this claim. On None the row has gone back, or is `sent` if it turns out that it was.
    """
    if begun := _BEGIN.fetched(**_beginning(claim)):
        return _attempt(claim, begun)
    if earlier := accepted(claim.notification.pk).first():
        state_changes.to_sent(_own(claim), earlier.provider_message_id, sent_at=earlier.started_at)
    else:
        give_back(claim)
    return None


def _beginning(claim: Claim) -> dict[str, Any]:
    row, enough = claim.notification, timedelta(seconds=settings.NOTIFICATIONS.call_timeout)
    return {
        "id": row.pk,
        "token": claim.token,
        "enough": enough,
        "message": row.message,
        "recipient": row.recipient,
    }


def _attempt(claim: Claim, begun: list[tuple[Any, ...]]) -> DeliveryAttempt:
    [(pk, started_at)] = begun
    return DeliveryAttempt(pk=pk, notification=claim.notification, claim_token=claim.token, started_at=started_at)


def _to_begin() -> tuple[str, Any]:
    """One statement, so that the attempt is on record if and only if it counts."""
    in_time = NotificationLog.objects.filter(
        ~Exists(accepted(OuterRef("pk"))),
        pk=param("id"),
        claim_token=param("token"),
        status=Status.SENDING,
        lease_until__gt=Now() + param("enough", DurationField()),
    )
    begun = state_changes.begin_attempt(recording(in_time), message=param("message"), recipient=param("recipient"))
    attempt = DeliveryAttempt(notification_id=param("id"), claim_token=param("token"))
    return following(begun, insertion(attempt, returning=("id", "started_at")))


_BEGIN = Statement(_to_begin)


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


def _take_slot(claim: Claim) -> bool:
    """Take the instance's only slot and set its pace. The UPDATE locks the instance until the commit."""
    instance = claim.notification.instance
    if instance is None:
        return False
    values = {"instance": instance.pk, "token": claim.token, "lease": _lease()}
    values["gap"] = _gap(instance.messages_per_minute)
    if claim.probe:
        return bool(_PROBE_SLOT.changed(**values, pause=probe_pause(instance.probes), probes=instance.probes + 1))
    return bool(_SLOT.changed(**values))


def _to_slot(rows: QuerySet[EvolutionInstance], **changes: Any) -> Any:
    return recording(rows.filter(pk=param("instance"))).update(
        slot_token=param("token"),
        slot_until=Now() + param("lease", DurationField()),
        next_send_at=Now() + param("gap", DurationField()),
        **changes,
    )


def _to_slot_of_probe() -> Any:
    probe = {"probe_at": Now() + param("pause", DurationField()), "probes": param("probes")}
    return _to_slot(ready_instances().filter(held_at__isnull=False), **probe)


_SLOT = Statement(lambda: _to_slot(ready_instances().filter(held_at__isnull=True)))
_PROBE_SLOT = Statement(_to_slot_of_probe)
_SLOT_OVER = Statement(
    lambda: _to_slot(ready_instances(before=param("before")).filter(held_at__isnull=True), **alive())
)


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


def _lease() -> timedelta:
    return timedelta(seconds=settings.NOTIFICATIONS.lease)
