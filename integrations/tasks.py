"""Celery's entry points of the integrations. Each calls one function that can be called and tested without Celery."""

from __future__ import annotations

from celery import Task, shared_task

from integrations import retention
from integrations.carriers import intake as carriers
from integrations.carriers import polling as carriers_polling
from integrations.inbound import intake
from integrations.shops import intake as shops
from integrations.shops import polling, wishes


@shared_task(ignore_result=True)
def work_off_webhooks() -> None:
    """Work off the webhooks that are due, on queue `default`; woken by each, and now and then in case it was lost."""
    intake.process()


@shared_task(ignore_result=True)
def work_off_shop_news() -> None:
    """The same with what shops told of orders, and of what somebody wishes of personal data."""
    wishes.process()
    shops.process()


@shared_task(ignore_result=True)
def poll_shops() -> None:
    """Ask the shops whose turn it is what changed, on queue `default`."""
    polling.poll()


@shared_task(ignore_result=True)
def work_off_carrier_news() -> None:
    """The same with what connected carriers told of parcels."""
    carriers.process()


@shared_task(ignore_result=True)
def poll_carriers() -> None:
    """Ask the carriers whose turn it is what became of the parcels, on queue `default`."""
    carriers_polling.poll()


@shared_task(ignore_result=True)
def purge() -> None:
    """Anonymise and delete what is old enough, on queue `default`, a few seconds at a time."""
    retention.purge_in_turns()


@shared_task(bind=True, ignore_result=True)
def nightly(self: Task) -> None:
    """Look now and then whether the night's purge is still to be done, on queue `default`."""
    retention.purge_each_night(str(self.request.hostname))
