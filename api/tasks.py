"""Celery's entry points of the API."""

from __future__ import annotations

from celery import shared_task

from api import idempotency


@shared_task(ignore_result=True)
def purge_answers() -> None:
    """Delete the answers that are old enough, on queue `default`."""
    idempotency.purge()
