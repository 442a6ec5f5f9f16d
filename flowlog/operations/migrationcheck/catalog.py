"""What PostgreSQL really has, by its own catalogue and in its own words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

# A table above either is big: a lock on it is felt.
BIG_ROWS, BIG_BYTES = 100_000, 100 << 20


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `default` is an expression, empty if there is none; `identity` says how it numbers rows, if it does."""

    type: str
    null: bool
    default: str
    identity: str
    generated: bool

    @property
    def must_be_given(self) -> bool:
        """Whether no row can be inserted by somebody who does not know the column."""
        return not (self.null or self.default or self.identity or self.generated)


@dataclass(frozen=True, slots=True)
class Object:
    """A constraint or an index, as PostgreSQL would make it again, without its name."""

    kind: str
    """As in pg_constraint: p, u, f, c or x; i for an index that stands behind no constraint."""
    columns: tuple[str, ...]
    unique: bool
    definition: str = field(compare=False)
    essence: str

    @property
    def partial(self) -> bool:
        return " WHERE " in self.definition


@dataclass(slots=True)
class Table:
    """A table's columns, constraints and indexes by their names."""

    columns: dict[str, Column] = field(default_factory=dict)
    objects: dict[str, Object] = field(default_factory=dict)


type Schema = dict[str, Table]

_TABLES = """SELECT oid, relname FROM pg_class WHERE relkind IN ('r', 'p') AND pg_table_is_visible(oid)
    AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)"""

_COLUMNS = """SELECT relname, attname,
        format_type(atttypid, atttypmod) || CASE WHEN attcollation = typcollation THEN '' ELSE ' COLLATE '
            || (SELECT quote_ident(collname) FROM pg_collation WHERE oid = attcollation) END,
        NOT attnotnull, coalesce(pg_get_expr(adbin, adrelid), ''), attidentity, attgenerated <> ''
    FROM tables JOIN pg_attribute ON attrelid = tables.oid AND attnum > 0 AND NOT attisdropped
        JOIN pg_type ON pg_type.oid = atttypid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    ORDER BY relname, attnum"""

_CONSTRAINTS = """SELECT relname, conname, contype,
        array(SELECT attname FROM unnest(conkey) WITH ORDINALITY AS key (num, place)
            JOIN pg_attribute ON attrelid = conrelid AND attnum = num ORDER BY place),
        contype IN ('p', 'u'), pg_get_constraintdef(pg_constraint.oid, true)
    FROM tables JOIN pg_constraint ON conrelid = tables.oid WHERE contype IN ('p', 'u', 'f', 'c', 'x')"""

# An index that could not be built is another one than it should be.
_INDEXES = """SELECT relname, name, 'i',
        array(SELECT coalesce(attname, '') FROM unnest(indkey) WITH ORDINALITY AS key (num, place)
            LEFT JOIN pg_attribute ON attrelid = indrelid AND attnum = num ORDER BY place),
        indisunique, replace(pg_get_indexdef(indexrelid, 0, true), ' INDEX ' || quote_ident(name) || ' ', ' INDEX ')
            || CASE WHEN indisvalid THEN '' ELSE ' -- INVALID' END
    FROM tables JOIN pg_index ON indrelid = tables.oid
        JOIN (SELECT oid AS index_oid, relname AS name FROM pg_class) named ON index_oid = indexrelid
    WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))"""


def schema() -> Schema:
    """All tables on the search path."""
    found: Schema = {name: Table() for _oid, name in _all(_TABLES)}
    for table, name, *column in _all(f"WITH tables AS ({_TABLES}) {_COLUMNS}"):
        found[table].columns[name] = Column(*column)
    for query in (_CONSTRAINTS, _INDEXES):
        for table, name, kind, columns, unique, definition in _all(f"WITH tables AS ({_TABLES}) {query}"):
            found[table].objects[name] = Object(kind, tuple(columns), unique, definition, essence(definition))
    return found


def essence(expression: str) -> str:
    """The expression without casts from text to text, which PostgreSQL writes otherwise after each dump."""
    return re.sub(r"::(text|character varying)(\[\])?", "", expression)


def has_null(table: str, column: str | None = None) -> bool:
    """Whether a row has no value in the column; without one: whether there is a row."""
    where = f" WHERE {quoted(column)} IS NULL" if column else ""
    return bool(_all(f"SELECT EXISTS (SELECT FROM {quoted(table)}{where})")[0][0])  # noqa: S608


def rows(table: str) -> int:
    """About how many rows the table has, as the server's statistics say."""
    found = _all("SELECT reltuples FROM pg_class WHERE oid = to_regclass(%s)", quoted(table))
    return max(int(found[0][0]), 0) if found else 0


def is_big(table: str) -> bool:
    """Whether locking or rewriting the table would be felt."""
    [(size,)] = _all("SELECT pg_total_relation_size(to_regclass(%s))", quoted(table))
    return rows(table) > BIG_ROWS or (size or 0) > BIG_BYTES


def quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def _all(sql: str, *parameters: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)
        return list(cursor.fetchall())
