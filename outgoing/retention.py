"""Keeping tidy: what was told, or given up, is kept as long as webhooks that come in."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db.models.functions import Now

from outgoing.models import OutgoingEvent

_BATCH = 1000


def purge() -> int:
    """Delete finished events that are old enough, with their attempts; returns how many."""
    days, total = settings.RETENTION_WEBHOOKS_DAYS, 0
    while days:
        finished = OutgoingEvent.objects.exclude(state__in=OutgoingEvent.UNFINISHED)
        old = finished.filter(created_at__lt=Now() - timedelta(days=days)).order_by("created_at")
        chosen = list(old.values_list("pk", flat=True)[:_BATCH])
        # Asked again: one may be told again since.
        finished.filter(pk__in=chosen).delete()
        total += len(chosen)
        if len(chosen) < _BATCH:
            break
    return total
