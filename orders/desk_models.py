"""What the desk writes down beside the orders themselves: notes, and work on many orders that goes on by itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class OrderNote(models.Model):
    """What somebody of the shop noted about an order, for the others. No customer is told, and no snapshot has it."""

    LENGTH = 1000

    order = models.ForeignKey("orders.Order", models.CASCADE, related_name="internal_notes", verbose_name=_("order"))
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", db_index=False, verbose_name=_("who")
    )
    text = models.CharField(_("note"), max_length=LENGTH)
    at: models.DateTimeField[Any, datetime] = models.DateTimeField(_("when"), db_default=Now())

    class Meta:
        app_label = "orders"
        verbose_name = _("internal note")
        verbose_name_plural = _("internal notes")
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.order_id} @ {self.at:%Y-%m-%d %H:%M:%S}"


class BulkJob(models.Model):
    """One transition of many orders, applied in chunks by `orders.bulk`.

    Where it was `stopped`, it is finished, and the rest of the orders stays as it is.

    `orders` are their ids; the first `position` of them are through: `applied` were changed, and `refusals` has of each
    other its code and the sentence why. `each` has what is one order's alone, by its id, beside the `data` of all.
    """

    class Stopped(models.TextChoices):
        BY_HAND = "by_hand"
        ACTOR_MAY_NOT = "actor_may_not"

    transition = models.CharField(_("what"), max_length=30)
    data = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    each = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    notify = models.BooleanField(default=True, db_default=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", db_index=False, verbose_name=_("who")
    )
    orders = ArrayField(models.BigIntegerField())
    position = models.PositiveIntegerField(default=0, db_default=0)
    applied = models.PositiveIntegerField(default=0, db_default=0)
    refusals = models.JSONField(default=list, db_default=Value([], models.JSONField()))
    created_at = models.DateTimeField(_("created"), db_default=Now())
    moved_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(_("finished"), null=True)
    stopped = models.CharField(max_length=20, choices=Stopped, blank=True, default="", db_default="")

    class Meta:
        app_label = "orders"
        verbose_name = _("bulk change")
        verbose_name_plural = _("bulk changes")
        ordering = ("-pk",)
        indexes = (
            models.Index(fields=["moved_at"], condition=Q(finished_at__isnull=True), name="bulk_job_unfinished"),
        )

    def __str__(self) -> str:
        return f"{self.transition} × {len(self.orders)}"

    @property
    def total(self) -> int:
        return len(self.orders)
