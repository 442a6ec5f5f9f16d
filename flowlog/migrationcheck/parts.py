"""The parts that a migration makes or removes, each compared with what the database has already."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.migrations import operations as ops
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import CheckConstraint, Index, UniqueConstraint
from django.utils.translation import gettext as _

from flowlog.migrationcheck import catalog


@dataclass(frozen=True, slots=True)
class Part:
    """One table, column, index or constraint. `make` is the SQL that brings it to what the migration wants.

    `done` says that it is as the migration will leave it; `begun` that somebody has made it, but otherwise. `removed`
    names what it takes away, if it does.
    """

    name: str
    done: bool
    begun: str = ""
    make: tuple[str, ...] = ()
    removed: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of a migration, with the models before the migration, before the operation, and after it."""

    app: str
    operation: Operation
    start: ProjectState
    before: ProjectState
    after: ProjectState

    def sql(self) -> tuple[str, ...]:
        """What the operation would execute."""
        with connection.schema_editor(collect_sql=True, atomic=False) as editor:
            self.operation.database_forwards(self.app, editor, self.before, self.after)
        return tuple(editor.collected_sql)

    def model(self, name: str, *, old: bool = False) -> Any:
        """The model of that name after the operation, or before it."""
        return (self.before if old else self.after).apps.get_model(self.app, name)


def unseen(operation: Operation) -> bool:
    """Whether the operation's doing cannot be seen in the catalogue: it runs code or SQL of its own."""
    return isinstance(operation, ops.RunPython | ops.RunSQL)


def parts(step: Step, to_come: set[str]) -> list[Part]:
    """What the operation changes in the database; nothing for one that only changes Django's view.

    `to_come` are the names that earlier pending operations will make, so that their absence means nothing; those that
    this one makes are added.
    """
    operation: Any = step.operation
    for kind, look in _LOOKS.items():
        if isinstance(operation, kind):
            found = list(look(step))
            to_come.update(part.name for part in found if not part.done)
            return [part for part in found if not (part.removed and part.removed in to_come)]
    return []


def _created_model(step: Step) -> Iterator[Part]:
    operation: Any = step.operation
    yield from _table(step, step.model(operation.name))


def _deleted_model(step: Step) -> Iterator[Part]:
    operation: Any = step.operation
    name = _table_name(step.model(operation.name, old=True)._meta.db_table)
    gone = not catalog.has_table(step.model(operation.name, old=True)._meta.db_table)
    yield _removal(step, name, gone=gone)


def _removed_object(step: Step) -> Iterator[Part]:
    operation: Any = step.operation
    if catalog.has_table(step.model(operation.model_name, old=True)._meta.db_table):
        gone = not catalog.has_index_or_constraint(operation.name)
        yield _removal(step, _object_name(operation.name), gone=gone)


def _removal(step: Step, name: str, *, gone: bool) -> Part:
    return Part(_("removal of %(name)s") % {"name": name}, gone, make=() if gone else step.sql(), removed=name)


def _table(step: Step, model: Any) -> Iterator[Part]:
    meta = model._meta
    if meta.proxy or not meta.managed:
        return
    name = _table_name(meta.db_table)
    if not catalog.has_table(meta.db_table):
        yield Part(name, done=False, make=step.sql())
        return
    yield Part(name, done=True)
    for field in meta.local_concrete_fields:
        yield _column(meta.db_table, field, _sql_of("add_field", model, field))
    for made in meta.local_many_to_many:
        yield from _table(step, made.remote_field.through)
    for index in meta.indexes:
        yield _object(model, index, _sql_of("add_index", model, index))
    for constraint in meta.constraints:
        yield _object(model, constraint, _sql_of("add_constraint", model, constraint))


def _added_field(step: Step) -> Iterator[Part]:
    operation: Any = step.operation
    model = step.model(operation.model_name)
    field = model._meta.get_field(operation.name)
    if field.many_to_many:
        yield from _table(step, field.remote_field.through)
    elif field.column:
        yield _column(model._meta.db_table, field, step.sql())


def _altered_field(step: Step) -> Iterator[Part]:
    operation: Any = step.operation
    old_model, model = step.model(operation.model_name, old=True), step.model(operation.model_name)
    old, new = old_model._meta.get_field(operation.name), model._meta.get_field(operation.name)
    if new.many_to_many or catalog.Column.of(old) == catalog.Column.of(new):
        return
    name = _column_name(model._meta.db_table, new.column)
    yield Part(name, catalog.column(model._meta.db_table, new.column) == catalog.Column.of(new), make=step.sql())


def _removed_field(step: Step) -> Iterator[Part]:
    operation: Any = step.operation
    model = step.model(operation.model_name, old=True)
    field = model._meta.get_field(operation.name)
    if not field.many_to_many and catalog.has_table(model._meta.db_table):
        gone = catalog.column(model._meta.db_table, field.column) is None
        yield _removal(step, _column_name(model._meta.db_table, field.column), gone=gone)


def _renamed_field(step: Step) -> Iterator[Part]:
    operation: Any = step.operation
    model = step.model(operation.model_name)
    table = model._meta.db_table
    old = step.model(operation.model_name, old=True)._meta.get_field(operation.old_name)
    new = model._meta.get_field(operation.new_name)
    if old.column != new.column:
        done = catalog.column(table, new.column) is not None and catalog.column(table, old.column) is None
        yield Part(_column_name(table, new.column), done, make=step.sql())


def _column(table: str, field: Any, make: tuple[str, ...]) -> Part:
    name, wanted = _column_name(table, field.column), catalog.Column.of(field)
    found = catalog.column(table, field.column)
    if found is None:
        return Part(name, done=False, make=make)
    differs, mend = _differences(table, field, found, wanted)
    return Part(name, not differs, begun="; ".join(differs), make=tuple(mend))


def _differences(table: str, field: Any, found: catalog.Column, wanted: catalog.Column) -> tuple[list[str], list[str]]:
    """In what the column is not as it should be, and the SQL that mends it. A default too many does no harm."""
    quote = connection.ops.quote_name
    name = quote(field.column)
    alter = f"ALTER TABLE {quote(table)} ALTER COLUMN {name}"
    differs, mend = [], []
    if found.type != wanted.type:
        differs.append(_("type %(found)s instead of %(wanted)s") % {"found": found.type, "wanted": wanted.type})
        mend.append(f"{alter} TYPE {wanted.type} USING {name}::{wanted.type};")
    if found.null and not wanted.null:
        differs.append(_("takes NULL"))
        mend.append(f"{alter} SET NOT NULL;")
    if wanted.null and not found.null:
        differs.append(_("does not take NULL"))
        mend.append(f"{alter} DROP NOT NULL;")
    if wanted.default and not found.default:
        differs.append(_("has no default"))
        mend.append(f"{alter} {_default_sql(field)};")
    return differs, mend


def _default_sql(field: Any) -> str:
    if not catalog.has_default(field):
        return "ADD GENERATED BY DEFAULT AS IDENTITY"
    with connection.schema_editor(collect_sql=True, atomic=False) as editor:
        sql, parameters = editor.db_default_sql(field)
        return f"SET DEFAULT {sql % tuple(map(editor.quote_value, parameters))}"


def _added_object(step: Step) -> Iterator[Part]:
    operation: Any = step.operation
    thing = operation.index if isinstance(operation, ops.AddIndex) else operation.constraint
    yield _object(step.model(operation.model_name), thing, step.sql())


def _object(model: Any, thing: Any, make: tuple[str, ...]) -> Part:
    name = _object_name(thing.name)
    found = catalog.index_or_constraint(model._meta.db_table, thing.name)
    if found is None:
        return Part(name, done=False, make=make)
    differs = list(_object_differences(model, thing, found))
    if not differs:
        return Part(name, done=True)
    drop = _sql_of("remove_index" if isinstance(thing, Index) else "remove_constraint", model, thing)
    return Part(name, done=False, begun="; ".join(differs), make=(*drop, *make))


def _object_differences(model: Any, thing: Any, found: catalog.Object) -> Iterator[str]:
    """In what an index or constraint of this name is another one. Expressions cannot be compared."""
    if isinstance(thing, CheckConstraint):
        if not found.check:
            yield _("checks nothing")
        return
    columns = tuple(model._meta.get_field(field.removeprefix("-")).column for field in thing.fields)
    if columns and found.columns != columns:
        there, wanted = ", ".join(map(str, found.columns)), ", ".join(columns)
        yield _("is of %(found)s instead of %(wanted)s") % {"found": there, "wanted": wanted}
    if found.unique != isinstance(thing, UniqueConstraint):
        yield _("is unique") if found.unique else _("is not unique")
    if found.partial != (thing.condition is not None):
        yield _("has a condition") if found.partial else _("has no condition")


def _table_name(table: str) -> str:
    return _("table %(name)s") % {"name": table}


def _object_name(name: str) -> str:
    return _("index or constraint %(name)s") % {"name": name}


def _column_name(table: str, column: str) -> str:
    return _("column %(table)s.%(column)s") % {"table": table, "column": column}


def _sql_of(method: str, model: Any, thing: Any) -> tuple[str, ...]:
    with connection.schema_editor(collect_sql=True, atomic=False) as editor:
        getattr(editor, method)(model, thing)
    return tuple(editor.collected_sql)


_LOOKS: dict[type[Operation], Callable[[Step], Iterator[Part]]] = {
    ops.CreateModel: _created_model,
    ops.DeleteModel: _deleted_model,
    ops.AddField: _added_field,
    ops.AlterField: _altered_field,
    ops.RemoveField: _removed_field,
    ops.RenameField: _renamed_field,
    ops.AddIndex: _added_object,
    ops.AddConstraint: _added_object,
    ops.RemoveIndex: _removed_object,
    ops.RemoveConstraint: _removed_object,
}
