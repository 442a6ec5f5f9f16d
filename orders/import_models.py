"""A spreadsheet that somebody brings along, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class DataImport(models.Model):
    """A file of orders or customers: uploaded, looked at, confirmed, carried out. See `orders.imports.work`.

    The content goes once it is carried out, or after its time. What was made stays as numbers.
    """

    class Kind(models.TextChoices):
        ORDERS = "orders", _("orders")
        CUSTOMERS = "customers", _("customers")

    class Documents(models.TextChoices):
        """What to do with CPFs whose leading zeros the spreadsheet has eaten."""

        COMPLETE = "complete", _("They are the numbers shown here: put the zeros back")
        LEAVE_OUT = "leave_out", _("I do not know: import without these CPFs and CNPJs")

    kind = models.CharField(max_length=10, choices=Kind)
    # By the database: the release before, which does not know this table, may delete either.
    store = models.ForeignKey("orders.Store", models.DB_CASCADE, related_name="+", verbose_name=_("store"))
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.DB_SET_NULL, null=True, related_name="+")
    source = models.CharField(max_length=30, blank=True, default="", db_default="")
    file_name = models.CharField(max_length=200)
    content = models.BinaryField(null=True)
    notify = models.BooleanField(default=False, db_default=False)
    documents = models.CharField(max_length=10, choices=Documents, blank=True, default="", db_default="")
    created_at: models.DateTimeField[Any, datetime] = models.DateTimeField(db_default=Now())
    confirmed_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    made = models.PositiveIntegerField(default=0, db_default=0)
    known = models.PositiveIntegerField(default=0, db_default=0)
    refusals = models.JSONField(default=list, db_default=Value([], models.JSONField()))

    class Meta:
        app_label = "orders"
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        ordering = ("-pk",)
        indexes = (models.Index(fields=["created_at"], condition=Q(content__isnull=False), name="import_with_content"),)

    def __str__(self) -> str:
        return f"{self.file_name} @ {self.created_at:%Y-%m-%d %H:%M:%S}"
