"""The calls to the gateway, one row each."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from integrations.messages.log import NotificationLog


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
        # For the nightly look for what is too old: most nights that is little, and the table the largest of all.
        indexes = (models.Index(fields=["started_at"], name="attempt_oldest_first"),)

    def __str__(self) -> str:
        return f"{self.notification_id} @ {self.started_at:%H:%M:%S}"
