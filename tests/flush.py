"""Emptying the tables after a test whose transactions were real ones.

Django truncates every table and makes its content types and permissions again, each of them a file or more that are
written anew. Nearly all the tables are empty, or hold a few rows: deleting these takes a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, transaction
from django.test import TransactionTestCase
from psycopg import sql

# What Django makes again, always the same.
_KEPT = ("django_content_type", "auth_permission")


class _Flush:
    def __init__(self, djangos: Callable[[TransactionTestCase], None]) -> None:
        self._djangos = djangos
        self._made: str | None = None

    def __call__(self, test: TransactionTestCase) -> None:
        """Django's own way the first time, where it may not be done otherwise, and if a test changed what is kept."""
        if self._made is None or _kept() != self._made:
            self._djangos(test)
            self._made = _kept()
        else:
            _delete()


def _kept() -> str | None:
    """What the kept tables hold; None for a user who may not leave triggers and foreign keys aside."""
    rows = [f"(SELECT string_agg(t::text, ' ' ORDER BY id) FROM {table} t)" for table in _KEPT]  # noqa: S608 - ours
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT CASE WHEN current_setting('is_superuser') = 'on' THEN md5({' || '.join(rows)}) END")
        return cursor.fetchone()[0]  # type: ignore[no-any-return]


def _delete() -> None:
    names = sorted({*connection.introspection.django_table_names(only_existing=True, include_views=False)} - {*_KEPT})
    tables = [sql.Identifier(name) for name in names]
    with transaction.atomic(), connection.cursor() as cursor:
        # As TRUNCATE would, it waits for whoever is in the middle of writing: their rows must not stay behind.
        cursor.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(sql.SQL(", ").join(tables)))
        deletions = [sql.SQL("DELETE FROM {}").format(table) for table in tables]
        cursor.execute(sql.SQL("; ").join([sql.SQL("SET LOCAL session_replication_role = replica"), *deletions]))


@contextmanager
def quick_flush() -> Iterator[None]:
    """Meanwhile tests empty the tables in this way."""
    flush = _Flush(TransactionTestCase._fixture_teardown)  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        # A function, which is bound to its test when it is called, as what it stands for is.
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda test: flush(test))  # noqa: PLW0108
        yield
