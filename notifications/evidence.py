"""What shows what became of a message of unknown outcome: a look-up as it began, its answer, and what it found."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection

from integrations.gateways import Archive, FoundMessage, GatewayError
from integrations.inbound import proofs
from integrations.messages import state_changes
from integrations.models import DeliveryAttempt, NotificationLog
from notifications.controls import AHEAD, CLOCK_SKEW
from notifications.message_ids import own_ids

Status = NotificationLog.Status
Finding = DeliveryAttempt.Result
# By the time limit; and those after which the next look-up goes on where this one stopped.
INTERRUPTED = "interrupted"
CUT_SHORT = (INTERRUPTED, "read_timeout")


@dataclass(frozen=True, slots=True)
class LookUp:
    """One look-up of one message, as the row was when it began."""

    notification: NotificationLog
    began_at: datetime | None
    """When the request of unknown outcome began; None if it never did."""
    now: datetime

    @property
    def rows(self) -> state_changes.Rows:
        """The row, as long as nobody else has settled it."""
        row = self.notification
        return NotificationLog.objects.filter(pk=row.pk, status=Status.UNKNOWN, claim_token=row.claim_token)

    @property
    def since(self) -> datetime:
        """No message of before this can be the one."""
        return (self.notification.first_attempt_at or self.now) - CLOCK_SKEW

    def covers(self, message: FoundMessage) -> bool:
        """Whether the message is of the time in which this one may have gone out."""
        return message.timestamp >= int(self.since.timestamp())

    @property
    def is_last(self) -> bool:
        """Whether the request must be over by now, so that not finding the message means something."""
        return self.began_at is not None and (self.now - self.began_at).total_seconds() >= last()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway said. `keeps_messages`: whether the same question finds what it is known to have sent.

    One that keeps none is not `asked`, and has nothing.
    """

    finding: Finding
    provider_message_id: str = ""
    keeps_messages: bool = False
    asked: bool = True
    error: GatewayError | None = None
    duration: timedelta = timedelta()
    answered: frozenset[str] = frozenset()
    """The questions that were answered, where others were not: the next look-up asks only these others."""

    @property
    def code(self) -> str:
        """Why it is no answer; empty if it is one."""
        return self.error.code if self.error else ""

    @property
    def response_body(self) -> str:
        """What the attempt keeps of it."""
        if self.answered and self.code in CUT_SHORT:
            return json.dumps(sorted(self.answered))
        return self.error.response_body if self.error else ""


def known_id(begun: LookUp) -> str:
    """The id of the message that this row is known to have sent, without asking the gateway; or nothing.

    Either an attempt's answer came late, or the gateway told of the message by itself.
    """
    row = begun.notification
    sends = row.delivery_attempts.filter(kind=DeliveryAttempt.Kind.SEND).exclude(provider_message_id="")
    if known := sends.values_list("provider_message_id", flat=True).first():
        return known
    return told_id(row, since=begun.since)


def told_id(row: NotificationLog, *, since: datetime) -> str:
    """The id of the message by the gateway's own account of what it sent since; or nothing."""
    assert row.instance is not None  # noqa: S101 - it was sent through it
    for own_id in own_ids(row):
        if known := proofs.id_told_of(row.instance, own_id, since=since):
            return known
    told = proofs.sent_messages(row.instance, row.recipient, row.message, since=since)
    return not_held_by_others(row, [each.provider_message_id for each in told])


def find(gateway: Archive, begun: LookUp, answered: set[str]) -> str:
    """The id of the message among what the gateway keeps, by its number or by an id known of it; or nothing.

    Asks what is not `answered` by "not there", and adds to it what is then.
    """
    row = begun.notification
    assert row.instance is not None  # noqa: S101 - it was sent through it
    for own_id in own_ids(row) if gateway.capabilities.takes_ids else ():
        if own_id not in answered and gateway.find_by_id(own_id):
            return own_id
        answered.add(own_id)
    if "number" not in answered:
        found = gateway.find(row.recipient, since=begun.since, until=begun.now + AHEAD)
        ids = [each.provider_message_id for each in found if each.text == row.message]
        if free := not_held_by_others(row, ids):
            return free
        answered.add("number")
    received = proofs.acknowledged(row.instance, row.recipient, since=begun.since)
    connection.close()
    return _find_received(gateway, begun, received, answered)


def _find_received(gateway: Archive, begun: LookUp, received: list[str], answered: set[str]) -> str:
    """The same by the ids of receipts: it may be kept under a nameless address, and the receipt says whose it is."""
    row, ids = begun.notification, list[str]()
    for key_id in received:
        if key_id in answered:
            continue
        named = gateway.find_by_id(key_id)
        if named and named.text == row.message and begun.covers(named):
            ids.append(named.provider_message_id)
        else:
            answered.add(key_id)
    return not_held_by_others(row, ids) if ids else ""


def not_held_by_others(row: NotificationLog, ids: list[str]) -> str:
    """The last of these ids of messages that no other row of the instance has; empty if there is none."""
    rows = NotificationLog.objects.filter(instance=row.instance_id, provider_message_id__in=ids)
    held = set(rows.values_list("provider_message_id", flat=True))
    return next((each for each in reversed(ids) if each not in held), "")


def last() -> float:
    """After how many seconds a request must be over."""
    return float(settings.NOTIFICATIONS.lookup_last)
