"""Publishing tasks that only wake a worker up for rows of the database, so that a broken broker costs nothing else."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from celery import uuid
from django.conf import settings
from kombu import Connection, Producer
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
        with producers[_connection(app.conf.broker_write_url)].acquire(block=True, timeout=1) as producer:
            for wake_up in wake_ups:
                _send(producer, wake_up, countdown=countdown, expires=expires + CLOCK_SKEW)
                published += 1
    except Exception as error:
        # Of a fault that nobody foresaw the trace is wanted; a broker that is away is none.
        unforeseen = not isinstance(error, (OperationalError, LimitExceeded, OSError))
        left = len(wake_ups) - published
        logger.warning("Broker unavailable (%s): %d wake-ups wait for the sweep", error, left, exc_info=unforeseen)
    return published


def _send(producer: Producer, wake_up: WakeUp, *, countdown: float | None, expires: float) -> None:
    """What `app.send_task` does, without looking up anew for each task what never changes."""
    message = app.amqp.as_task_v2(
        uuid(),
        wake_up.task,
        wake_up.args,
        countdown=countdown,
        expires=expires,
        argsrepr=wake_up.argsrepr,
        kwargsrepr="{}",
        ignore_result=True,
    )
    producer.publish(
        message.body,
        exchange="",
        routing_key=_queue_of(wake_up.task),
        serializer=settings.CELERY_TASK_SERIALIZER,
        headers=message.headers,
        retry=True,
        retry_policy=settings.CELERY_TASK_PUBLISH_RETRY_POLICY,
        **message.properties,
    )


@cache
def _connection(url: str) -> Connection:
    """By which the pool of connections is found; it is never used itself."""
    # With what kombu adds when it publishes: else this would find another pool from then on.
    options = PUBLISH_TRANSPORT_OPTIONS | settings.CELERY_TASK_PUBLISH_RETRY_POLICY
    return app.connection_for_write(url, transport_options=options)


@cache
def _queue_of(task: str) -> str:
    route: dict[str, str] = settings.CELERY_TASK_ROUTES.get(task, {})
    return route.get("queue", settings.CELERY_TASK_DEFAULT_QUEUE)
