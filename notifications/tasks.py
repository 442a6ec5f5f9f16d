"""Celery's entry points. Each calls one function that can be called and tested without Celery."""

from __future__ import annotations

from typing import Any

from celery import Task, shared_task
from django.conf import settings

from notifications import delivery, questions, reminders
from notifications import sweep as sweeping


@shared_task(bind=True, ignore_result=True)
def send_whatsapp(self: Task, notification_id: int, snapshot: dict[str, Any]) -> None:  # noqa: ARG001
    """Wake up for one message, on queue `whatsapp`.

    The task carries the snapshot, so that who reads the queue sees what waits. The row holds the same one and is what
    is read: a wake-up sends the oldest messages that are due at the instance, which may be others than its own, and
    only the row knows the text of an earlier attempt and whether the customer's data were erased meanwhile.
    """
    delivery.deliver(notification_id, task_id=self.request.id or "", seconds=settings.NOTIFICATIONS.turn)


@shared_task(ignore_result=True)
def look_up(notification_id: int) -> None:
    """Look for a message whose outcome is unknown, on queue `whatsapp`."""
    questions.look_up(notification_id)


@shared_task(ignore_result=True)
def probe(instance_id: int) -> None:
    """Ask whether a held instance is connected again, on queue `whatsapp`."""
    questions.probe(instance_id)


@shared_task(bind=True, ignore_result=True)
def sweep(self: Task) -> None:
    """Wake what was left behind, on queue `default`."""
    sweeping.sweep_in_turn(str(self.request.hostname))


@shared_task(ignore_result=True)
def remind_of_pickups() -> None:
    """Remind customers of orders that wait at the counter, on queue `default`."""
    reminders.remind_of_pickups()
