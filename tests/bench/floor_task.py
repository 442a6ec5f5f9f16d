"""The floor of a delivery: a Celery task that only posts, with the same broker, options and kind of session."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

import requests
from celery import Celery
from celery.signals import after_setup_logger

from flowlog.broker import BROKER_TRANSPORT_OPTIONS, QUEUES, broker_url

TEXT = "x" * 150

# Not the process's current application: where this one is imported beside Flowlog's, that stays so.
app = Celery("floor", broker=broker_url(os.environ["FLOOR_REDIS_URL"]), set_as_current=False)
app.conf.update(
    broker_transport_options=BROKER_TRANSPORT_OPTIONS,
    broker_connection_retry_on_startup=True,
    task_queues=QUEUES,
    task_default_queue="whatsapp",
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
)
_own = threading.local()


@after_setup_logger.connect(weak=False)
def say_as_little(**_kwargs: Any) -> None:
    """As Flowlog's workers do."""
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)


@app.task(name="floor.post", ignore_result=True)
def post(number: str, instance: str) -> None:
    """Send one message, and know nothing of it afterwards."""
    if not hasattr(_own, "session"):
        _own.session = requests.Session()
        _own.session.trust_env = False
    _own.session.post(
        f"{os.environ['EVOLUTION_API_URL']}/message/sendText/{instance}",
        json={"number": number, "text": TEXT},
        headers={"apikey": os.environ["EVOLUTION_API_KEY"]},
        timeout=(5, 30),
    ).raise_for_status()
