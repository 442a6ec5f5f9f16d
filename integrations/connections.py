"""Holding an instance that cannot send, and healing it; the one place that sends `instance_connection_changed`.

While an instance is held its messages wait without spending attempts. Every now and then one thing is tried, the
probe, and the first that succeeds heals it.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest, Now

from integrations.models import EvolutionInstance, NotificationLog
from integrations.signals import instance_connection_changed

logger = logging.getLogger(__name__)


def hold(instance_id: int, code: str, reason: str) -> bool:
    """Hold the instance for `code`; returns whether it was not held before. `reason` is for the staff.

    An instance that is held already stays so, with the latest reason. What waits for a retry is due at once, since
    it is what the instance is probed with.
    """
    instances = EvolutionInstance.objects.filter(pk=instance_id)
    with transaction.atomic():
        if instances.filter(held_at__isnull=True).exists():
            _bring_retries_forward(instance_id)
        first_probe = Now() + timedelta(seconds=settings.NOTIFICATIONS.probe_first)
        if not instances.filter(held_at__isnull=True).update(
            held_at=Now(), held_code=code, held_reason=reason, probe_at=first_probe, probes=0
        ):
            instances.filter(held_at__isnull=False).exclude(held_code=code).update(held_code=code, held_reason=reason)
            return False
        transaction.on_commit(partial(_tell, instance_id, held=True), robust=True)
    return True


def heal(instance_id: int) -> bool:
    """End the hold; returns whether there was one. What had failed meanwhile is due at once, the oldest first."""
    if not EvolutionInstance.objects.filter(pk=instance_id, held_at__isnull=False).exists():
        return False
    with transaction.atomic():
        _bring_retries_forward(instance_id)
        healed = EvolutionInstance.objects.filter(pk=instance_id, held_at__isnull=False).update(
            held_at=None,
            held_code="",
            held_reason="",
            probe_at=None,
            probes=0,
            failures=0,
            failed_recipient="",
            # Never earlier than the pace; and what was woken before now is woken again.
            next_send_at=Greatest(F("next_send_at"), Now()),
        )
        if healed:
            transaction.on_commit(partial(_tell, instance_id, held=False), robust=True)
    return bool(healed)


def probe_pause(probes: int) -> timedelta:
    """How long after the probe with that number (from 0) the next one comes."""
    times = settings.NOTIFICATIONS
    return timedelta(seconds=min(times.probe_first * 2 ** min(probes + 1, 20), times.probe_max))


def _bring_retries_forward(instance_id: int) -> None:
    """Let what waits for a retry be due as if it had never been tried: the oldest first.

    Called before the instance is written, since a claim too locks a message first and then its instance.
    """
    retried = NotificationLog.objects.filter(
        instance_id=instance_id, status=NotificationLog.Status.PENDING, next_attempt_at__gt=F("created_at")
    )
    retried.exclude(error_code__in=("", "cannot_render", "did_not_arrive")).update(next_attempt_at=F("created_at"))


def _tell(instance_id: int, *, held: bool) -> None:
    instance = EvolutionInstance.objects.select_related("store").get(pk=instance_id)
    if held:
        logger.warning("Instance %s is held: %s", instance.name, instance.held_code)
    else:
        logger.info("Instance %s is healed", instance.name)
    instance_connection_changed.send_robust(EvolutionInstance, instance=instance, held=held)
