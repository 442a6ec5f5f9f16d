"""Where news goes out to, what is to be told there, and each try to tell it."""

from __future__ import annotations

import base64
import secrets
from datetime import timedelta
from urllib.parse import urlsplit

from django.contrib.postgres.functions import RandomUUID
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from flowlog.secrets_at_rest import EncryptedTextField
from flowlog.staffpages.stores import StorePath
from integrations.sources.calls import is_safe
from orders.models import Order, Store
from outgoing import kinds

SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret begins with
# For so long the secret before signs along with the new one.
ROTATION = timedelta(hours=24)
ANSWER_LENGTH, REASON_LENGTH = 500, 300


def check_url(url: str) -> None:
    """Raise `ValidationError` unless it is an address that may be called: https, without a password in it."""
    try:
        parts = urlsplit(url)
        fits = is_safe(url) and parts.port != 0 and not (parts.username or parts.password or parts.fragment)
    except ValueError:
        fits = False
    if not (fits and url.isascii() and url.isprintable() and " " not in url):
        raise ValidationError(_t("The address must be like https://shop.example.com/flowlog, without a password."))


class Endpoint(models.Model):
    """One address of a shop's own system. Without `kinds` it is told of everything, also of what later releases add.

    Triggers of the database write its events (`0002_triggers`, `0003_planned_once`), while it `is_on`. `former_secret`
    signs along until `former_until`. What `last_error` says lasts until something is delivered.
    """

    store_path: StorePath = "store"

    store = models.ForeignKey(Store, models.PROTECT, related_name="+", verbose_name=_("store"))
    description = models.CharField(_("name"), max_length=60, help_text=_("Which of your systems it is."))
    url = models.CharField(
        _("address"), max_length=500, validators=[check_url], help_text=_("Where the webhooks go: https://…")
    )
    kinds = models.JSONField(_("events"), default=list, blank=True)
    with_phone = models.BooleanField(
        _("with the customer's phone"),
        default=False,
        help_text=_("Only if your system needs it: it is then kept there, too, and erased there by you."),
    )
    secret = EncryptedTextField(editable=False)
    former_secret = EncryptedTextField(editable=False, blank=True, default="")
    former_until = models.DateTimeField(null=True, editable=False)
    is_on = models.BooleanField(
        pgettext_lazy("webhook", "on"),
        default=True,
        help_text=_("Off, nothing is sent there, nor ever told of what happens meanwhile."),
    )
    off_reason = models.CharField(max_length=REASON_LENGTH, blank=True, default="", editable=False)
    last_success_at = models.DateTimeField(_("last success"), null=True, editable=False)
    last_failure_at = models.DateTimeField(_("last failure"), null=True, editable=False)
    last_error = models.CharField(max_length=REASON_LENGTH, blank=True, default="", editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("outgoing webhook")
        verbose_name_plural = _("outgoing webhooks")
        ordering = ("description", "pk")
        default_permissions = ("view", "add", "change")

    def __str__(self) -> str:
        return self.description

    def new_secret(self) -> str:
        """Give it another secret, which is returned to be shown once; the one before signs along for a day.

        The row is not saved by it.
        """
        made = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
        self.former_secret, self.former_until = self.secret, timezone.now() + ROTATION if self.secret else None
        self.secret = made
        return made

    def signing_secrets(self) -> list[str]:
        """Those that sign now, the newest first. Raises `Unreadable`."""
        former = self.former_until is not None and self.former_until > timezone.now()
        return [each.reveal() for each in ([self.secret, self.former_secret] if former else [self.secret])]


class OutgoingEvent(models.Model):
    """One piece of news for one endpoint, of which the oldest that is unfinished goes next.

    `payload` is how the order (and the message) was at that moment; `outgoing.bodies` makes the webhook of it. `since`
    is when it was first, or again, to be told, from which on it is tried for `outgoing.delivery.LIFETIME`. Times are
    the database's clock.
    """

    store_path: StorePath = "endpoint__store"

    class State(models.TextChoices):
        PENDING = "pending", pgettext_lazy("event", "pending")
        SENDING = "sending", pgettext_lazy("event", "sending")
        DELIVERED = "delivered", pgettext_lazy("event", "delivered")
        FAILED = "failed", pgettext_lazy("event", "given up")
        CANCELLED = "cancelled", pgettext_lazy("event", "cancelled")

    UNFINISHED = (State.PENDING, State.SENDING)

    endpoint = models.ForeignKey(Endpoint, models.PROTECT, related_name="events", verbose_name=_("webhook"))
    event_id = models.UUIDField(unique=True, db_default=RandomUUID())
    kind = models.CharField(_("event"), max_length=60)
    # Without a constraint: a message that moves on must not wait for whoever has its order.
    order = models.ForeignKey(
        Order, models.CASCADE, null=True, related_name="+", db_constraint=False, verbose_name=_("order")
    )
    payload = models.JSONField(_("what is told"))
    state = models.CharField(_("state"), max_length=12, choices=State, default=State.PENDING, db_default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0, db_default=0)
    due_at = models.DateTimeField(_("next try"), db_default=Now())
    since = models.DateTimeField(db_default=Now())
    lease_token = models.UUIDField(null=True)
    lease_ends_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(_("when"), db_default=Now())

    class Meta:
        verbose_name = _("sent event")
        verbose_name_plural = _("sent events")
        ordering = ("-pk",)
        default_permissions = ("view",)
        indexes = (
            models.Index(
                fields=["endpoint", "id"], condition=Q(state__in=("pending", "sending")), name="outgoing_unfinished"
            ),
            models.Index(fields=["endpoint"], condition=Q(state="sending"), name="outgoing_in_flight"),
            models.Index(fields=["created_at"], name="outgoing_oldest_first"),
        )
        constraints = (
            models.CheckConstraint(
                condition=Q(state="sending", lease_token__isnull=False, lease_ends_at__isnull=False)
                | ~Q(state="sending") & Q(lease_ends_at__isnull=True),
                name="outgoing_lease_while_sending",
            ),
        )

    def __str__(self) -> str:
        return str(kinds.words_of(self.kind))

    @property
    def type(self) -> str:
        return kinds.type_of(self.kind)

    @property
    def webhook_id(self) -> str:
        """The same at every try, so that a receiver knows what it has had already."""
        return f"evt_{self.event_id.hex}"


class OutgoingAttempt(models.Model):
    """One request and its answer: the beginning of its body, or why none came."""

    event = models.ForeignKey(OutgoingEvent, models.CASCADE, related_name="tries")
    at = models.DateTimeField(_("when"), db_default=Now())
    milliseconds = models.PositiveIntegerField(_("ms"))
    http_status = models.PositiveSmallIntegerField(_("HTTP status"), null=True)
    error = models.CharField(_("what happened"), max_length=REASON_LENGTH, blank=True)
    answer = models.CharField(_("response"), max_length=ANSWER_LENGTH, blank=True)

    class Meta:
        verbose_name = _("delivery attempt")
        verbose_name_plural = _("delivery attempts")
        ordering = ("pk",)
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.event_id} @ {self.at:%H:%M:%S}"
