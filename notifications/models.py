"""The words in which a store tells its customers what it tells them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Func, JSONField, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext_lazy as _

from flowlog.staffpages.stores import StorePath
from integrations.messages.kinds import kind_words
from integrations.messages.snapshot import store_of_outer_row
from integrations.models import NotificationLog
from orders.models import Store


class MessageText(models.Model):
    """One version of a store's own text for a kind of message. The newest counts; an empty one is the default's return.

    Written by `notifications.own_texts` alone, and never changed.
    """

    store_path: StorePath = "store"

    store = models.ForeignKey(Store, models.CASCADE, related_name="message_texts", verbose_name=_("store"))
    event = models.CharField(_("event"), max_length=40)
    text = models.TextField(_("text"), blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("who")
    )
    # Who it was stays known when the account is gone.
    author_name = models.CharField(_("who"), max_length=150, blank=True)
    at: models.DateTimeField[Any, datetime] = models.DateTimeField(_("when"), db_default=Now())

    class Meta:
        verbose_name = _("message text")
        verbose_name_plural = _("message texts")
        ordering = ("-pk",)
        default_permissions = ("view", "change")
        indexes = (models.Index(fields=["event", "store", "-id"], name="message_text_newest"),)

    def __str__(self) -> str:
        return f"{kind_words(self.event)} · {self.store}"


def with_texts(rows: QuerySet[NotificationLog]) -> QuerySet[NotificationLog]:
    """The rows with the own text of their snapshot's store for their kind; empty where it has none."""
    as_in_snapshot = Func(F("store_id"), function="to_jsonb", output_field=JSONField())
    versions = MessageText.objects.alias(written=as_in_snapshot).filter(
        event=OuterRef("event"), written=store_of_outer_row()
    )
    return rows.annotate(
        own_text=Coalesce(Subquery(versions.order_by("-pk").values("text")[:1]), Value("", models.TextField()))
    )


def own_text_of(row: NotificationLog) -> str:
    """The own text of one row, which need not be of `with_texts`; then one query."""
    known: str | None = getattr(row, "own_text", None)
    if known is None:
        known = str(with_texts(NotificationLog.objects.filter(pk=row.pk)).get().own_text)  # type: ignore[attr-defined]
        row.own_text = known  # type: ignore[attr-defined]
    return known
