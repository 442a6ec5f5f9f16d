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

_SENT = Q(status=Status.SENT)
_OUTCOMES = {
    "told": Count("pk", filter=_SENT),
    "delivered": Count("pk", filter=_SENT & Q(receipt__in=ARRIVED)),
    "read": Count("pk", filter=_SENT & Q(receipt=Receipt.READ)),
    "failed": Count("pk", filter=Q(status=Status.FAILED)),
}

_kept: dict[tuple[datetime, frozenset[int] | None], tuple[float, dict[date, Day]]] = {}


class Median(Aggregate):
    """The middle one of durations."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)%(filter)s"
    output_field = DurationField()


@dataclass(frozen=True, slots=True)
class Day:
    """The messages written on one day: what became of how many. Half of those sent had left within `took` of what they
    tell of, which is known of today; None while none has."""

    day: date
    told: int = 0
    delivered: int = 0
    read: int = 0
    failed: int = 0
    took: timedelta | None = None


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
        past = _past(user, first, now)
        _forget_the_old()
        _kept[key] = (monotonic(), past)
    found = past | {now.date(): _day(user, now)}
    days = (first.date() + timedelta(days=number) for number in range(SHOWN))
    return [found.get(day, Day(day)) for day in days]


def forget() -> None:
    """Count anew at the next look."""
    _kept.clear()


def _forget_the_old() -> None:
    for key in [key for key, (at, _past) in list(_kept.items()) if monotonic() - at > KEPT]:
        _kept.pop(key, None)


def _past(user: Any, since: datetime, until: datetime) -> dict[date, Day]:
    written = rows.of(NotificationLog, user).filter(created_at__gte=since, created_at__lt=until).order_by()
    of_days = written.annotate(day=TruncDate("created_at")).values("day").annotate(**_OUTCOMES)
    return {each["day"]: Day(**each) for each in of_days}


def _day(user: Any, since: datetime) -> Day:
    took = Median(F("sent_at") - F("created_at"), filter=_SENT & Q(resend_of=None))
    written = rows.of(NotificationLog, user).filter(created_at__gte=since)
    return Day(since.date(), **written.aggregate(**_OUTCOMES, took=took))
