"""Saying of messages that failed that nothing is to be done about them any more."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from integrations.messages import attention, state_changes
from integrations.models import NotificationLog
from notifications.actions import audit


def dismiss(notifications: Iterable[NotificationLog], *, actor: User | None = None) -> list[NotificationLog]:
    """Dismiss those that need a person; returns which. They can still be sent again.

    One whose outcome is unknown goes on being looked up, and one that is found out to have failed stays dismissed.
    """
    notifications = list(notifications)
    audit.require(actor, "dismiss_notificationlog", notifications)
    with transaction.atomic():
        # By their keys: see `integrations.locks`.
        chosen = NotificationLog.objects.filter(pk__in=[row.pk for row in notifications])
        locked = [row.pk for row in chosen.select_for_update(no_key=True).order_by("pk")]
        dismissed = list(attention.need_a_person().filter(pk__in=locked).order_by("pk"))
        rows = NotificationLog.objects.filter(pk__in=[row.pk for row in dismissed])
        state_changes.dismiss(rows, dismissed_by=actor)
        audit.record(actor, dismissed, _("Dismissed."))
    return dismissed
