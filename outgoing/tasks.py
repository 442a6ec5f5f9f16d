"""Celery's entry points of outgoing webhooks."""

from __future__ import annotations

from celery import shared_task

from outgoing import delivery, retention


@shared_task(ignore_result=True)
def deliver() -> None:
    """Tell the endpoints what is due, on queue `default`; woken by the sweep, and by itself while there is more."""
    delivery.deliver()


@shared_task(ignore_result=True)
def sweep() -> None:
    """Look whether an endpoint can be told something, on queue `default`."""
    delivery.sweep()


@shared_task(ignore_result=True)
def purge() -> None:
    """Delete the events that are old enough, on queue `default`."""
    retention.purge()
