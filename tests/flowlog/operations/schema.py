"""What PostgreSQL has, asked for in another way than `check_migrations` does it."""

from __future__ import annotations

import re
from typing import Any

from django.db import connection

_QUERIES = (
    """SELECT table_name, column_name, data_type, character_maximum_length, collation_name, is_nullable, column_default,
       identity_generation FROM information_schema.columns WHERE table_schema = current_schema()""",
    """SELECT conrelid::regclass::text, contype::text, pg_get_constraintdef(oid) FROM pg_constraint
       WHERE contype <> 'n' AND connamespace = current_schema()::regnamespace""",
    """SELECT tablename, regexp_replace(indexdef, 'INDEX .* ON', 'INDEX ON') FROM pg_indexes
       WHERE schemaname = current_schema()""",
    "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid",
)


def schema() -> set[tuple[Any, ...]]:
    """Every column, constraint and index, without the names that Django makes up."""
    with connection.cursor() as cursor:
        found: set[tuple[Any, ...]] = set()
        for query in _QUERIES:
            cursor.execute(query)
            found.update(tuple(map(_plain, row)) for row in cursor.fetchall())
        return found


def _plain(value: Any) -> Any:
    """An expression without brackets and casts between texts, which come and go as it is read and written again."""
    return re.sub(r"[()]|::(text|character varying)(\[\])?", "", value) if isinstance(value, str) else value


def sql(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
