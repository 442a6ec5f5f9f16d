"""A store's connection to a system that tells us news."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from flowlog.secrets_at_rest import EncryptedTextField, Unreadable
from flowlog.staffpages.stores import StorePath
from orders.models import Store

logger = logging.getLogger(__name__)

_STATUS_LENGTH = 60
REASON_LENGTH, ID_LENGTH, NUMBER_LENGTH = 500, 100, 60


def new_token() -> str:
    """The part of the address that nobody guesses."""
    return secrets.token_urlsafe(24)


def check_statuses(mapping: Any, meanings: type[models.TextChoices]) -> None:
    """Raise `ValidationError` unless the mapping is from the sender's words to these meanings."""
    if not isinstance(mapping, dict):
        raise ValidationError(_("The mapping must be from statuses to meanings."))
    for status, meaning in mapping.items():
        if not 0 < len(status) <= _STATUS_LENGTH or meaning not in meanings:
            raise ValidationError(_("“%(status)s” has no such meaning."), params={"status": status[:_STATUS_LENGTH]})


class Refusal(models.TextChoices):
    """Why a request was not believed, or not read."""

    SIGNATURE = "signature", gettext_lazy("the signature is wrong")
    TOO_LARGE = "too_large", gettext_lazy("it is too large")


class Connection(models.Model):
    """One store's way in from a system; the model that inherits this has its `mapping` as well.

    Whoever has the address may try to tell news; that it is the system's its `credentials` prove, texts by name, which
    are encrypted together. `mapping` says what the system's statuses mean where that is not what they usually do.

    What was not believed is counted in `refused`; `refused_why` says it of the last. While no key of the installation
    reads the credentials, since `unreadable_since`, nobody can be believed.

    One worker at a time works its news off, until `busy_until`; one that is over is when the last turn ended. Before
    `calls_from` its system is not called. At `poll_due_at` it is asked for changes since `polled_at`. What `last_error`
    says lasts until news is taken in.
    """

    store_path: StorePath = "store"
    # The beginning of its address.
    path = ""

    store = models.ForeignKey(Store, models.PROTECT, verbose_name=gettext_lazy("store"), related_name="+")
    source = models.CharField(gettext_lazy("system"), max_length=30)
    name = models.CharField(gettext_lazy("name"), max_length=60)
    token = models.CharField(max_length=64, unique=True, default=new_token, editable=False)
    credentials = EncryptedTextField(gettext_lazy("credentials"), blank=True, default="", editable=False)
    is_on = models.BooleanField(
        gettext_lazy("on"),
        default=True,
        help_text=gettext_lazy("Off, its news is kept and nothing is made of it."),
    )
    last_news_at = models.DateTimeField(gettext_lazy("last news"), null=True, editable=False)
    last_error = models.CharField(
        gettext_lazy("trouble"), max_length=REASON_LENGTH, blank=True, default="", editable=False
    )
    refused = models.PositiveIntegerField(gettext_lazy("refused"), default=0, editable=False)
    refused_at = models.DateTimeField(null=True, editable=False)
    refused_why = models.CharField(
        max_length=20, choices=Refusal, blank=True, default="", db_default="", editable=False
    )
    unreadable_since = models.DateTimeField(null=True, editable=False)
    busy_until = models.DateTimeField(null=True, editable=False)
    calls_from = models.DateTimeField(null=True, editable=False)
    polled_at = models.DateTimeField(null=True, editable=False)
    poll_due_at = models.DateTimeField(db_default=Now(), editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name

    @classmethod
    def only_asked(cls) -> tuple[str, ...]:
        """The sources that tell nothing by themselves: none, unless the model that inherits this says so."""
        return ()

    @property
    def address(self) -> str:
        """Where its news is to be sent: a secret of its own."""
        return f"{settings.SITE_URL}{self.path}{self.source}/{self.token}/"

    def reveal(self) -> dict[str, str]:
        """The credentials for whoever needs them; none are empty. Raises `Unreadable`."""
        kept = self.credentials.reveal()
        return json.loads(kept) if kept else {}

    def readable(self) -> dict[str, str] | None:
        """The same; None while they cannot be read, since when stands in the row."""
        row = type(self)._default_manager.filter(pk=self.pk)
        try:
            found = self.reveal()
        except Unreadable as error:
            logger.error("Connection %s (%s): %s", self.pk, self.source, error)
            row.filter(unreadable_since__isnull=True).update(unreadable_since=Now())
            return None
        if self.unreadable_since:
            row.update(unreadable_since=None)
        return found

    def keep(self, credentials: Mapping[str, str]) -> None:
        """Have these credentials from now on; the row is not saved by it."""
        self.credentials = json.dumps({name: text for name, text in credentials.items() if text})
