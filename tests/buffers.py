"""How much PostgreSQL looks at for some statements: what does not grow with the table does not get slow with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connection, transaction

_STATEMENTS = ("SELECT", "UPDATE", "INSERT", "DELETE")


class _Counter:
    """Explains each statement before it is executed, and adds up the buffers of their plans."""

    def __init__(self) -> None:
        self.total = 0
        self._explaining = False

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not self._explaining and sql.startswith(_STATEMENTS):
            self._explaining = True
            try:
                self.total += _buffers(sql, params)
            finally:
                self._explaining = False
        return execute(sql, params, many, context)


def buffers(work: Callable[[], object]) -> int:
    """How many buffers the statements of `work` look at. Each is executed twice, the first time in vain."""
    counter = _Counter()
    with connection.execute_wrapper(counter):
        work()
    return counter.total


def _buffers(sql: str, params: Any) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sql}", params)
        [[explained]] = cursor.fetchall()
        transaction.set_rollback(True)
    plan = explained[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
