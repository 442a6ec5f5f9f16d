"""Celery's entry points of the integrations. Each calls one function that can be called and tested without Celery."""

from __future__ import annotations

from celery import Task, shared_task

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


@shared_task(bind=True, ignore_result=True)
def nightly(self: Task) -> None:
    """Look now and then whether the night's purge is still to be done, on queue `default`."""
    retention.purge_each_night(str(self.request.hostname))
