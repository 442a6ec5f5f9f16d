"""What an operation would break in the version that still runs, or after a roll-back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.db import migrations as ops
from django.db.models import NOT_PROVIDED, BaseConstraint, CheckConstraint, GeneratedField, Q, UniqueConstraint
from django.utils.translation import gettext as _

from flowlog.operations.migrationcheck.steps import Step

_INTEGERS = ("smallint", "integer", "bigint")


def breaks(step: Step) -> Iterator[str]:
    """What the version that knows `step.known` would meet in vain. Of what it does not know it misses nothing."""
    operation: Any = step.operation
    model = step.known.models.get((step.app, step.model_name))
    if model is None:
        return
    if isinstance(operation, ops.RemoveField | ops.AlterField | ops.RenameField):
        name = operation.old_name if isinstance(operation, ops.RenameField) else operation.name
        if name not in model.fields:
            return
    if name := _removed(operation):
        yield _("removes %(name)s, which code without it still reads") % {"name": name}
    if name := _renamed(step, operation):
        yield _("renames %(name)s, which code without it still reads") % {"name": name}
    yield from _demands(step, operation)


def _removed(operation: Any) -> str:
    if isinstance(operation, ops.RemoveField):
        return f"{operation.model_name}.{operation.name}"
    return str(operation.name) if isinstance(operation, ops.DeleteModel) else ""


def _renamed(step: Step, operation: Any) -> str:
    match operation:
        case ops.RenameField():
            old = step.model(operation.model_name, old=True)._meta.get_field(operation.old_name)
            new = step.model(operation.model_name)._meta.get_field(operation.new_name)
            renamed = old.many_to_many or old.column != new.column
            return f"{operation.model_name}.{operation.old_name}" if renamed else ""
        case ops.RenameModel():
            return str(operation.old_name)
        case ops.AlterModelTable():
            old, new = step.model(operation.name, old=True)._meta.db_table, step.model(operation.name)._meta.db_table
            return str(operation.name) if old != new else ""
        case _:
            return ""


def _demands(step: Step, operation: Any) -> Iterator[str]:
    """What is asked of each row from now on."""
    unique = _("makes %(name)s unique, which rows of code without it may violate")
    match operation:
        case ops.AddField():
            yield from _new_field(step.model(operation.model_name)._meta.get_field(operation.name), operation)
        case ops.AlterField():
            name = f"{operation.model_name}.{operation.name}"
            yield from (words % {"name": name} for words in _changed_field(*step.fields()))
        case ops.AddConstraint() if not _holds_by_itself(step, operation.constraint):
            words = _("adds the constraint %(name)s, which rows of code without it may violate")
            yield words % {"name": operation.constraint.name}
        case ops.AlterUniqueTogether():
            for fields in sorted(new_together(step)):
                yield unique % {"name": f"{operation.name} ({', '.join(fields)})"}


def _holds_by_itself(step: Step, constraint: BaseConstraint) -> bool:
    """Whether rows of code without it fulfil it: they have in the new fields what all rows got there, or that code has
    a constraint of its own that asks for more."""
    model = step.known.models[step.app, step.model_name]
    known = model.fields
    match constraint:
        case CheckConstraint(condition=Q() as condition):
            others = model.options.get("constraints", ())
            is_weaker = any(isinstance(each, CheckConstraint) and _lets_through(condition, each) for each in others)
            return is_weaker or not condition.referenced_base_fields & known.keys()
        case UniqueConstraint():
            new = [step.model(step.model_name)._meta.get_field(name) for name in constraint.fields if name not in known]
            is_null = any(field.null and field.db_default is NOT_PROVIDED for field in new)
            return (is_null and constraint.nulls_distinct is not False) or _leaves_out(constraint.condition, new)
        case _:
            return False


def _leaves_out(condition: Q | None, new: list[Any]) -> bool:
    """Whether it is that one of the fields is not what the database gives to all rows."""
    if condition is None or not condition.negated or len(condition.children) != 1:
        return False
    return any(condition.children == [(field.name, field.db_default)] for field in new)


def _lets_through(condition: Q, stricter: CheckConstraint) -> bool:
    """Whether it is that constraint's condition OR another one."""
    asked = stricter.condition
    if not isinstance(asked, Q) or condition.connector != Q.OR or condition.negated or asked.negated:
        return False
    ways = asked.children if asked.connector == Q.OR or len(asked) == 1 else [asked]
    return all(way in condition.children for way in ways)


def new_together(step: Step) -> set[tuple[str, ...]]:
    """Which fields an AlterUniqueTogether makes unique."""
    was, becomes = (set(step.model(step.model_name, old=old)._meta.unique_together) for old in (True, False))
    return becomes - was


def _new_field(field: Any, operation: Any) -> Iterator[str]:
    if field.many_to_many or isinstance(field, GeneratedField):
        return
    name = {"name": f"{operation.model_name}.{operation.name}"}
    has_default = field.db_default is not NOT_PROVIDED
    if not (field.null or field.primary_key or has_default):
        yield _("adds %(name)s without a default of the database: code without it cannot insert rows") % name
    elif field.unique and has_default and not is_volatile(field.db_default):
        yield _("makes %(name)s unique, which rows of code without it may violate") % name


def _changed_field(old: Any, new: Any) -> Iterator[str]:
    """In words that lack the field's name."""
    if old.many_to_many or new.many_to_many:
        return
    if old.column != new.column:
        yield _("renames %(name)s, which code without it still reads")
    if not only_widens(old, new):
        yield _("changes the type of %(name)s, which code without it still reads and writes")
    if old.null and not new.null:
        yield _("forbids NULL in %(name)s, which code without it may still write")
    if not new.null and old.db_default is not NOT_PROVIDED and new.db_default is NOT_PROVIDED:
        yield _("takes the database's default of %(name)s away: code without it cannot insert rows")
    if new.unique and not old.unique:
        yield _("makes %(name)s unique, which rows of code without it may violate")
    if _refers_to(new) not in {"", _refers_to(old)}:
        yield _("gives %(name)s another foreign key, which rows of code without it may violate")


def _refers_to(field: Any) -> str:
    return str(field.remote_field.model._meta.label) if field.remote_field and field.db_constraint else ""


def only_widens(old: Any, new: Any) -> bool:
    """Whether all that fits the old field fits the new one: the same type, a longer varchar, a bigger integer."""
    was, becomes = (str(field.db_type(connection)) for field in (old, new))
    if was == becomes:
        return True
    if was in _INTEGERS and becomes in _INTEGERS:
        return _INTEGERS.index(was) <= _INTEGERS.index(becomes)
    return widens_text(old, new)


def widens_text(old: Any, new: Any) -> bool:
    """Whether PostgreSQL changes the type without touching the rows: a longer varchar, or text instead of it."""
    was, becomes = (str(field.db_type(connection)) for field in (old, new))
    if not was.startswith("varchar") or not becomes.startswith(("varchar", "text")):
        return False
    (had, has) = (re.search(r"\((\d+)\)", each) for each in (was, becomes))
    return has is None or (had is not None and int(has[1]) >= int(had[1]))


def is_volatile(default: Any) -> bool:
    """Whether a default's value differs from row to row."""
    text = str(default).lower()
    return any(name in text for name in ("random", "uuid", "clock_timestamp", "nextval"))
