"""Ending the hold of an instance by hand."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from integrations.instances.connections import resume
from integrations.models import EvolutionInstance
from notifications.actions import audit


def release(instance: EvolutionInstance, *, actor: User | None = None) -> bool:
    """Let its messages go again; returns whether it was held."""
    audit.require(actor, "release_evolutioninstance", [instance])
    with transaction.atomic():
        released = resume(instance.pk)
        if released:
            audit.record(actor, [instance], _("Released."))
    return released
