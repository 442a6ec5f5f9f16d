"""The gateway's instances, and the log of notifications that is also their queue.

`NotificationLog` is the outbox: a row is written in the transaction of the status change it tells of, and only
`notifications.delivery` and `notifications.sweep` move it on.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from integrations.carriers.models import CarrierNews
from integrations.inbound.models import CustomerReply, WebhookEvent
from integrations.kinds import kind_words
from orders.models import Order, OrderEvent, Store

__all__ = [
    "CarrierNews",
    "CustomerReply",
    "DeliveryAttempt",
    "EvolutionInstance",
    "NotificationLog",
    "WebhookEvent",
    "earlier_unfinished",
]


class EvolutionInstance(models.Model):
    """One WhatsApp number of a store, connected to the gateway under this name.

    It sends one message at a time: whoever has its slot (`slot_token`, until `slot_until`). While it is held nothing
    is sent but probes; `failures` counts what went wrong in a row and not because of one number.
    """

    class State(models.TextChoices):
        UNKNOWN = "unknown", _("unknown")
        OPEN = "open", _("connected")
        CONNECTING = "connecting", _("connecting")
        CLOSE = "close", _("disconnected")

    store = models.ForeignKey(Store, models.PROTECT, verbose_name=_("store"), related_name="instances")
    name = models.CharField(
        _("name"), max_length=100, unique=True, help_text=_("Exactly as it is called in the Evolution API.")
    )
    is_default = models.BooleanField(_("default instance of the store"), default=False)
    messages_per_minute = models.PositiveSmallIntegerField(
        _("messages per minute"), default=20, help_text=_("The pace that protects the number from a ban. 0: no limit.")
    )
    daily_cap = models.PositiveIntegerField(
        _("messages in 24 hours"),
        default=0,
        help_text=_("What exceeds it waits until the limit allows it. 0: no limit."),
    )
    state = models.CharField(_("connection"), max_length=20, choices=State, default=State.UNKNOWN, editable=False)
    next_send_at = models.DateTimeField(_("next message not before"), db_default=Now(), editable=False)
    slot_token = models.UUIDField(null=True, editable=False)
    slot_until = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveSmallIntegerField(db_default=0, default=0, editable=False)
    failed_recipient = models.CharField(max_length=16, db_default="", default="", editable=False)
    held_at = models.DateTimeField(_("held since"), null=True, editable=False)
    held_code = models.CharField(max_length=40, db_default="", default="", editable=False)
    held_reason = models.CharField(_("why it is held"), max_length=500, db_default="", default="", editable=False)
    probe_at = models.DateTimeField(_("next probe"), null=True, editable=False)
    probes = models.PositiveIntegerField(db_default=0, default=0, editable=False)

    class Meta:
        verbose_name = _("Evolution instance")
        verbose_name_plural = _("Evolution instances")
        ordering = ("name",)
        permissions = (("release_evolutioninstance", "Can let a held instance send again"),)
        constraints = (
            models.UniqueConstraint(
                fields=["store"],
                condition=Q(is_default=True),
                name="instance_one_default_per_store",
                violation_error_message=_("This store already has a default instance."),
            ),
            models.CheckConstraint(
                condition=Q(slot_token__isnull=True, slot_until__isnull=True)
                | Q(slot_token__isnull=False, slot_until__isnull=False),
                name="instance_slot_whole",
            ),
            models.CheckConstraint(
                condition=Q(held_at__isnull=True, probe_at__isnull=True, held_code="")
                | Q(held_at__isnull=False, probe_at__isnull=False) & ~Q(held_code=""),
                name="instance_hold_whole",
            ),
        )

    def __str__(self) -> str:
        return self.name


class NotificationLog(models.Model):
    """One message to one customer: what is to be said, to whom, and what became of it.

    Times that decide anything (`next_attempt_at`, `lease_until`, `expires_at`) are the database's clock.
    """

    class Status(models.TextChoices):
        PENDING = "pending", _("pending")
        SENDING = "sending", _("sending")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        UNKNOWN = "unknown", _("unknown outcome")
        SKIPPED = "skipped", _("skipped")
        CANCELLED = "cancelled", _("cancelled")

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

    class Meta:
        # Not translated: staff and guides find it as "Notification Logs" in every language.
        verbose_name = "Notification Log"
        verbose_name_plural = "Notification Logs"
        ordering = ("-created_at", "-pk")
        permissions = (
            ("resend_notificationlog", "Can send a message again"),
            ("cancel_notificationlog", "Can cancel a waiting message"),
        )
        indexes = (
            models.Index(fields=["-created_at", "-id"], name="notification_newest_first"),
            models.Index(
                fields=["instance", "next_attempt_at", "id"],
                condition=Q(status="pending"),
                name="notification_due_by_instance",
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

    @property
    def snapshot_order_code(self) -> str:
        """The order's code as the snapshot has it; empty for a message without an order."""
        return str(self.snapshot.get("order", {}).get("code", ""))


def earlier_unfinished() -> Exists:
    """Whether a message of an earlier event of the same order is unfinished: that one goes first."""
    return Exists(
        NotificationLog.objects.filter(
            order_id=OuterRef("order_id"),
            order_event_id__lt=OuterRef("order_event_id"),
            status__in=NotificationLog.UNFINISHED,
        )
    )


class DeliveryAttempt(models.Model):
    """One send, or one look-up of a send whose outcome is unknown, at the gateway.

    A send is written before its request and completed after the answer: without `outcome` its worker died, or is
    still in the call. `provider_message_id` is the message that a send or a look-up brought to light.
    """

    class Kind(models.TextChoices):
        SEND = "send", _("send")
        LOOK_UP = "look_up", _("look-up")

    class Result(models.TextChoices):
        SENT = "sent", _("accepted by the gateway")
        PERMANENT = "permanent", _("refused for good")
        RETRYABLE = "retryable", _("not sent, will be retried")
        INSTANCE_DOWN = "instance_down", _("not sent, instance down")
        UNKNOWN = "unknown", _("unknown outcome")
        FOUND = "found", _("found: it was sent")
        NOT_FOUND = "not_found", _("not found")
        NO_ANSWER = "no_answer", _("could not be looked up")

    kind = models.CharField(_("what"), max_length=10, choices=Kind, default=Kind.SEND, db_default=Kind.SEND)
    notification = models.ForeignKey(NotificationLog, models.CASCADE, related_name="delivery_attempts")
    claim_token = models.UUIDField(editable=False)
    started_at = models.DateTimeField(_("when"), db_default=Now())
    duration = models.DurationField(_("how long"), null=True)
    outcome = models.CharField(_("outcome"), max_length=20, choices=Result, blank=True)
    error_code = models.CharField(_("error code"), max_length=40, blank=True)
    http_status = models.PositiveSmallIntegerField(_("HTTP status"), null=True)
    response_body = models.TextField(_("response"), blank=True)
    provider_message_id = models.CharField(
        _("gateway's message id"), max_length=100, blank=True, default="", db_default=""
    )

    class Meta:
        verbose_name = _("delivery attempt")
        verbose_name_plural = _("delivery attempts")
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{self.notification_id} @ {self.started_at:%H:%M:%S}"
