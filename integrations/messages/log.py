"""The log of notifications that is also their queue.

`NotificationLog` is the outbox: a row is made in the transaction of the status change it tells of, and changed by the
moves of `integrations.messages.state_changes` alone, but for what triggers of the database write (`blocked`).
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Collate, Now, Reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from flowlog.staffpages.stores import StorePath
from integrations.instances.models import EvolutionInstance
from integrations.messages.kinds import kind_words
from integrations.messages.snapshot import Snapshot
from orders.models import Order, OrderEvent, Store

# A number is looked for by its last digits. This collation lets an index find what a text begins with.
FROM_ITS_END = Collate(Reverse("recipient"), "C")


class NotificationLog(models.Model):
    """One message to one customer: what is to be said, to whom, and what became of it.

    `order_event` is what it tells of, or the last one before it was written; none for what waits for no other message.

    Times that decide anything (`next_attempt_at`, `lease_until`, `expires_at`) are the database's clock. Since
    `anonymised_at`, text and recipient are empty, and the snapshot holds little more than the order's code.
    `snapshot` is JSON, to be copied and passed on as it stands; who reads it reads `parsed_snapshot`.
    """

    store_path: StorePath = ("order__store", "store", "instance__store")

    class Status(models.TextChoices):
        PENDING = "pending", _("pending")
        SENDING = "sending", _("sending")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        UNKNOWN = "unknown", _("unknown outcome")
        SKIPPED = "skipped", _("skipped")
        CANCELLED = "cancelled", pgettext_lazy("message", "cancelled")

    class Receipt(models.TextChoices):
        """What the gateway heard of a message after it had accepted it; each outranks those above it."""

        NONE = "", _("no receipt yet")
        PENDING = "pending", _("not confirmed yet")
        SERVER_ACK = "server_ack", _("accepted by WhatsApp")
        ERROR = "error", _("not delivered")
        DELIVERY_ACK = "delivery_ack", _("delivered")
        READ = "read", _("read")

    UNFINISHED = (Status.PENDING, Status.SENDING, Status.UNKNOWN)

    status = models.CharField(_("status"), max_length=12, choices=Status, default=Status.PENDING)
    event = models.CharField(_("event"), max_length=40, help_text=_("The kind of message: the transition's name."))
    order = models.ForeignKey(
        Order, models.PROTECT, null=True, blank=True, related_name="notifications", verbose_name=_("order")
    )
    order_event = models.ForeignKey(
        OrderEvent,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="notifications",
        verbose_name=_("timeline entry"),
    )
    instance = models.ForeignKey(
        EvolutionInstance,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="notifications",
        verbose_name=_("instance"),
    )
    # Of what is about no order: whose customer it answers, who may have written to the number of another store.
    store = models.ForeignKey(
        Store, models.PROTECT, null=True, blank=True, db_index=False, related_name="+", verbose_name=_("store")
    )
    dedupe_key = models.CharField(max_length=120, unique=True)
    recipient = models.CharField(_("recipient"), max_length=16, blank=True)
    snapshot = models.JSONField(_("snapshot"))
    message = models.TextField(_("message"), blank=True)
    provider_message_id = models.CharField(_("gateway's message id"), max_length=100, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), db_default=Now())
    expires_at = models.DateTimeField(_("expires"))
    error_code = models.CharField(_("error code"), max_length=40, blank=True)
    error_message = models.CharField(_("what happened"), max_length=500, blank=True)
    celery_task_id = models.CharField(_("Celery task"), max_length=64, blank=True)
    claim_token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    lookup_at = models.DateTimeField(_("next look-up"), null=True, editable=False)
    resend_of = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,  # most rows are no resend: see `notification_resends`
        related_name="resends",
        verbose_name=_("sent again for"),
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=_("asked for by"),
    )
    cancelled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=_("cancelled by"),
    )
    # Of one that failed: somebody has seen to it. See `integrations.messages.attention`.
    dismissed_at = models.DateTimeField(_("dismissed"), null=True, editable=False)
    dismissed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=_("dismissed by"),
    )
    # Written by triggers alone: see `earlier_unfinished`.
    blocked = models.BooleanField(default=False, db_default=False, editable=False)
    first_attempt_at = models.DateTimeField(_("first attempt"), null=True)
    woken_at = models.DateTimeField(null=True, editable=False, db_default=Now())
    wakes = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    sent_at = models.DateTimeField(_("sent"), null=True)
    receipt = models.CharField(
        _("receipt"), max_length=12, choices=Receipt, blank=True, default=Receipt.NONE, db_default=Receipt.NONE
    )
    delivered_at = models.DateTimeField(_("delivered"), null=True)
    read_at = models.DateTimeField(_("read"), null=True)
    anonymised_at = models.DateTimeField(_("anonymised"), null=True, editable=False)

    class Meta:
        # Not translated: staff and guides find it as "Notification Logs" in every language.
        verbose_name = "Notification Log"
        verbose_name_plural = "Notification Logs"
        ordering = ("-created_at", "-pk")
        permissions = (
            ("resend_notificationlog", "Can send a message again"),
            ("cancel_notificationlog", "Can cancel a waiting message"),
            ("dismiss_notificationlog", "Can dismiss a message that failed"),
        )
        indexes = (
            models.Index(fields=["-created_at", "-id"], name="notification_newest_first"),
            models.Index(
                fields=["instance", "next_attempt_at", "id"],
                condition=Q(status="pending"),
                name="notification_due_by_instance",
            ),
            models.Index(
                fields=["instance", "next_attempt_at", "id"],
                condition=Q(status="pending", blocked=False),
                name="notification_next_up",
            ),
            models.Index(fields=["id"], condition=Q(status="pending", blocked=True), name="notification_blocked"),
            models.Index(
                fields=["instance", "next_attempt_at", "id"],
                condition=Q(status="pending") & ~Q(error_code="daily_cap"),
                name="notification_to_put_off",
            ),
            models.Index(fields=["lookup_at"], condition=Q(status="unknown"), name="notification_to_look_up"),
            models.Index(fields=["resend_of"], condition=Q(resend_of__isnull=False), name="notification_resends"),
            models.Index(
                fields=["order", "order_event"],
                condition=Q(status__in=("pending", "sending", "unknown")),
                name="notification_unfinished",
            ),
            models.Index(fields=["lease_until"], condition=Q(status="sending"), name="notification_leased"),
            models.Index(fields=["instance", "sent_at"], condition=Q(status="sent"), name="notification_sent_per_day"),
            models.Index(
                fields=["expires_at"], condition=Q(status__in=("pending", "unknown")), name="notification_expiring"
            ),
            models.Index(
                fields=["created_at", "id"], condition=Q(anonymised_at__isnull=True), name="notification_to_anonymise"
            ),
            models.Index(
                fields=["-created_at", "-id"],
                condition=Q(status__in=("failed", "unknown"), dismissed_at__isnull=True, anonymised_at__isnull=True),
                name="notification_unsettled",
            ),
            # Without what failed: PostgreSQL would take it for a better way to what needs a person than the one above.
            models.Index(
                fields=["status", "-created_at", "-id"],
                condition=Q(status__in=("skipped", "cancelled")),
                name="notification_not_sent",
            ),
            models.Index(FROM_ITS_END, condition=~Q(recipient=""), name="notification_recipient_end"),
        )
        constraints = (
            models.UniqueConstraint(
                fields=["instance", "provider_message_id"],
                condition=~Q(provider_message_id=""),
                name="notification_provider_id_once",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=("pending", "sending", "sent", "failed", "unknown", "skipped", "cancelled"),
                ),
                name="notification_status_known",
            ),
            models.CheckConstraint(
                condition=Q(status="sending", claim_token__isnull=False, lease_until__isnull=False)
                | ~Q(status="sending") & Q(lease_until__isnull=True),
                name="notification_lease_while_sending",
            ),
            models.CheckConstraint(
                condition=Q(status="sent", sent_at__isnull=False) | ~Q(status="sent") & Q(sent_at__isnull=True),
                name="notification_sent_says_when",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=("failed", "skipped")) | ~Q(error_code=""),
                name="notification_failure_says_why",
            ),
        )

    def __str__(self) -> str:
        kind = kind_words(self.event)
        return f"{self.snapshot_order_code} · {kind}" if self.snapshot_order_code else str(kind)

    _read: tuple[Any, Snapshot] = (None, Snapshot())

    @property
    def as_claimed(self) -> models.QuerySet[NotificationLog]:
        """The row, as long as whoever had claimed it when it was read has it and has not settled it."""
        own = NotificationLog.objects.filter(pk=self.pk, claim_token=self.claim_token)
        return own.filter(status=NotificationLog.Status.SENDING)

    @property
    def parsed_snapshot(self) -> Snapshot:
        """What the message tells, whichever release wrote it; each one that the row comes to have is read once."""
        if self._read[0] is not self.snapshot:
            self._read = (self.snapshot, Snapshot.from_json(self.snapshot))
        return self._read[1]

    @property
    def snapshot_order_code(self) -> str:
        """The order's code as the snapshot has it; empty for a message without an order."""
        return self.parsed_snapshot.order.code


def earlier_unfinished() -> Q:
    """Whether an earlier message of the same order is unfinished: that one goes first.

    Of an earlier event, or of the same one and written before. Messages without an event are in no order.

    `NotificationLog.blocked` says the same in advance, so that an index passes over any number of them. Triggers of the
    database set it at the commit and take it away when what goes first is finished, whoever does that. They wait for
    nobody: it may be missing, which costs a look, or left over, which the sweep mends.
    """
    # Two questions, each of which the index of order and event answers as it is.
    unfinished = NotificationLog.objects.filter(order_id=OuterRef("order_id"), status__in=NotificationLog.UNFINISHED)
    of_earlier_event = unfinished.filter(order_event_id__lt=OuterRef("order_event_id"))
    of_the_same = unfinished.filter(order_event_id=OuterRef("order_event_id"), pk__lt=OuterRef("pk"))
    return Exists(of_earlier_event) | Exists(of_the_same)
