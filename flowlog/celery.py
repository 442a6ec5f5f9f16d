"""The Celery application. Its settings are the `CELERY_…` ones in `flowlog.settings`."""

from __future__ import annotations

import logging.config
import os
import signal
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_process_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "flowlog.settings")

app = Celery("flowlog")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def use_django_logging(**_kwargs: Any) -> None:
    """Workers and beat log as the web does; without a receiver Celery would set up its own."""
    from django.conf import settings  # noqa: PLC0415 - the settings import this package

    logging.config.dictConfig(settings.LOGGING)


@worker_process_init.connect
def leave_stopping_to_the_main_process(**_kwargs: Any) -> None:
    """A SIGTERM to the whole process group must not tear a task in hand: the main process ends its children."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
