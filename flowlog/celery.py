"""The Celery application. Its settings are the `CELERY_…` ones in `flowlog.settings`."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "flowlog.settings")

app = Celery("flowlog")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
