"""The parts that an operation makes or removes, each compared with what the database has already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations
from django.utils.translation import gettext as _

from flowlog.operations.migrationcheck import catalog, mends
from flowlog.operations.migrationcheck.catalog import Object, Schema, Table
from flowlog.operations.migrationcheck.rehearsal import Change

_RENAMES = (migrations.RenameModel, migrations.RenameField, migrations.RenameIndex, migrations.AlterModelTable)


@dataclass(frozen=True, slots=True)
class SchemaObject:
    """One table, column, index or constraint. `make` is the SQL that brings it to what the migration wants.

    `done` says that it is as the migration will leave it; `partly_applied` how what somebody has made differs;
    `blocked` when no SQL mends that: a person must look at it.
    """

    table: str
    name: str
    done: bool
    partly_applied: str = ""
    make: tuple[str, ...] = ()
    blocked: bool = False
    removes: str = ""
    """The name of what it takes away, if it does."""

    @property
    def about(self) -> str:
        return self.removes or self.name

    @property
    def untouched(self) -> bool:
        return not (self.done or self.partly_applied)


@dataclass(frozen=True, slots=True)
class Context:
    """What the database has, what the pending migrations together make, and what earlier ones still have to."""

    real: Schema
    planned: Sequence[Schema]
    to_come: set[str]

    def plans(self, table: str, thing: str | Object) -> bool:
        """Whether a pending migration makes the column of that name, or the index or constraint, of the table."""
        tables = [schema[table] for schema in self.planned if table in schema]
        if isinstance(thing, str):
            return any(thing in each.columns for each in tables)
        return any(thing in each.objects.values() for each in tables)


def schema_objects(change: Change, context: Context) -> list[SchemaObject]:
    """What the operation changes in the database; nothing for one that only changes Django's view.

    What it changes in something that an earlier one has yet to make is as if nobody had touched it.
    """
    look = _renamed if isinstance(change.step.operation, _RENAMES) else _changed
    found = [_yet_to_come(part, context) for part in look(change, context)]
    context.to_come.update(part.about for part in found if not part.done)
    if found and all(part.untouched for part in found):
        # Then the operation does it best itself.
        found = [replace(part, make=() if number else change.sql) for number, part in enumerate(found)]
    return found


def _yet_to_come(part: SchemaObject, context: Context) -> SchemaObject:
    if not {part.about, _table_name(part.table)} & context.to_come:
        return part
    return replace(part, done=False, partly_applied="", blocked=False)


def _changed(change: Change, context: Context) -> Iterator[SchemaObject]:
    for name, after in change.after.items():
        before = change.before.get(name)
        real = context.real.get(name)
        if before is None and real is None:
            yield SchemaObject(name, _table_name(name), done=False, make=mends.create_table(name, after))
        elif before is None and real is not None:
            yield SchemaObject(name, _table_name(name), done=True)
            yield from _within(change, name, Table(), context)
            yield from _in_excess(name, real, real.columns.keys() - after.columns.keys(), context)
            yield from _refusing(name, after, real, {"", *real.columns}, context)
        elif before is not None and before != after:
            yield from _within(change, name, before, context)
            if real is not None:
                yield from _refusing(name, after, real, after.columns.keys() - before.columns.keys(), context)
    for name in change.before.keys() - change.after.keys():
        yield _removal(name, _table_name(name), mends.drop_table(name), gone=name not in context.real)


def _within(change: Change, name: str, before: Table, context: Context) -> Iterator[SchemaObject]:
    """What becomes of the table's columns, then of its constraints and indexes."""
    after, real = change.after[name], context.real.get(name, Table())
    gone_with_columns = before.columns.keys() - after.columns.keys()
    for column in sorted(gone_with_columns):
        gone = column not in real.columns
        yield _removal(name, _column_name(name, column), mends.drop_column(name, column), gone=gone)
    for column, wanted in after.columns.items():
        if before.columns.get(column) != wanted:
            yield _column(change, name, column, real)
    named = _named(change)
    for title, thing in before.objects.items():
        if after.objects.get(title) != thing and not gone_with_columns & set(thing.columns):
            there = _counterpart(title, thing, real, named=title in named)
            if title not in after.objects:
                drop = mends.drop_object(name, there or title, thing)
                yield _removal(name, _object_name(name, title, thing, named), drop, gone=there is None)
    for title, thing in sorted(after.objects.items(), key=lambda item: "puxcif".index(item[1].kind)):
        if before.objects.get(title) != thing:
            yield _object(change, name, title, real, named)


def _removal(table: str, name: str, drop: tuple[str, ...], *, gone: bool) -> SchemaObject:
    return SchemaObject(table, _("removal of %(name)s") % {"name": name}, gone, make=() if gone else drop, removes=name)


def _column(change: Change, table: str, column: str, real: Table) -> SchemaObject:
    name = _column_name(table, column)
    wanted, old = change.after[table].columns[column], change.before.get(table, Table()).columns.get(column)
    found = real.columns.get(column)
    default = mends.one_time_default(change.step, table, column) if wanted.must_be_given else ""
    if found is None:
        return SchemaObject(table, name, done=False, make=mends.add_column(table, column, wanted, default))
    differs = mends.differences(wanted, found, old)
    if not differs:
        return SchemaObject(table, name, done=True)
    make = mends.fix_column(table, column, wanted, found, default)
    if old is not None and not mends.differences(old, found, wanted):
        return SchemaObject(table, name, done=False, make=make)
    partly_applied = "; ".join(differs)
    if found.null and not wanted.null and not (wanted.default or default) and catalog.has_null(table, column):
        partly_applied += "; " + _("has rows without a value, which somebody must fill in first")
    return SchemaObject(
        table, name, done=False, partly_applied=partly_applied, make=make, blocked=found.generated != wanted.generated
    )


def _object(change: Change, table: str, title: str, real: Table, named: set[str]) -> SchemaObject:
    wanted = change.after[table].objects[title]
    old = change.before.get(table, Table()).objects.get(title)
    name = _object_name(table, title, wanted, named)
    concurrently = isinstance(change.step.operation, AddIndexConcurrently)
    make = mends.add_object(table, title, wanted, concurrently=concurrently)
    there = _counterpart(title, wanted, real, named=title in named) or _rival(title, wanted, real)
    if there is None:
        return SchemaObject(table, name, done=False, make=make)
    found = real.objects[there]
    if found == wanted:
        return SchemaObject(table, name, done=True)
    make = (*mends.drop_object(table, there, found), *make)
    if found == old:
        return SchemaObject(table, name, done=False, make=make)
    words = {"found": found.definition, "wanted": wanted.definition}
    return SchemaObject(
        table, name, done=False, partly_applied=_("it is %(found)s instead of %(wanted)s") % words, make=make
    )


def _counterpart(title: str, thing: Object, real: Table, *, named: bool) -> str | None:
    """The name under which the table has it. Django finds by its name only what the models name."""
    if named or real.objects.get(title) == thing:
        return title if title in real.objects else None
    return next((name for name, found in real.objects.items() if found == thing), None)


def _rival(title: str, wanted: Object, real: Table) -> str | None:
    """What stands where it should: something of that name, another primary key, another foreign key of the column."""
    for name, found in real.objects.items():
        same_columns = wanted.kind == "f" and found.columns == wanted.columns
        if name == title or (found.kind == wanted.kind and (wanted.kind == "p" or same_columns)):
            return name
    return None


def _in_excess(table: str, real: Table, columns: Set[str], context: Context) -> Iterator[SchemaObject]:
    """Columns that nobody planned, without which no row can be inserted."""
    for column in sorted(columns):
        if real.columns[column].must_be_given and not context.plans(table, column):
            yield SchemaObject(
                table, _column_name(table, column), done=False, make=(mends.drop_not_null(table, column),),
                partly_applied=_("is not of the migration, and no row can be inserted without it"),
            )  # fmt: skip


def _refusing(table: str, wanted: Table, real: Table, columns: Set[str], context: Context) -> Iterator[SchemaObject]:
    """What nobody planned on these columns, and what may refuse rows that Flowlog writes."""
    compared = {_rival(title, thing, real) for title, thing in wanted.objects.items()}
    for title, thing in sorted(real.objects.items()):
        planned = title in compared or thing in wanted.objects.values() or context.plans(table, thing)
        if not planned and columns & set(thing.columns) and _refuses(thing, wanted):
            yield SchemaObject(
                table, _object_name(table, title, thing, {title}), done=False,
                make=mends.drop_object(table, title, thing),
                partly_applied=_("is not of the migration, and may refuse rows: %(what)s") % {"what": thing.definition},
            )  # fmt: skip


def _refuses(thing: Object, wanted: Table) -> bool:
    """Whether it may refuse a row; not one that says no more than something wanted does."""
    if thing.unique:
        stricter = [set(each.columns) for each in wanted.objects.values() if each.unique and not each.partial]
        return not any("" not in columns and columns <= set(thing.columns) for columns in stricter)
    return thing.kind != "i"


def _renamed(change: Change, context: Context) -> Iterator[SchemaObject]:
    """By the names that the operation takes away and gives; both there means that somebody made the new one by hand."""
    for table, old, new, has_old, has_new in _pairs(change, context.real):
        done = has_new and not has_old
        partly_applied = (
            _("exists beside %(name)s, which is to get its name") % {"name": old} if has_new and has_old else ""
        )
        yield SchemaObject(table, new, done, partly_applied, () if done else change.sql, blocked=bool(partly_applied))


def _pairs(change: Change, real: Schema) -> Iterator[tuple[str, str, str, bool, bool]]:
    for was, is_ in _moved(change.before, change.after):
        yield is_, _table_name(was), _table_name(is_), was in real, is_ in real
    for name in sorted(change.before.keys() & change.after.keys()):
        before, after, there = change.before[name], change.after[name], real.get(name, Table())
        for was, is_ in _moved(before.columns, after.columns):
            columns = there.columns
            yield name, _column_name(name, was), _column_name(name, is_), was in columns, is_ in columns
        if isinstance(change.step.operation, migrations.RenameIndex):
            for was, is_ in _moved(before.objects, after.objects):
                objects = there.objects
                yield name, was, _index_name(is_), was in objects, is_ in objects


def _moved(before: dict[str, Any], after: dict[str, Any]) -> Iterator[tuple[str, str]]:
    gone = [name for name in before if name not in after]
    return zip(gone, [name for name in after if name not in before], strict=False)


def _named(change: Change) -> set[str]:
    """The names that the models give, before or after."""
    states = (change.step.before, change.step.after)
    options = [model.options for state in states for model in state.models.values()]
    return {thing.name for each in options for kind in ("indexes", "constraints") for thing in each.get(kind, ())}


def _table_name(table: str) -> str:
    return _("table %(name)s") % {"name": table}


def _index_name(name: str) -> str:
    return _("index or constraint %(name)s") % {"name": name}


def _object_name(table: str, title: str, thing: Object, named: set[str]) -> str:
    if title in named:
        return _index_name(title)
    what = f"INDEX {thing.definition.partition(' USING ')[2]}" if thing.kind == "i" else thing.definition
    return _("%(what)s of table %(table)s") % {"what": what, "table": table}


def _column_name(table: str, column: str) -> str:
    return _("column %(table)s.%(column)s") % {"table": table, "column": column}
