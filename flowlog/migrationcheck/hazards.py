"""What an operation would do to a system at work: lock or rewrite a big table, or break the version that still runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import connection
from django.db.migrations import operations as ops
from django.db.models import NOT_PROVIDED, GeneratedField, UniqueConstraint
from django.utils.translation import gettext as _

from flowlog.migrationcheck import catalog
from flowlog.migrationcheck.parts import Step

# Functions whose value differs from row to row: as a default they make PostgreSQL rewrite the table.
_VOLATILE = ("random", "gen_random_uuid", "uuid", "clock_timestamp", "nextval")


def breaks(step: Step) -> Iterator[str]:
    """What the version before would meet in vain, as long as it runs, and again after a roll-back.

    Of a model that the migration itself makes it knows nothing.
    """
    operation: Any = step.operation
    model = (
        getattr(operation, "model_name", None) or getattr(operation, "old_name", None) or getattr(operation, "name", "")
    )
    if (step.app, str(model).lower()) in step.start.models:
        yield from _breaks(step, operation)


def _breaks(step: Step, operation: Any) -> Iterator[str]:
    match operation:
        case ops.RemoveField():
            yield _("removes %(name)s, which the running version still reads") % {
                "name": f"{operation.model_name}.{operation.name}"
            }
        case ops.DeleteModel():
            yield _("removes %(name)s, which the running version still reads") % {"name": operation.name}
        case ops.RenameField():
            yield _("renames %(name)s, which the running version still reads") % {
                "name": f"{operation.model_name}.{operation.old_name}"
            }
        case ops.RenameModel():
            yield _("renames %(name)s, which the running version still reads") % {"name": operation.old_name}
        case ops.AlterModelTable():
            yield _("renames %(name)s, which the running version still reads") % {"name": operation.name}
        case ops.AddField():
            field = step.model(operation.model_name)._meta.get_field(operation.name)
            if _must_be_given(field):
                yield _("adds %(name)s without a default of the database: the running version cannot insert rows") % {
                    "name": f"{operation.model_name}.{operation.name}"
                }
        case ops.AlterField():
            old = step.model(operation.model_name, old=True)._meta.get_field(operation.name)
            new = step.model(operation.model_name)._meta.get_field(operation.name)
            if getattr(old, "null", False) and not new.null and new.db_default is NOT_PROVIDED:
                yield _("forbids NULL in %(name)s, which the running version may still write") % {
                    "name": f"{operation.model_name}.{operation.name}"
                }


def _must_be_given(field: Any) -> bool:
    if field.many_to_many or isinstance(field, GeneratedField):
        return False
    return not (field.null or field.primary_key or field.db_default is not NOT_PROVIDED)


def locks(step: Step) -> Iterator[str]:
    """Which big tables would be locked for long, and why."""
    operation: Any = step.operation
    model_name = getattr(operation, "model_name", None)
    if model_name is None:
        return
    table = step.model(model_name, old=True)._meta.db_table
    if not catalog.is_big(table):
        return
    if why := _why_it_locks(step):
        words = _("locks %(table)s (about %(rows)d rows): %(why)s")
        yield words % {"table": table, "rows": catalog.rows(table), "why": why}


def _why_it_locks(step: Step) -> str:
    operation: Any = step.operation
    match operation:
        case AddIndexConcurrently():
            return ""
        case ops.AddIndex():
            return _("an index that is not built CONCURRENTLY")
        case ops.AddConstraint():
            unique = isinstance(operation.constraint, UniqueConstraint)
            return _("a unique constraint builds its index") if unique else _("a constraint checks every row")
        case ops.AddField():
            return _why_a_new_field_locks(step.model(operation.model_name)._meta.get_field(operation.name))
        case ops.AlterField():
            old = step.model(operation.model_name, old=True)._meta.get_field(operation.name)
            new = step.model(operation.model_name)._meta.get_field(operation.name)
            return _why_a_change_locks(old, new)
        case _:
            return ""


def _why_a_new_field_locks(field: Any) -> str:
    if isinstance(field, GeneratedField):
        return _("a generated column rewrites the table")
    if field.db_default is not NOT_PROVIDED and _is_volatile(field.db_default):
        return _("a default that differs from row to row rewrites the table")
    if field.unique or field.db_index or field.remote_field:
        return _("its index or foreign key is built at once")
    return ""


def _is_volatile(default: Any) -> bool:
    text = str(default).lower()
    return any(name in text for name in _VOLATILE)


def _why_a_change_locks(old: Any, new: Any) -> str:
    was, becomes = catalog.Column.of(old), catalog.Column.of(new)
    if was.type != becomes.type and not _only_widens(old, new):
        return _("a change of type rewrites the table")
    if was.null and not becomes.null:
        return _("NOT NULL checks every row")
    return ""


def _only_widens(old: Any, new: Any) -> bool:
    """Whether PostgreSQL changes the type without touching the rows: a longer varchar, or text instead of it."""
    was, becomes = (field.db_type(connection) or "" for field in (old, new))
    if not was.startswith("varchar"):
        return False
    return becomes == "text" or bool(
        becomes.startswith("varchar") and (new.max_length is None or new.max_length >= (old.max_length or 0))
    )
