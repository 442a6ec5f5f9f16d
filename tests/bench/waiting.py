"""What a claim, the look for the next one and a sweep cost while very many messages wait, beside a few that do.

The rows are made pending and put back in one transaction, so that all see the same tables.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from unittest import mock

from django.db import connection, transaction

from integrations.models import EvolutionInstance, NotificationLog
from notifications import claims, sweep, wakeups
from tests.bench.figures import Figure
from tests.bench.load import load
from tests.bench.perfkit import timed

MESSAGES_EACH = 5
ROUNDS = 5
PENDING = """
    UPDATE integrations_notificationlog SET status = 'pending', blocked = event <> 'create', sent_at = NULL,
        provider_message_id = '', lease_until = NULL, next_attempt_at = now() - interval '1 min',
        expires_at = now() + interval '1 day', error_code = '', woken_at = now(), lookup_at = NULL
    WHERE id > (SELECT max(id) FROM integrations_notificationlog) - %s"""


@dataclass(frozen=True, slots=True)
class Sizes:
    orders: int
    few: int
    many: int


FULL = Sizes(orders=40_000, few=100, many=40_000)
QUICK = Sizes(orders=400, few=100, many=1000)


def measure(sizes: Sizes) -> Iterator[Figure]:
    load(max(sizes.orders, sizes.many // MESSAGES_EACH))
    # Nobody is there to be woken.
    with mock.patch("flowlog.publishing.publish", lambda wake_ups, **_options: len(list(wake_ups))):
        few, many = while_waiting(sizes.few), while_waiting(sizes.many)
    for name, milliseconds in many.items():
        yield Figure(f"{name}, {sizes.many:,} waiting", milliseconds, "ms", few[name], f"with {sizes.few} waiting",
                     most=1.5)  # fmt: skip


def while_waiting(number: int) -> dict[str, float]:
    """The median of each in milliseconds."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(PENDING, [number])
            cursor.execute("ANALYZE integrations_notificationlog")
        row = NotificationLog.objects.filter(status="pending", blocked=False).earliest("pk")
        found = {
            "the next one": undone(lambda: wakeups.wake_next(row)),
            "a claim": undone(lambda: claims.claim(row.pk)),
            "a sweep": undone(sweep.sweep),
        }
        EvolutionInstance.objects.update(daily_cap=10**6)
        found["a claim with a daily cap"] = undone(lambda: claims.claim(row.pk))
        transaction.set_rollback(True)
    return found


def undone(work: Callable[[], object]) -> float:
    """The median of some rounds, each of which begins with what the first one found."""

    def once() -> None:
        with transaction.atomic():
            work()
            transaction.set_rollback(True)

    return statistics.median(timed(once) for _ in range(ROUNDS))
