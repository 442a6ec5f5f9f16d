"""Whether the gateway keeps what it sends where a look-up looks: only then does "not found" mean "not sent".

Some archives answer for a message's id and not for its recipient and time (a row kept under a nameless address, a clock
that is off, a filter that is read otherwise). So the question is the very one of the look-up, asked about messages that
are known to have been sent.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now

from integrations.gateways import Archive, Gateway
from integrations.models import DeliveryAttempt, NotificationLog
from orders.accounts import numbers_of_account

# How far the gateway's clock may be behind the database's, and ahead of it.
CLOCK_SKEW = timedelta(seconds=10)
AHEAD = timedelta(hours=1)
# What was kept longer ago says nothing of today.
RECENT = timedelta(days=30)

type Found = Callable[[Archive, NotificationLog], bool]


def keeps_messages(gateway: Gateway, row: NotificationLog, *, found: Found | None = None) -> bool:
    """Whether the gateway has the messages to compare with, the latest of the row's instance and of its number.

    False if there is none, or if it is of a kind that keeps none. Raises `GatewayError` unless the answer is certain.
    `found`: else `is_found`.
    """
    if not isinstance(gateway, Archive):
        return False
    controls = _controls(row)
    connection.close()  # back to the pool: a slow gateway must not hold a database connection
    return bool(controls) and all((found or is_found)(gateway, control) for control in controls)


def is_found(gateway: Archive, control: NotificationLog) -> bool:
    """Whether the question of a look-up finds this message, which was sent at its `went_out_at`.

    The time asked for is the shortest that any look-up asks for. Raises `GatewayError` unless the answer is certain.
    """
    at = control.went_out_at  # type: ignore[attr-defined]
    answer = gateway.find(control.recipient, since=at - CLOCK_SKEW, until=at + AHEAD)
    known = (control.provider_message_id, control.message)
    return any((each.provider_message_id, each.text) == known for each in answer)


def _controls(row: NotificationLog) -> list[NotificationLog]:
    """What is known to have been sent: the latest that the instance sent, and the latest to this number.

    The chats of one instance may be kept in different ways, by their number or not. Whose own answer the gateway gave
    is preferred: of all that was sent, what a look-up has found is just what look-ups find. If the latest of all has no
    id, the gateway had not been able to keep it, and none is good enough.
    """
    sent = NotificationLog.objects.filter(instance=row.instance_id, status=NotificationLog.Status.SENT)
    sent = sent.order_by("-sent_at", "-pk")
    if not sent.values_list("provider_message_id", flat=True).first():
        return []
    recent = _comparable(sent.filter(sent_at__gt=Now() - RECENT))
    answered = recent.filter(answered_at__isnull=False)
    latest = answered.first() or recent.first()
    to_this_number = answered.filter(recipient__in=numbers_of_account(row.recipient)).first()
    return list({each.pk: each for each in (latest, to_this_number) if each}.values())


def _comparable(rows: QuerySet[NotificationLog]) -> QuerySet[Any]:
    """Those that still have what a look-up asks by; each with when its request began, if that was answered."""
    sends = DeliveryAttempt.objects.filter(
        notification=OuterRef("pk"),
        kind=DeliveryAttempt.Kind.SEND,
        outcome=DeliveryAttempt.Result.SENT,
        provider_message_id=OuterRef("provider_message_id"),
    )
    # A message that was made anonymous has neither.
    whole = rows.exclude(provider_message_id="").exclude(message="").exclude(recipient="").select_related("instance")
    answered_at = Subquery(sends.order_by("-pk").values("started_at")[:1])
    return whole.annotate(answered_at=answered_at, went_out_at=Coalesce(answered_at, "sent_at"))
