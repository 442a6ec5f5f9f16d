"""Which operations lock a big table for long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently
from django.db import connection
from django.db import migrations as ops
from django.db.models import NOT_PROVIDED, GeneratedField, UniqueConstraint
from django.utils.translation import gettext as _

from flowlog.operations.migrationcheck import catalog
from flowlog.operations.migrationcheck.hazards import is_volatile, new_together, widens_text
from flowlog.operations.migrationcheck.steps import Step


def locks(step: Step) -> Iterator[str]:
    """The big table that would be locked for long, and why."""
    if (step.app, step.model_name) not in step.before.models:
        return
    table = step.model(step.model_name, old=True)._meta.db_table
    if catalog.is_big(table) and (why := _why(step, step.operation)):
        words = _("locks %(table)s (about %(rows)d rows): %(why)s")
        yield words % {"table": table, "rows": catalog.rows(table), "why": why}


def _why(step: Step, operation: Any) -> str:
    why = ""
    match operation:
        case AddIndexConcurrently() | AddConstraintNotValid():
            pass
        case ops.AddIndex():
            why = _("an index that is not built CONCURRENTLY")
        case ops.AddConstraint():
            unique = isinstance(operation.constraint, UniqueConstraint)
            why = _("a unique constraint builds its index") if unique else _("a constraint checks every row")
        case ops.AlterUniqueTogether():
            why = _("a unique constraint builds its index") if new_together(step) else ""
        case ops.AddField():
            why = _new_field(step.model(operation.model_name)._meta.get_field(operation.name))
        case ops.AlterField():
            why = _changed_field(*step.fields())
    return why


def _new_field(field: Any) -> str:
    if field.many_to_many:
        return ""
    if isinstance(field, GeneratedField):
        return _("a generated column rewrites the table")
    if field.db_default is not NOT_PROVIDED and is_volatile(field.db_default):
        return _("a default that differs from row to row rewrites the table")
    if field.unique or field.db_index or field.remote_field:
        return _("its index or foreign key is built at once")
    return ""


def _changed_field(old: Any, new: Any) -> str:
    if old.many_to_many or new.many_to_many:
        return ""
    if old.db_type(connection) != new.db_type(connection) and not widens_text(old, new):
        return _("a change of type rewrites the table")
    if old.null and not new.null:
        return _("NOT NULL checks every row")
    if any(getattr(new, what) and not getattr(old, what) for what in ("unique", "db_index", "remote_field")):
        return _("its index or foreign key is built at once")
    return ""
