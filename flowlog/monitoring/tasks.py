"""Celery's entry points of the system's health. Each calls one function that can be tested without Celery.

Their names are those under which the queues and the schedule have always known them.
"""

from __future__ import annotations

from typing import Any

from celery import Task, shared_task
from celery.signals import task_postrun, task_prerun, worker_ready
from django.conf import settings

from flowlog import heartbeats
from flowlog.broker import CLOCK_SKEW
from flowlog.monitoring import alarms, deadman


@shared_task(bind=True, ignore_result=True, name="flowlog.tasks.heartbeat")
def heartbeat(self: Task) -> None:
    """Write down that the queue it came through is consumed."""
    heartbeats.beat(heartbeats.queue_of(self), str(self.request.hostname))


@shared_task(ignore_result=True, name="flowlog.tasks.look_for_trouble")
def look_for_trouble() -> None:
    """Tell the staff of trouble that has begun or is over, on queue `default`."""
    alarms.look()


@shared_task(ignore_result=True, name="flowlog.tasks.ping_deadman")
def ping_deadman() -> None:
    """Tell the switch outside that all is well, on queue `default`."""
    deadman.ping()


@worker_ready.connect
def beat_at_once(sender: Any, **_kwargs: Any) -> None:
    """A worker that has just started is heard at once, not with the next minute's heartbeat."""
    for queue in sender.task_consumer.queues:
        heartbeat.apply_async(queue=queue.name, expires=settings.HEARTBEAT_INTERVAL + CLOCK_SKEW)


@task_prerun.connect
@task_postrun.connect
def note_life(task: Task, **_kwargs: Any) -> None:
    """Any task proves that its queue is consumed, also while heartbeats expire behind a thousand others.

    And it may be the only one to see that beat is gone, which alone asks for looks.
    """
    if task.name != heartbeat.name and heartbeats.note(task) and heartbeats.pulses()[heartbeats.SWEEP].overdue:
        alarms.ask_for_a_look()
