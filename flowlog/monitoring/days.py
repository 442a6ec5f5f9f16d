"""What became of the messages day by day: for today's figures and the charts of the first page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from time import monotonic
from typing import Any

from django.db.models import Aggregate, Count, DurationField, F, Q
from django.db.models.functions import TruncDate
from django.utils import timezone

from flowlog.monitoring import rows
from flowlog.staffpages.stores import stores_of
from integrations.models import NotificationLog

Status, Receipt = NotificationLog.Status, NotificationLog.Receipt
ARRIVED = (Receipt.DELIVERY_ACK, Receipt.READ)
SHOWN = 30
KEPT = 300.0

_kept: dict[tuple[datetime, frozenset[int] | None], tuple[float, dict[date, Day]]] = {}


class Median(Aggregate):
    """The middle one of durations."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)%(filter)s"
    output_field = DurationField()


@dataclass(frozen=True, slots=True)
class Day:
    """The messages written on one day: what became of how many."""

    day: date
    told: int = 0
    delivered: int = 0
    read: int = 0
    failed: int = 0


def today() -> datetime:
    """When today began where the shop is."""
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)


def latest(user: Any) -> list[Day]:
    """The last `SHOWN` days, today last, each whether it had messages or not.

    Today as it is now, by one query. The days before may have hundreds of thousands of messages and hardly change any
    more: each process counts them once in `KEPT` seconds, for all who work for the same stores.
    """
    now, first = today(), today() - timedelta(days=SHOWN - 1)
    key = (first, stores_of(user))
    kept_at, past = _kept.get(key, (float("-inf"), {}))
    if monotonic() - kept_at > KEPT:
        past = _count(user, created_at__gte=first, created_at__lt=now)
        _forget_the_old()
        _kept[key] = (monotonic(), past)
    found = past | _count(user, created_at__gte=now)
    days = (first.date() + timedelta(days=number) for number in range(SHOWN))
    return [found.get(day, Day(day)) for day in days]


def forget() -> None:
    """Count anew at the next look."""
    _kept.clear()


def _forget_the_old() -> None:
    for key in [key for key, (at, _past) in list(_kept.items()) if monotonic() - at > KEPT]:
        _kept.pop(key, None)


def _count(user: Any, **when: datetime) -> dict[date, Day]:
    sent = Q(status=Status.SENT)
    of_days = (
        rows.of(NotificationLog, user)
        .filter(**when)
        .order_by()
        .annotate(day=TruncDate("created_at"))
        .values("day")
        .annotate(
            told=Count("pk", filter=sent),
            delivered=Count("pk", filter=sent & Q(receipt__in=ARRIVED)),
            read=Count("pk", filter=sent & Q(receipt=Receipt.READ)),
            failed=Count("pk", filter=Q(status=Status.FAILED)),
        )
    )
    return {each["day"]: Day(**each) for each in of_days}


def typical_time(user: Any) -> timedelta | None:
    """Half of today's messages had left so soon after what they tell of; None while none has. One query."""
    sent = rows.of(NotificationLog, user).filter(created_at__gte=today(), status=Status.SENT, resend_of=None)
    took: timedelta | None = sent.aggregate(took=Median(F("sent_at") - F("created_at")))["took"]
    return took
