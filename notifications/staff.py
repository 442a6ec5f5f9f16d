"""What people may do with a message: have it sent again, or keep it from being sent."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from integrations.models import NotificationLog
from notifications import moves, outbox, wakeups

Status = NotificationLog.Status


class ResendRefusedError(Exception):
    """The message cannot be sent again now; the text says why, for the person who asked."""


def resend(notification: NotificationLog, *, actor: User | None = None) -> NotificationLog:
    """Put the same news into the outbox again, for the customer's present phone, and return the new row.

    It is a message of its own, outside the order of the order's messages. Raises `ResendRefusedError` while the old
    one, or an earlier resend of it, may still go out by itself.
    """
    with transaction.atomic():
        old = NotificationLog.objects.select_for_update(of=("self",)).select_related("order__customer")
        row = old.get(pk=notification.pk)
        if row.status in NotificationLog.UNFINISHED:
            raise ResendRefusedError(_("This message may still go out by itself, so it is not sent again."))
        resends = NotificationLog.objects.filter(resend_of=row)
        if resends.filter(status__in=NotificationLog.UNFINISHED).exists():
            raise ResendRefusedError(_("This message is being sent again already."))
        new = NotificationLog.objects.create(
            event=row.event,
            order=row.order,
            instance=outbox.instance_of(row.order.store) if row.order else row.instance,
            dedupe_key=f"resend:{row.pk}:{resends.count() + 1}",
            recipient=outbox.recipient(row.order.customer.phone if row.order else row.recipient),
            snapshot=row.snapshot,
            expires_at=Now() + outbox.lifetime(row.event),
            resend_of=row,
            requested_by=actor,
        )
        transaction.on_commit(partial(wakeups.publish, [new]), robust=True)
    return new


def cancel(notifications: Iterable[NotificationLog], *, actor: User | None = None) -> int:
    """Cancel those that are still `pending`, and wake what waited for them; returns how many were.

    One that a worker has claimed meanwhile is left alone: it may be on its way.
    """
    cancelled = []
    for notification in notifications:
        pending = NotificationLog.objects.filter(pk=notification.pk, status=Status.PENDING)
        if moves.to_cancelled(pending, cancelled_by=actor):
            cancelled.append(notification)
    for notification in cancelled:
        transaction.on_commit(partial(wakeups.wake_next, notification), robust=True)
    return len(cancelled)
