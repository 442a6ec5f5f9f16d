"""Watching in which order transactions take locks; `integrations.locks` says in which they should."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

_MESSAGES, _INSTANCES, _THE_REST = range(3)
_RANKS = {"integrations_notificationlog": _MESSAGES, "integrations_evolutioninstance": _INSTANCES}
# Messages are deleted by who has locked them before, and by tests; an instance only while it has none.
_WRITES = re.compile(r'(?:UPDATE|DELETE FROM(?! "integrations_(?:notificationlog|evolutioninstance)")) "(\w+)"')
_READS = re.compile(r'SELECT .*? FROM "(\w+)".* FOR (?:NO KEY )?UPDATE', re.DOTALL)


class _Watcher:
    """Notes each statement that may wait for a lock of a lower rank than one which its transaction has."""

    def __init__(self) -> None:
        self.out_of_order: list[str] = []
        self._transaction = ""
        self._held: dict[int, str] = {}

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if (locking := _WRITES.match(sql) or _READS.match(sql)) and connection.in_atomic_block:
            self._note(_RANKS.get(locking[1], _THE_REST), sql)
        return result

    def _note(self, rank: int, sql: str) -> None:
        transaction = self._current()
        if transaction != self._transaction:
            self._transaction, self._held = transaction, {}
        before = [held for level, held in self._held.items() if level > rank]
        if before and "SKIP LOCKED" not in sql:
            self.out_of_order.append(f"{before[0]} … {sql}")
        self._held.setdefault(rank, sql)

    @staticmethod
    def _current() -> str:
        # Not by Django, whose statements the tests count.
        return str(connection.connection.execute("SELECT pg_current_xact_id()::text").fetchone()[0])


@contextmanager
def watched() -> Iterator[list[str]]:
    """What this thread's transactions lock meanwhile in another order, to be read at the end."""
    watcher = _Watcher()
    with connection.execute_wrapper(watcher):
        yield watcher.out_of_order
