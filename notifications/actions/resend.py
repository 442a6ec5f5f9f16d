"""Sending a message again, as a new one."""

from __future__ import annotations

from functools import partial

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from integrations.messages.corrected import is_wrong
from integrations.messages.kinds import ANSWERS
from integrations.models import NotificationLog
from notifications import outbox, wakeups
from notifications.actions import audit
from orders import undo
from orders.models import Order

# Nothing went out.
_UNSAID = frozenset({NotificationLog.Status.CANCELLED, NotificationLog.Status.SKIPPED})


class ResendRefusedError(Exception):
    """The message cannot be sent again now; the text says why, for the person who asked."""


def resend(notification: NotificationLog, *, actor: User | None = None) -> NotificationLog:
    """Put the same news into the outbox again, for the customer's present phone, and return the new row.

    It is a message of its own, outside the order of the order's messages, and always belongs to the original, even if
    a resend is sent again. Raises `ResendRefusedError` while the original or any resend of it may still go out by
    itself, and for good if it answered what the customer wrote, or once the original is anonymised or corrected.
    """
    audit.require(actor, "resend_notificationlog", [notification])
    with transaction.atomic():
        originals = NotificationLog.objects.select_for_update(of=("self",)).select_related("order__customer")
        row = originals.get(pk=notification.resend_of_id or notification.pk)
        # A correction that is made at this moment either is known below or finds what this writes.
        if row.order:
            Order.objects.select_for_update(no_key=True).get(pk=row.order.pk)
        if row.status in NotificationLog.UNFINISHED:
            raise ResendRefusedError(_("This message may still go out by itself, so it is not sent again."))
        if reason := never_again(row):
            raise ResendRefusedError(reason)
        resends = NotificationLog.objects.filter(resend_of=row)
        if resends.filter(status__in=NotificationLog.UNFINISHED).exists():
            raise ResendRefusedError(_("This message is being sent again already."))
        new = NotificationLog.objects.create(
            event=row.event,
            order=row.order,
            store=row.store,
            instance=outbox.instance_of(row.order.store) if row.order else row.instance,
            dedupe_key=f"resend:{row.pk}:{resends.count() + 1}",
            recipient=outbox.recipient(row.order.customer.phone if row.order else row.recipient),
            snapshot=row.snapshot,
            # What is about no order may have been given its text, and always has the same.
            message="" if row.order else row.message,
            expires_at=Now() + outbox.lifetime(row.event),
            resend_of=row,
            requested_by=actor,
        )
        audit.record(actor, [notification], _("Sent again."))
        transaction.on_commit(partial(wakeups.publish, [new]), robust=True)
    return new


def never_again(row: NotificationLog) -> str:
    """Why the message can never be sent again, for the person who wants that; empty if it can."""
    if row.event in ANSWERS:
        return _("This message answered what the customer had just written. It is not sent again.")
    if row.status in _UNSAID and undo.is_undone(row.order_event):
        return _("What this message tells of was undone. It is not sent again.")
    if NotificationLog.objects.filter(is_wrong(), pk=row.pk).exists():
        return _("What this message says was corrected since. It is not sent again.")
    if not row.anonymised_at:
        return ""
    return _("The text and the number of this message were erased on %(date)s. It cannot be sent again.") % {
        "date": date_format(localtime(row.anonymised_at), "SHORT_DATE_FORMAT")
    }
