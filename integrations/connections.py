"""Holding an instance that cannot send, and healing it; the one place that sends `instance_connection_changed`.

While an instance is held its messages wait without spending attempts. Every now and then one thing is tried, the
probe, and the first that succeeds heals it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Greatest, Now

from integrations.evolution import sentences
from integrations.locks import unlocked
from integrations.models import DeliveryAttempt, EvolutionInstance, NotificationLog
from integrations.signals import instance_connection_changed

logger = logging.getLogger(__name__)

# A message that met one of these waits for another try although nothing is wrong with it.
GATEWAY_AWAY = frozenset({"gateway_unreachable", "gateway_database_down", "number_query_timeout"})
# After so many tries that only the instance was to blame for, a message waits longer each time and lets others try: it
# may be the trouble itself.
VAIN_TRIES = 3


def hold(instance_id: int, code: str) -> bool:
    """Hold the instance for the gateway's `code`; returns whether it was not held before.

    An instance that is held already stays so, with the latest reason. What failed because the gateway was away is due
    at once, since it is what the instance is probed with.
    """
    instances = EvolutionInstance.objects.filter(pk=instance_id)
    reason = sentences.cause(code)
    with transaction.atomic():
        if instances.filter(held_at__isnull=True).exists():
            _waiting_after(instance_id, GATEWAY_AWAY).update(next_attempt_at=F("created_at"))
        first_probe = Now() + timedelta(seconds=settings.NOTIFICATIONS.probe_first)
        if not instances.filter(held_at__isnull=True).update(
            held_at=Now(), held_code=code, held_reason=reason, probe_at=first_probe, probes=0
        ):
            instances.filter(held_at__isnull=False).exclude(held_code=code).update(held_code=code, held_reason=reason)
            return False
        transaction.on_commit(partial(_tell, instance_id, held=True), robust=True)
    return True


def heal(instance_id: int, *, by_message: bool = False) -> bool:
    """End the hold; returns whether there was one. What had failed because of it is due at once, the oldest first.

    `by_message`: that one message could be sent has shown it. Then one that could not, again and again, keeps its
    pause, since it may be the trouble itself.
    """
    if not EvolutionInstance.objects.filter(pk=instance_id, held_at__isnull=False).exists():
        return False
    with transaction.atomic():
        failed = _waiting_after(instance_id, GATEWAY_AWAY | sentences.INSTANCE.keys())
        if by_message:
            sends = DeliveryAttempt.objects.filter(notification=OuterRef("pk"), kind=DeliveryAttempt.Kind.SEND)
            number = sends.order_by().values("notification").annotate(number=Count("pk")).values("number")
            failed = failed.filter(attempts__gte=Subquery(number) - VAIN_TRIES)
        failed.update(next_attempt_at=F("created_at"))
        unlocked(
            NotificationLog.objects.filter(
                instance_id=instance_id, status=NotificationLog.Status.UNKNOWN, lookup_at__gt=Now()
            )
        ).update(lookup_at=Now())
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


def probe_at_once(instance_id: int) -> None:
    """Let the next probe be due, if the instance is held."""
    EvolutionInstance.objects.filter(pk=instance_id, held_at__isnull=False, probe_at__gt=Now()).update(probe_at=Now())


def _waiting_after(instance_id: int, codes: Iterable[str]) -> QuerySet[NotificationLog]:
    """What waits for another try because of one of these. Due when it was made, it is due as if it had had no try.

    To be updated before the instance is written (see `integrations.locks`), but for what is being moved on right now.
    """
    return unlocked(
        NotificationLog.objects.filter(
            instance_id=instance_id,
            status=NotificationLog.Status.PENDING,
            error_code__in=list(codes),
            next_attempt_at__gt=F("created_at"),
        )
    )


def _tell(instance_id: int, *, held: bool) -> None:
    instance = EvolutionInstance.objects.select_related("store").get(pk=instance_id)
    if held:
        logger.warning("Instance %s is held: %s", instance.name, instance.held_code)
    else:
        logger.info("Instance %s is healed", instance.name)
    instance_connection_changed.send_robust(EvolutionInstance, instance=instance, held=held)
