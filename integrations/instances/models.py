"""The gateway's instances: one WhatsApp number of a store each."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from flowlog.env import is_private, is_web_address
from flowlog.secrets_at_rest import EncryptedTextField, Unreadable
from flowlog.staffpages.stores import StorePath
from integrations.gateways import registry
from orders.models import Store

# A part of its webhook's address; and many a shop has an instance already, called as people call things.
_NAME = re.compile(r"\w([\w .-]*[\w.-])?")


def check_instance_name(name: str) -> None:
    """Raise `ValidationError` unless the gateway and Flowlog can speak of an instance by this name."""
    if not _NAME.fullmatch(name):
        raise ValidationError(_("Use only letters, digits, spaces, dots, - and _ in the instance's name."))


class EvolutionInstance(models.Model):
    """One WhatsApp number of a store, connected to the gateway under this name.

    It sends one message at a time: whoever has its slot (`slot_token`, until `slot_until`). The gateway is asked about
    it by one at a time, too (`question_until`). While it is held nothing is sent but probes, and its connection is
    asked for at `ask_at` if no message could be one; `failures` counts what went wrong in a row and not because of one
    number. `troubled_since` is the start of a hold that somebody ended by hand, until a message shows that it is over.
    """

    store_path: StorePath = "store"

    class State(models.TextChoices):
        UNKNOWN = "unknown", _("unknown")
        OPEN = "open", _("connected")
        CONNECTING = "connecting", _("connecting")
        CLOSE = "close", _("disconnected")

    store = models.ForeignKey(Store, models.PROTECT, verbose_name=_("store"), related_name="instances")
    name = models.CharField(
        _("name"),
        max_length=100,
        unique=True,
        help_text=_(
            "A short name for the system. A number that is connected already keeps the name that it has there."
        ),
    )
    gateway = models.CharField(
        _("gateway"), max_length=20, choices=registry.choices, default="evolution", db_default="evolution"
    )
    api_url = models.CharField(
        _("own address of its server"),
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text=_(
            "Where its gateway is, such as https://evolution2.example.com. Empty: the server of EVOLUTION_API_URL."
        ),
    )
    api_key = EncryptedTextField(
        _("own key"),
        blank=True,
        default="",
        db_default="",
        help_text=_(
            "The key of its server, or the instance's own token. It is stored encrypted and never shown again; left "
            "empty it stays as it is. Without one, EVOLUTION_API_KEY."
        ),
    )
    is_default = models.BooleanField(_("default instance of the store"), default=False)
    messages_per_minute = models.PositiveSmallIntegerField(
        _("messages per minute"),
        default=20,
        help_text=_("20 is one message every 3 seconds, with random pauses. Fewer are safer; 0: no limit."),
    )
    daily_cap = models.PositiveIntegerField(
        _("messages in 24 hours"),
        default=0,
        help_text=_(
            "The most messages of any 24 hours. What exceeds it waits, in its order, until the limit allows it. A "
            "number that is new on WhatsApp should begin with 20 and rise over a month. 0: no limit."
        ),
    )
    state = models.CharField(_("connection"), max_length=20, choices=State, default=State.UNKNOWN, editable=False)
    next_send_at = models.DateTimeField(_("next message not before"), db_default=Now(), editable=False)
    slot_token = models.UUIDField(null=True, editable=False)
    slot_until = models.DateTimeField(null=True, editable=False)
    question_until = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveSmallIntegerField(db_default=0, default=0, editable=False)
    failed_recipient = models.CharField(max_length=16, db_default="", default="", editable=False)
    held_at = models.DateTimeField(_("held since"), null=True, editable=False)
    held_code = models.CharField(max_length=40, db_default="", default="", editable=False)
    held_reason = models.CharField(_("why it is held"), max_length=500, db_default="", default="", editable=False)
    probe_at = models.DateTimeField(_("next probe"), null=True, editable=False)
    probes = models.PositiveIntegerField(db_default=0, default=0, editable=False)
    ask_at = models.DateTimeField(null=True, editable=False)
    troubled_since = models.DateTimeField(null=True, editable=False)
    # None of those from before it was noted: they are not young.
    created_at = models.DateTimeField(_("created"), null=True, db_default=Now(), editable=False)

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
            models.CheckConstraint(condition=Q(api_url="") | ~Q(api_key=""), name="instance_own_server_own_key"),
        )

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Check a new name, and the server of its own; a name that is kept may stay as it is."""
        self._clean_server()
        if self.name and not EvolutionInstance.objects.filter(pk=self.pk, name=self.name).exists():
            try:
                check_instance_name(self.name)
            except ValidationError as error:
                raise ValidationError({"name": error}) from None

    def _clean_server(self) -> None:
        self.api_url = self.api_url.strip().rstrip("/")
        if self.api_url and (not is_web_address(self.api_url) or urlsplit(self.api_url).username is not None):
            raise ValidationError({"api_url": _("Enter an address like https://evolution2.example.com.")})
        if self.api_url and not is_private(self.api_url) and not settings.DEBUG:
            raise ValidationError({"api_url": _("The address must start with https://.")})
        if self.api_url and not self.api_key:
            raise ValidationError(
                {"api_key": _("Another server needs a key of its own: it never gets EVOLUTION_API_KEY.")}
            )
        try:
            key = self.api_key.reveal()
        except Unreadable:
            return
        if not (key.isascii() and key.isprintable()):
            raise ValidationError({"api_key": _("The key must be plain ASCII characters.")})
