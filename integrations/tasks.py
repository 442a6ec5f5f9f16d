"""Celery's entry points of the integrations. Each calls one function that can be called and tested without Celery."""

from __future__ import annotations

from celery import shared_task

from integrations import retention
from integrations.inbound import intake


@shared_task(ignore_result=True)
def work_off_webhooks() -> None:
    """Work off the webhooks that are due, on queue `default`; woken by each, and now and then in case it was lost."""
    intake.work_off()


@shared_task(ignore_result=True)
def purge() -> None:
    """Anonymise and delete what is old enough, on queue `default`, a few seconds at a time."""
    retention.purge_in_turns()
