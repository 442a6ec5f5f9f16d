"""Webhooks as they came, and what customers answered."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from flowlog.staffpages.stores import StorePath
from flowlog.times import moment
from orders.models import Customer, Order

SEND_MESSAGE = "send.message"
MESSAGES_UPDATE = "messages.update"
MESSAGES_UPSERT = "messages.upsert"
MESSAGES_EDITED = "messages.edited"
MESSAGES_DELETE = "messages.delete"
WRITTEN = (MESSAGES_UPSERT, MESSAGES_EDITED, MESSAGES_DELETE)
CONTACT_EVENTS = ("contacts.upsert", "contacts.update")
TOO_LARGE = "flowlog.too_large"
"""Not the gateway's: in its place stands one whose body was too large to be kept."""
META_STATUS = "meta.status"
META_MESSAGE = "meta.message"
"""One receipt, and one message, of those that a request of Meta's has."""
META_OTHER = "meta.other"
WAITS = Q(handled_at__isnull=True, deleted_at__isnull=True) & (Q(customer__isnull=True) | ~Q(wish__in=("out", "in")))
"""Of a reply: that nobody has handled it, and that it is not of those that the system obeys by itself."""
KEEPS_WORDS = ~Q(text="", file_name="", earlier_texts=[], customer__isnull=False)
"""Of a reply: that it has not been erased yet, or nobody knows whose it is."""
CONNECTION_EVENTS = ("connection.update", "status.instance", "logout.instance")


def _of_instances(stores: frozenset[int]) -> Q:
    """Of the instances of these stores; what names none that is known is shown to who has all the stores."""
    instances = apps.get_model("integrations", "EvolutionInstance").objects.filter(store__in=stores)
    return Q(instance_name__in=instances.values("name"))


class WebhookEvent(models.Model):
    """One webhook, stored raw before anything is made of it.

    `source` is the kind of gateway that told it. It is to be worked off at `due_at` as long as it has no
    `processed_at`. `error` says why nothing was made of it.
    """

    store_path: StorePath = _of_instances

    source = models.CharField(_("source"), max_length=20)
    instance_name = models.CharField(_("instance"), max_length=100)
    event = models.CharField(_("event"), max_length=60)
    payload = models.JSONField(_("payload"))
    received_at = models.DateTimeField(_("received"), db_default=Now())
    due_at = models.DateTimeField(db_default=Now(), editable=False)
    processed_at = models.DateTimeField(_("processed"), null=True)
    error = models.CharField(_("error"), max_length=40, blank=True, default="", db_default="")

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        ordering = ("-pk",)
        indexes = (
            models.Index(fields=["due_at", "id"], condition=Q(processed_at__isnull=True), name="webhook_due"),
            models.Index(
                fields=["instance_name", "id"], condition=Q(event__in=CONNECTION_EVENTS), name="webhook_connection"
            ),
            models.Index(
                fields=["instance_name", "received_at"],
                condition=Q(event=SEND_MESSAGE),
                name="webhook_proof_of_sending",
            ),
            # For the nightly look for what is too old. Worked off it is written anew anyway: only then it is indexed.
            models.Index(fields=["received_at"], condition=Q(processed_at__isnull=False), name="webhook_oldest_first"),
        )

    def __str__(self) -> str:
        return f"{self.event} · {moment(self.received_at)}"

    @property
    def data(self) -> dict[str, Any]:
        """What the event is about; empty if that is not an object."""
        data = self.payload.get("data") if isinstance(self.payload, dict) else None
        return data if isinstance(data, dict) else {}


class CustomerReply(models.Model):
    """A message that a customer wrote back: the staff see it in their inbox, on its order's and the customer's page.

    It is open until somebody has `handled` it, see `integrations.inbound.inbox`. `file_name` is what the phone calls
    what was sent: of a document, a contact or a place.

    Without a `customer` nobody knows yet who wrote it: `sender` is then the address, if there is one, and the staff see
    it in the list of answers until somebody has `decided` that it is dealt with. So they do with a `wish` that is
    unsure. The text is the latest; what it was before the customer edited it is in `earlier_texts`.
    """

    store_path: StorePath = ("order__store", "customer__store", "instance__store")

    class Kind(models.TextChoices):
        TEXT = "text", _("text")
        IMAGE = "image", _("picture")
        AUDIO = "audio", _("voice message")
        VIDEO = "video", _("video")
        DOCUMENT = "document", _("document")
        STICKER = "sticker", _("sticker")
        LOCATION = "location", _("location")
        CONTACT = "contact", _("contact")
        OTHER = "other", _("another kind of message")
        TOO_LARGE = "too_large", _("something too large came")

    class Wish(models.TextChoices):
        """What it says about getting messages."""

        NONE = "", _("nothing of messages")
        OUT = "out", _("wants no messages")
        IN = "in", _("wants messages again")
        UNSURE = "unsure", _("perhaps wants no messages")

    TEXT_LENGTH = 1000
    FILE_NAME_LENGTH = 200

    instance = models.ForeignKey(
        "integrations.EvolutionInstance", models.PROTECT, related_name="+", verbose_name=_("instance"), db_index=False
    )
    customer = models.ForeignKey(
        Customer, models.CASCADE, null=True, blank=True, related_name="replies", verbose_name=_("customer")
    )
    order = models.ForeignKey(
        Order, models.CASCADE, null=True, blank=True, related_name="replies", verbose_name=_("order")
    )
    sender = models.CharField(_("sender"), max_length=100, blank=True, default="", db_default="")
    quoted_id = models.CharField(max_length=100, blank=True, default="", db_default="", editable=False)
    provider_message_id = models.CharField(_("gateway's message id"), max_length=100)
    kind = models.CharField(_("what"), max_length=10, choices=Kind)
    text = models.CharField(_("text"), max_length=TEXT_LENGTH, blank=True)
    file_name = models.CharField(_("file"), max_length=FILE_NAME_LENGTH, blank=True, default="", db_default="")
    earlier_texts = models.JSONField(default=list, db_default=Value([], models.JSONField()), editable=False)
    wish = models.CharField(
        _("wish"), max_length=10, choices=Wish, blank=True, default=Wish.NONE, db_default=Wish.NONE, editable=False
    )
    received_at = models.DateTimeField(_("received"))
    written_at = models.DateTimeField(_("written"), null=True, editable=False)
    edited_at = models.DateTimeField(_("edited"), null=True, editable=False)
    deleted_at = models.DateTimeField(_("deleted by the customer"), null=True, editable=False)
    decided_at = models.DateTimeField(_("dealt with"), null=True, editable=False)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=_("dealt with by"),
    )
    handled_at = models.DateTimeField(_("handled"), null=True, editable=False)
    handled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=_("handled by"),
    )

    class Meta:
        verbose_name = _("customer's reply")
        verbose_name_plural = _("customers' replies")
        ordering = ("pk",)
        permissions = (("answer_customerreply", "Can answer a customer"),)
        constraints = (
            # The gateway may tell of one message several times.
            models.UniqueConstraint(fields=["instance", "provider_message_id"], name="reply_once"),
        )
        indexes = (
            models.Index(
                fields=["id"],
                condition=Q(decided_at__isnull=True) & (Q(customer__isnull=True) | Q(wish="unsure")),
                name="reply_to_decide",
            ),
            models.Index(fields=["received_at", "id"], condition=WAITS, name="reply_open"),
            models.Index(fields=["received_at"], condition=KEEPS_WORDS, name="reply_keeps_words"),
        )

    def __str__(self) -> str:
        # Nothing of the customer: the admin's history keeps it.
        return moment(self.received_at)


class LidNumber(models.Model):
    """That a nameless address (`…@lid`) is this number's (E.164), as the gateway told one day.

    Only numbers are kept that we write to. They are forgotten with the texts, and told again by the next receipt.
    """

    instance = models.ForeignKey("integrations.EvolutionInstance", models.CASCADE, related_name="+", db_index=False)
    lid = models.CharField(max_length=40)
    number = models.CharField(max_length=16)
    learned_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (models.UniqueConstraint(fields=["instance", "lid"], name="lid_once"),)

    def __str__(self) -> str:
        return f"{self.lid} @ {self.learned_at:%Y-%m-%d}"
