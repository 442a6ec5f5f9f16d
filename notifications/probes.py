"""Asking the gateway whether a held instance is connected again, where no message waits that would show it."""

from __future__ import annotations

import logging

from django.db import connection

from integrations.connections import heal
from integrations.evolution.client import client
from integrations.evolution.errors import GatewayError
from integrations.models import EvolutionInstance

logger = logging.getLogger(__name__)


def probe(instance_id: int) -> None:
    """Ask for the instance's connection; `open` heals it. One that is not held (any more) is left alone."""
    instance = EvolutionInstance.objects.filter(pk=instance_id, held_at__isnull=False).first()
    if instance is None:
        return
    connection.close()  # back to the pool: a slow gateway must not hold a database connection
    try:
        state = client().connection_state(instance.name)
    except GatewayError as error:
        logger.info("Instance %s is still held: %s", instance.name, error)
        return
    if state in EvolutionInstance.State.values:
        EvolutionInstance.objects.filter(pk=instance_id).update(state=state)
    if state == EvolutionInstance.State.OPEN:
        heal(instance_id)
