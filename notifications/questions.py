"""Asking the gateway (look-ups, probes) in turns: one question at a time per instance.

So an instance whose gateway hangs keeps at most two processes of the worker busy, one that sends and one that asks, and
the sends of all others go on.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from integrations.models import EvolutionInstance, NotificationLog
from notifications import lookups, probes, wakeups

_OWN = OuterRef("pk")


def look_up(notification_id: int) -> None:
    """Look the message up if it is due and its instance is not being asked already, and wake the next look-up there.

    Else nothing, after one statement: whoever asks now wakes the next one, and so does the sweep.
    """
    asked = EvolutionInstance.objects.filter(free(), Exists(lookups.due().filter(pk=notification_id, instance=_OWN)))
    instance_id = asked.values_list("pk", flat=True).first()
    if instance_id is not None and _turn_is_ours(instance_id):
        try:
            lookups.look_up(notification_id)
        finally:
            _end_turn(instance_id)
        wakeups.publish_look_ups(next_due(instance_id))


def probe(instance_id: int) -> None:
    """Probe the instance unless it is being asked already, and wake the look-up that could not be made meanwhile.

    Else nothing: its next probe comes.
    """
    if _turn_is_ours(instance_id):
        try:
            probes.probe(instance_id)
        finally:
            _end_turn(instance_id)
        wakeups.publish_look_ups(next_due(instance_id))


def next_due(instance: Any) -> QuerySet[NotificationLog]:
    """The message that is to be looked up first at the instance, which may be a reference to an outer query's."""
    return lookups.due().filter(instance=instance).order_by("lookup_at", "pk")[:1]


def free() -> Q:
    """Whether nobody asks about the instance now; who dies over it keeps it for no longer than a look-up may take."""
    return Q(question_until__isnull=True) | Q(question_until__lte=Now())


def _turn_is_ours(instance_id: int) -> bool:
    until = Now() + timedelta(seconds=settings.NOTIFICATIONS.lookup_hard_time_limit)
    return bool(EvolutionInstance.objects.filter(free(), pk=instance_id).update(question_until=until))


def _end_turn(instance_id: int) -> None:
    EvolutionInstance.objects.filter(pk=instance_id).update(question_until=None)
