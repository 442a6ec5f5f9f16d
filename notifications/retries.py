"""When to try again. Retries live in the row (`next_attempt_at`), never in a Celery countdown."""

from __future__ import annotations

import random
from datetime import timedelta

SCHEDULE = tuple(timedelta(seconds=seconds) for seconds in (30, 120, 600, 1800, 3600, 7200, 14400))
JITTER = 0.2
INSTANCE_TROUBLE_PAUSE = timedelta(seconds=30)


def delay_after(attempts: int) -> timedelta:
    """The pause after that many counted attempts (1 or more), ± 20 % so that a burst does not return as one."""
    step = SCHEDULE[min(max(attempts, 1), len(SCHEDULE)) - 1]
    return step * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - not a secret
