"""How the connection pool notices that PostgreSQL was restarted, and how it ends with its process."""

from __future__ import annotations

from django.db import connections
from psycopg import Connection, OperationalError
from psycopg_pool import ConnectionPool


def check_connection(connection: Connection) -> None:
    """Raise `OperationalError` for a dead connection, and throw the other idle ones away with it.

    After a restart all of them are dead. The pool by itself would find that out one by one, waiting longer each
    time, until its time-out fails the request.
    """
    try:
        ConnectionPool.check_connection(connection)
    except OperationalError:
        connections["default"].pool.drain()  # type: ignore[attr-defined]
        raise


def close_pools() -> None:
    """End the pool's threads while they still run: left to the interpreter, each costs five seconds at the exit."""
    for connection in connections.all(initialized_only=True):
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]
