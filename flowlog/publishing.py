"""Publishing tasks that only wake a worker up for rows of the database, so that a broken broker costs nothing else."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kombu.exceptions import LimitExceeded, OperationalError
from kombu.pools import producers

from flowlog.broker import CLOCK_SKEW, PUBLISH_TRANSPORT_OPTIONS
from flowlog.celery import app

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WakeUp:
    """A task to be published. `argsrepr` is what logs and monitors may show of its arguments."""

    task: str
    args: tuple[Any, ...] = ()
    argsrepr: str = "()"


def publish(wake_ups: Iterable[WakeUp], *, expires: float, countdown: float | None = None) -> int:
    """Publish the tasks over one connection; returns how many went out.

    Never raises, whatever is wrong with the broker or its address, since callers are in the middle of other work: it
    gives up at the first failure, within about two seconds, and leaves the rest to the sweep of whoever calls. What
    is `expires` seconds old may still be taken, for as long as clocks may differ.
    """
    wake_ups = list(wake_ups)
    published = 0
    try:
        connection = app.connection_for_write(transport_options=PUBLISH_TRANSPORT_OPTIONS)
        with producers[connection].acquire(block=True, timeout=1) as producer:
            for wake_up in wake_ups:
                app.send_task(
                    wake_up.task,
                    args=wake_up.args,
                    argsrepr=wake_up.argsrepr,
                    producer=producer,
                    countdown=countdown,
                    expires=expires + CLOCK_SKEW,
                    ignore_result=True,
                )
                published += 1
    except Exception as error:
        # Of a fault that nobody foresaw the trace is wanted; a broker that is away is none.
        unforeseen = not isinstance(error, (OperationalError, LimitExceeded, OSError))
        left = len(wake_ups) - published
        logger.warning("Broker unavailable (%s): %d wake-ups wait for the sweep", error, left, exc_info=unforeseen)
    return published
