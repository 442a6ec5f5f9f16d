"""Celery's entry points. Each calls one function that can be called and tested without Celery."""

from __future__ import annotations

from typing import Any

from celery import Task, shared_task

from notifications import delivery, questions, reminders
from notifications import sweep as sweeping


@shared_task(bind=True, ignore_result=True)
def send_whatsapp(self: Task, notification_id: int, snapshot: dict[str, Any]) -> None:  # noqa: ARG001
    """Wake up for one message, on queue `whatsapp`.

    The row holds the same snapshot and decides; the task carries it so that a queue can be read by people, and
    so that the message of a task is known even before its row is looked up.
    """
    delivery.deliver(notification_id, task_id=self.request.id or "")


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
