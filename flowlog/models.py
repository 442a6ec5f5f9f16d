"""What the system notes about itself."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Heartbeat(models.Model):
    """When a worker last took a task from this queue, or did the periodic job of this name.

    Without a host none ever has: then since when it is awaited.
    """

    queue = models.CharField(max_length=40, unique=True)
    beat_at = models.DateTimeField(db_default=Now())
    host = models.CharField(max_length=200, blank=True, default="", db_default="")

    def __str__(self) -> str:
        return self.queue


class Alarm(models.Model):
    """Trouble of which the staff are told; the row lasts until they were told of its end.

    `told_at` is when the mail about its beginning went out, so that it goes once, whoever notices the trouble.
    `over_since` is when the trouble was first seen gone; null while it lasts.
    """

    class Kind(models.TextChoices):
        SILENT_WORKER = "silent_worker"
        HELD_INSTANCE = "held_instance"
        OLD_BACKUP = "old_backup"
        LATE_SWEEP = "late_sweep"
        WAY_BACK = "way_back"

    kind = models.CharField(max_length=20, choices=Kind)
    name = models.CharField(max_length=100)
    began_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True)
    over_since = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["kind", "name"], name="alarm_once"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"
