"""Waking the worker: publishing a task for a row. Redis may lose any wake-up; the sweep repeats it."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from django.conf import settings
from kombu.exceptions import LimitExceeded, OperationalError
from kombu.pools import producers

from flowlog.broker import PUBLISH_TRANSPORT_OPTIONS
from flowlog.celery import app
from integrations.models import NotificationLog

logger = logging.getLogger(__name__)

SEND_TASK = "notifications.tasks.send_whatsapp"


def publish(rows: Iterable[NotificationLog], *, countdown: float | None = None) -> int:
    """Publish a wake-up for each row; returns how many went out.

    Never raises for a broker that is down or hangs: it gives up at the first failure, within about two
    seconds, and leaves the rest to the sweep, which finds them unwoken.
    """
    rows = list(rows)
    published = 0
    try:
        connection = app.connection_for_write(transport_options=PUBLISH_TRANSPORT_OPTIONS)
        with producers[connection].acquire(block=True, timeout=1) as producer:
            for row in rows:
                app.send_task(
                    SEND_TASK,
                    args=(row.pk, row.snapshot),
                    # What logs and monitors may show: the snapshot holds the customer's name and phone.
                    argsrepr=f"({row.pk}, …)",
                    producer=producer,
                    countdown=countdown,
                    expires=settings.NOTIFICATIONS.expires_after,
                    ignore_result=True,
                )
                published += 1
    except (OperationalError, LimitExceeded, OSError) as error:
        unpublished = [row.pk for row in rows[published:]]
        NotificationLog.objects.filter(pk__in=unpublished, status=NotificationLog.Status.PENDING).update(woken_at=None)
        logger.warning("Broker unavailable (%s): %d messages wait for the sweep", error, len(unpublished))
    return published
