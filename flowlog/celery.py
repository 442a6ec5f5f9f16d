"""The Celery application. Its settings are the `CELERY_…` ones in `flowlog.settings`."""

from __future__ import annotations

import logging.config
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "flowlog.settings")

app = Celery("flowlog")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def use_django_logging(**_kwargs: Any) -> None:
    """Workers and beat log as the web does; without a receiver Celery would set up its own."""
    from django.conf import settings  # noqa: PLC0415 - the settings import this package

    logging.config.dictConfig(settings.LOGGING)
