"""What the system notes about itself."""

from __future__ import annotations

from django.conf import settings
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
        CONNECTION = "connection"
        UNMAPPED = "unmapped_status"
        SCHEMA = "schema"

    kind = models.CharField(max_length=20, choices=Kind)
    name = models.CharField(max_length=100)
    began_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True)
    over_since = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["kind", "name"], name="alarm_once"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class GroupChange(models.Model):
    """That `bootstrap` has once given a group this permission, or taken it away. It does not do so again: what an owner
    changed afterwards stays."""

    group = models.CharField(max_length=150)
    permission = models.CharField(max_length=200)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["group", "permission"], name="group_change_once"),)

    def __str__(self) -> str:
        return f"{self.group} {self.permission}"


class StaffSession(models.Model):
    """Where a person is logged in: what their browser calls itself, and when it was last seen there.

    The session itself is Django's, by the same key; it ends with the row.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.DB_CASCADE, related_name="staff_sessions")
    session_key = models.CharField(max_length=40, unique=True)
    agent = models.CharField(max_length=300, blank=True, default="", db_default="")
    began_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("-seen_at", "-pk")

    def __str__(self) -> str:
        return f"{self.user_id} @ {self.seen_at:%Y-%m-%d %H:%M:%S}"


class FormerAddress(models.Model):
    """That somebody else changed a person's e-mail: links for their password go on to the former one (none, if it is
    empty), until they say themselves that the new one is theirs."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.DB_CASCADE, related_name="former_address")
    email = models.EmailField(blank=True)
    changed_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.user_id} @ {self.changed_at:%Y-%m-%d %H:%M:%S}"
