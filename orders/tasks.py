"""The orders' periodic work, on the `default` queue."""

import subprocess
import sys

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings

from flowlog.staffpages import passwords
from orders import bulk, export_jobs, services
from orders.imports import work


@shared_task
def expire_pickups() -> int:
    """Expire the orders whose pickup deadline has passed; the result, how many, is kept for the admin."""
    return services.expire_due_pickups()


@shared_task(ignore_result=True)
def mail_who_forgot(address: str) -> None:
    """Mail a link for a new password to whoever has access with this address."""
    passwords.mail_who_forgot(address)


@shared_task(ignore_result=True)
def work_off_bulk_job(job_id: int) -> None:
    """Go on with one bulk job for a while."""
    bulk.work_off(job_id, bulk.TIME_BUDGET)


@shared_task(ignore_result=True)
def wake_bulk_jobs() -> None:
    """Wake the bulk jobs, the imports and the exports that stand still."""
    bulk.wake_idle()
    work.wake_idle()
    export_jobs.wake_idle()


# One transaction of up to two thousand orders: it has longer than a message.
@shared_task(ignore_result=True, soft_time_limit=200, time_limit=240)
def work_off_import(pk: int) -> None:
    """Carry one import out."""
    work.carry_out(pk)


@shared_task(ignore_result=True, soft_time_limit=200, time_limit=240)
def work_off_export(pk: int) -> None:
    """Write one file that somebody asked for, by a command: it has the page whose list it is, and workers have none."""
    command = [sys.executable, "manage.py", "write_export", str(pk)]
    try:
        subprocess.run(command, cwd=settings.BASE_DIR, check=True)  # noqa: S603 - our own
    except SoftTimeLimitExceeded:  # which has ended the command
        export_jobs.give_up(pk)
