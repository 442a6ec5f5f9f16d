"""Who may do it, and that they did."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Model

from flowlog.staffpages import stores

logger = logging.getLogger(__name__)


def require(actor: User | None, permission: str, rows: Sequence[Model]) -> None:
    """Raise `PermissionDenied` if the person has not that permission of `integrations`, or does not work for the store
    of one of the rows; the command line may all."""
    if actor is not None and not actor.has_perm(f"integrations.{permission}"):
        raise PermissionDenied
    stores.require(actor, *rows)


def record(actor: User | None, rows: Sequence[Model], done: str) -> None:
    """Put what was `done` into each row's history in the admin; in the log, if it was done from the command line."""
    if actor is not None:
        LogEntry.objects.log_actions(actor.pk, rows, CHANGE, done)
        return
    for row in rows:
        logger.info("%s %s, from the command line: %s", row._meta.object_name, row.pk, done)
