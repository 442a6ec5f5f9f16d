"""What PostgreSQL really has, by its own catalogue."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import NOT_PROVIDED, AutoField

# A table above either is big: a lock on it is felt.
BIG_ROWS, BIG_BYTES = 100_000, 100 << 20


@dataclass(frozen=True, slots=True)
class Column:
    """A column's type as PostgreSQL spells it, whether it takes NULL, and whether it has a default."""

    type: str
    null: bool
    default: bool

    @classmethod
    def of(cls, field: Any) -> Column:
        """The column that a migration makes for this field."""
        numbered = isinstance(field, AutoField)
        return cls(_spelt(field.db_type(connection) or ""), field.null, numbered or has_default(field))


def has_default(field: Any) -> bool:
    """Whether the database itself fills the column in."""
    return field.db_default is not NOT_PROVIDED


def _spelt(type_: str) -> str:
    """A type as PostgreSQL itself spells it."""
    type_ = re.sub(r",\s+", ",", type_.lower())
    return re.sub(r"^varchar\b", "character varying", type_)


def has_table(table: str) -> bool:
    """Whether there is a table of this name."""
    return bool(_one("SELECT 1 FROM pg_class WHERE oid = to_regclass(%s)", [_quoted(table)]))


def column(table: str, name: str) -> Column | None:
    """The column as it is; None if there is none."""
    row = _one(
        "SELECT format_type(atttypid, atttypmod), NOT attnotnull, atthasdef OR attidentity <> '' FROM pg_attribute"
        " WHERE attrelid = to_regclass(%s) AND attname = %s AND NOT attisdropped",
        [_quoted(table), name],
    )
    return Column(*row) if row else None


def has_index_or_constraint(name: str) -> bool:
    """Whether an index or a constraint of this name exists; an index that could not be built does not count."""
    return bool(
        _one(
            "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(%s) AND indisvalid"
            " UNION SELECT 1 FROM pg_constraint WHERE conname = %s AND connamespace = current_schema()::regnamespace",
            [_quoted(name), name],
        )
    )


@dataclass(frozen=True, slots=True)
class Object:
    """An index or a constraint: its columns, and whether it is unique, partial, a check."""

    columns: tuple[str | None, ...]
    unique: bool
    partial: bool
    check: bool


def index_or_constraint(table: str, name: str) -> Object | None:
    """The table's index or constraint as it is; None if there is none, or one that could not be built."""
    if not has_index_or_constraint(name):
        return None
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, table).get(name)
    if found is None:
        return None
    partial = _one("SELECT indpred IS NOT NULL FROM pg_index WHERE indexrelid = to_regclass(%s)", [_quoted(name)])
    return Object(
        tuple(found["columns"] or ()), bool(found["unique"]), bool(partial and partial[0]), bool(found["check"])
    )


def rows(table: str) -> int:
    """About how many rows the table has, as the server's statistics say."""
    row = _one("SELECT reltuples FROM pg_class WHERE oid = to_regclass(%s)", [_quoted(table)])
    return max(int(row[0]), 0) if row else 0


def is_big(table: str) -> bool:
    """Whether locking or rewriting the table would be felt."""
    size = _one("SELECT pg_total_relation_size(to_regclass(%s))", [_quoted(table)])
    return rows(table) > BIG_ROWS or bool(size and (size[0] or 0) > BIG_BYTES)


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def _one(sql: str, parameters: list[str]) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchone()
