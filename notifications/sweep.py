"""The sweep: whatever was left behind is ended or woken, so that nothing depends on Redis keeping anything.

It makes no call to the gateway. Every pass is a few statements, whatever the number of messages.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import DurationField, ExpressionWrapper, F, FloatField, Q, Value
from django.db.models.functions import Least, Now, Power

from integrations.models import NotificationLog
from notifications import claims, wakeups
from notifications.errors import sentence

logger = logging.getLogger(__name__)

Status = NotificationLog.Status
BATCH = 500


@dataclass(frozen=True, slots=True)
class Swept:
    """How many messages one pass found."""

    lease_expired: int
    expired: int
    outcome_unknown: int
    woken: int


def sweep() -> Swept:
    """One pass: end leases and messages whose time is over, wake what is claimable and was not woken lately."""
    swept = Swept(
        lease_expired=_end_leases(),
        expired=_expire(Status.PENDING, "expired"),
        outcome_unknown=_expire(Status.UNKNOWN, "outcome_unknown"),
        woken=_wake(),
    )
    if any((swept.lease_expired, swept.expired, swept.outcome_unknown)):
        logger.warning("Sweep: %s", swept)
    return swept


def _end_leases() -> int:
    """A lease that has run out says nothing of whether the message left: `unknown`, never `pending`."""
    return NotificationLog.objects.filter(status=Status.SENDING, lease_until__lte=Now()).update(
        status=Status.UNKNOWN,
        lease_until=None,
        error_code="lease_expired",
        error_message=sentence("lease_expired"),
    )


def _expire(status: str, code: str) -> int:
    return NotificationLog.objects.filter(status=status, expires_at__lte=Now()).update(
        status=Status.FAILED, error_code=code, error_message=sentence(code)
    )


def _wake() -> int:
    """Wake the oldest claimable message of each instance; each delivery then wakes the next.

    One is enough, since an instance sends one at a time, and it keeps Redis from filling while a worker is down.
    It is woken when it never was, or not since the instance stood ready; then again after 60 s, 120 s … at most
    10 min.
    """
    times = settings.NOTIFICATIONS
    doubled = Value(times.wake_repeat) * Power(Value(2.0), F("wakes"), output_field=FloatField())
    seconds = Least(doubled, times.wake_repeat_max)
    pause = ExpressionWrapper(seconds * Value(timedelta(seconds=1)), output_field=DurationField())
    forgotten = Q(woken_at__isnull=True) | Q(woken_at__lt=F("instance__next_send_at")) | Q(woken_at__lte=Now() - pause)
    oldest = claims.claimable().order_by("instance_id", "next_attempt_at", "pk").distinct("instance_id")
    rows = list(NotificationLog.objects.filter(forgotten, pk__in=oldest.values("pk"))[:BATCH])
    if rows:
        NotificationLog.objects.filter(pk__in=[row.pk for row in rows]).update(woken_at=Now(), wakes=F("wakes") + 1)
        wakeups.publish(rows)
    return len(rows)
