"""What waits and since when, asked of the database in ways that stay cheap with a million messages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, DurationField, ExpressionWrapper, F, Min, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Now

from integrations.models import EvolutionInstance, NotificationLog
from notifications import claims

Status = NotificationLog.Status
DAY = timedelta(hours=24)
# So many intervals of the heartbeat may a message be ready to go and not be claimed.
STALLED = 5
# Nobody needs to know how many more than this wait.
COUNTED = 1000


def oldest_due() -> float | None:
    """For how many seconds the oldest message has been due; None if none is."""
    by_instance = EvolutionInstance.objects.aggregate(age=_age(Min(_first_due(OuterRef("pk")))))
    without_instance = claims.due().filter(instance=None).aggregate(age=_age(Min("next_attempt_at")))
    ages = [found["age"].total_seconds() for found in (by_instance, without_instance) if found["age"] is not None]
    return max(ages, default=None)


def stalled() -> bool:
    """Whether a message could have gone out for a long time, and no worker came for it.

    What waits for its instance's pace, cap, slot or hold is not stalled, however long it waits.
    """
    long_ago = Now() - timedelta(seconds=STALLED * settings.HEARTBEAT_INTERVAL)
    idle = Q(slot_until__isnull=True) | Q(slot_until__lte=long_ago)
    ready = claims.ready_instances().filter(idle, held_at__isnull=True, next_send_at__lte=long_ago)
    return ready.alias(first_due=_first_due(OuterRef("pk"))).filter(first_due__lte=long_ago).exists()


def held_instances() -> list[EvolutionInstance]:
    """The instances that are held, the longest first, each with `held_for`."""
    held = EvolutionInstance.objects.filter(held_at__isnull=False)
    return list(held.annotate(held_for=Now() - F("held_at")).order_by("held_at"))


def waiting(**of: Any) -> QuerySet[NotificationLog]:
    """The messages that wait to be sent; `of` narrows them down."""
    return NotificationLog.objects.filter(status__in=(Status.PENDING, Status.SENDING), **of)


def unfinished() -> dict[str, int]:
    """How many messages are in each status that is not final."""
    rows = NotificationLog.objects.filter(status__in=NotificationLog.UNFINISHED)
    found = dict(rows.order_by().values_list("status").annotate(number=Count("pk")))
    return {str(status): found.get(status, 0) for status in NotificationLog.UNFINISHED}


def of_last_day() -> list[tuple[str, str, int]]:
    """The messages that were created in the last 24 hours: how many of each status and event."""
    rows = NotificationLog.objects.filter(created_at__gt=Now() - DAY).order_by("status", "event")
    return list(rows.values_list("status", "event").annotate(number=Count("pk")))


def sent_since(window: timedelta) -> QuerySet[NotificationLog]:
    """The messages that were sent in that time. The instances are named so that the index serves."""
    instances = list(EvolutionInstance.objects.values_list("pk", flat=True))
    return NotificationLog.objects.filter(instance__in=instances, status=Status.SENT, sent_at__gt=Now() - window)


def _first_due(instance: Any) -> Subquery:
    rows = claims.due().filter(instance=instance).order_by("next_attempt_at", "pk")
    return Subquery(rows.values("next_attempt_at")[:1])


def _age(moment: Min) -> ExpressionWrapper:
    return ExpressionWrapper(Now() - moment, output_field=DurationField())
