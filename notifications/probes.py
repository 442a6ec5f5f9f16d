"""Probing held instances: by the message that is next or, where none waits, by asking for the connection."""

from __future__ import annotations

import logging

from django.db import connection
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Coalesce, Now

from integrations.gateways import GatewayError, gateway_for
from integrations.instances.connections import probe_pause
from integrations.models import EvolutionInstance, NotificationLog
from notifications import claims, quiet, wakeups

logger = logging.getLogger(__name__)


def possible(instance: OuterRef) -> QuerySet[NotificationLog]:
    """The messages that could be the probe of an instance: one that this release cannot prepare shows nothing.

    One that waits for its first try, since its step may still be undone, is none yet: a probe is due at once. And none
    wakes a customer for that.
    """
    not_yet = Q(error_code__in=("", quiet.CODE), next_attempt_at__gt=Now())
    return claims.waiting().filter(instance=instance).exclude(not_yet).exclude(error_code="cannot_prepare")


def next_at(instance: OuterRef) -> Coalesce:
    """The key of the message that is next at the instance, an outer query's; of a held one, even if it pauses.

    Nothing else could show that a held instance is connected again.
    """
    pausing = possible(instance).order_by("next_attempt_at", "pk").values("pk")[:1]
    return Coalesce(
        Subquery(claims.oldest_due(instance)), Case(When(held_at__isnull=False, then=Subquery(pausing)), default=None)
    )


def wake_next(instance_id: int) -> None:
    """Wake the next probe of a held instance at once, if it is due: the one before was not sent after all."""
    next_one = claims.ready_instances().filter(pk=instance_id).values_list(next_at(OuterRef("pk")), flat=True)
    rows = list(NotificationLog.objects.filter(pk__in=[pk for pk in next_one if pk is not None]))
    wakeups.wake(rows)


def to_ask() -> list[EvolutionInstance]:
    """Held instances that no message can be the probe of, where it is time to ask: the next time is on them then.

    Their probe stays due, so that the next message is it at once.
    """
    nothing_to_try = ~Exists(possible(OuterRef("pk"))) | claims.capped()
    instances = claims.idle_instances().filter(
        nothing_to_try, Q(ask_at__isnull=True) | Q(ask_at__lte=Now()), held_at__isnull=False
    )
    return [
        instance
        for instance in instances
        if EvolutionInstance.objects.filter(pk=instance.pk, held_at=instance.held_at, ask_at=instance.ask_at).update(
            ask_at=Now() + probe_pause(instance.probes), probes=F("probes") + 1
        )
    ]


def probe(instance_id: int) -> None:
    """Ask for the instance's connection and note it; one that is not held (any more) is left alone.

    That resumes nothing: the gateway calls a connection open whose socket is dead. The next message finds out.
    """
    instance = EvolutionInstance.objects.filter(pk=instance_id, held_at__isnull=False).first()
    if instance is None:
        return
    connection.close()  # back to the pool: a slow gateway must not hold a database connection
    try:
        state = gateway_for(instance).state()
    except GatewayError as error:
        logger.info("Instance %s is still held: %s", instance.name, error)
        return
    if state in EvolutionInstance.State.values:
        # Not over what a message has shown meanwhile.
        unchanged = EvolutionInstance.objects.filter(pk=instance_id, held_at__isnull=False, state=instance.state)
        unchanged.update(state=state)
