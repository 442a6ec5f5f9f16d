"""Fills the database with as many orders as a shop group has, and their messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg import Connection, sql

from tests.bench.perfkit import bare_connection

ORDERS_PER_CUSTOMER = 4
SCRIPT = Path(__file__).with_name("load.sql")


def load(orders: int) -> None:
    """Have so many orders with five messages each, in the place of whatever there was."""
    numbers = {"orders": str(orders), "customers": str(max(orders // ORDERS_PER_CUSTOMER, 1))}
    statements = SCRIPT.read_text() % numbers
    with bare_connection() as connection:
        connection.autocommit = True
        with _without_indexes(connection):
            for statement in statements.split(";\n"):
                if statement.strip():
                    connection.execute(statement.encode())
        connection.execute("VACUUM ANALYZE")


@contextmanager
def _without_indexes(connection: Connection) -> Iterator[None]:
    """Made again at the end, of all rows at once: that takes a fraction of the time."""
    found = connection.execute(
        "SELECT schemaname, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND NOT EXISTS"
        " (SELECT FROM pg_constraint WHERE conindid = format('%I.%I', schemaname, indexname)::regclass)"
    ).fetchall()
    for schema, name, _definition in found:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(schema, name)))
    yield
    for _schema, _name, definition in found:
        connection.execute(definition.encode())
