"""A spreadsheet that takes longer than anybody waits for a page."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class DataExport(models.Model):
    """What a list shows, written to an XLSX file in the background: see `orders.export_jobs`.

    `query` says what the list's filters and its search were. Of `total` rows `position` are written. The content is
    full of people's data: it is there for its time alone, and for whoever asked for it.
    """

    model = models.CharField(max_length=100)
    query = models.TextField(blank=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.DB_CASCADE, related_name="+")
    total = models.PositiveIntegerField()
    position = models.PositiveIntegerField(default=0, db_default=0)
    content = models.BinaryField(null=True)
    created_at: models.DateTimeField[Any, datetime] = models.DateTimeField(db_default=Now())
    # When its worker last told of itself.
    moved_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "orders"

    def __str__(self) -> str:
        return f"{self.model} × {self.total} @ {self.created_at:%Y-%m-%d %H:%M:%S}"
