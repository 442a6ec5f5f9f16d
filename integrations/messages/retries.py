"""When to try again. Retries live in the row (`next_attempt_at`), never in a Celery countdown."""

from __future__ import annotations

import random
from datetime import timedelta

from django.conf import settings

JITTER = 0.2


def shortest() -> timedelta:
    """The first pause of the schedule."""
    return timedelta(seconds=settings.NOTIFICATIONS_RETRIES[0])


def delay_after(attempts: int) -> timedelta:
    """The pause after that many counted attempts (1 or more), ± 20 % so that a burst does not return as one."""
    schedule = settings.NOTIFICATIONS_RETRIES
    step = schedule[min(max(attempts, 1), len(schedule)) - 1]
    return timedelta(seconds=step * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 - not a secret
