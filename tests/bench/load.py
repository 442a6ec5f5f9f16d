"""Fills the database with as many orders as a shop group has, and their messages."""

from __future__ import annotations

from pathlib import Path

from tests.bench.perfkit import bare_connection

ORDERS_PER_CUSTOMER = 4
SCRIPT = Path(__file__).with_name("load.sql")


def load(orders: int) -> None:
    """Have so many orders with five messages each, in the place of whatever there was."""
    numbers = {"orders": str(orders), "customers": str(max(orders // ORDERS_PER_CUSTOMER, 1))}
    statements = SCRIPT.read_text() % numbers
    with bare_connection() as connection:
        connection.autocommit = True
        for statement in statements.split(";\n"):
            if statement.strip():
                connection.execute(statement.encode())
        connection.execute("VACUUM ANALYZE")
