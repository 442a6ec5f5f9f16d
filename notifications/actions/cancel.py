"""Keeping messages that wait from being sent."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from integrations.messages import state_changes
from integrations.models import NotificationLog
from notifications import wakeups
from notifications.actions import audit


def cancel(notifications: Iterable[NotificationLog], *, actor: User | None = None) -> list[NotificationLog]:
    """Cancel those that are still `pending`, and wake what waited for them; returns which.

    One that a worker has claimed meanwhile is left alone: it may be on its way.
    """
    notifications = list(notifications)
    audit.require(actor, "cancel_notificationlog", notifications)
    with transaction.atomic():
        cancelled = cancel_for(notifications, actor=actor)
        audit.record(actor, cancelled, _("Cancelled."))
    return cancelled


def cancel_for(notifications: Iterable[NotificationLog], *, actor: User | None) -> list[NotificationLog]:
    """The same as a part of something else that the actor may do, and that says so itself, such as an erasure."""
    with transaction.atomic():
        # By their keys: see `integrations.locks`.
        pending = NotificationLog.objects.filter(
            pk__in=[row.pk for row in notifications], status=NotificationLog.Status.PENDING
        )
        cancelled = list(pending.select_for_update().order_by("pk"))
        state_changes.to_cancelled(
            NotificationLog.objects.filter(pk__in=[row.pk for row in cancelled]), cancelled_by=actor
        )
        for row in {row.instance_id: row for row in cancelled}.values():
            transaction.on_commit(partial(wakeups.wake_next, row), robust=True)
    return cancelled
