"""Where each figure of the first page begins: the rows that a person may see."""

from __future__ import annotations

from typing import Any

from django.db.models import Model, QuerySet

from flowlog.staffpages.stores import within


def of[M: Model](model: type[M], user: Any) -> QuerySet[M]:
    """The model's rows for this person."""
    return within(model._default_manager.all(), user)
