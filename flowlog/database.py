"""The database's address and its pool of connections: how long it waits, how it notices a restart of PostgreSQL, how it
ends with its process; and what a person is told when there is no server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from select import POLLIN, poll
from typing import Any

from django.db import OperationalError as DjangoOperationalError
from django.db import connections
from django.utils.translation import gettext as _
from psycopg import Connection, OperationalError
from psycopg_pool import ConnectionPool

from flowlog.addresses import parse_database_url
from flowlog.logs.config import is_command

# SQLSTATEs of a server that does not serve (now), as opposed to a statement that it refused: the connection's own, a
# shutdown or a start, no more connections.
_NOT_SERVED = ("08", "57P", "53300")


def database_settings(name: str, url: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Django's settings of the database at this address, the setting `name`, for a process with this command line.

    Raises `ImproperlyConfigured` for an address that no query could use.
    """
    found = parse_database_url(name, url)
    found["OPTIONS"] = {
        **found.get("OPTIONS", {}),
        "connect_timeout": 5,
        # A server that vanishes without a word is noticed within half a minute, a forgotten lock within ten seconds.
        "keepalives_idle": 15,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        # What is prepared (`flowlog.roundtrip`) is planned once, and nothing compiled, which takes longer.
        "prepare_threshold": None,
        "options": "-c plan_cache_mode=force_generic_plan -c jit=off"
        " -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s",
    }
    # A command needs one connection, and is told at once, and why, that it cannot be had.
    if not is_command(arguments):
        found["OPTIONS"]["pool"] = pool_options(arguments)
    return found


def pool_options(arguments: Sequence[str]) -> dict[str, Any]:
    """The pool of a process with this command line. Connections are opened when they are needed.

    A web process has more of them than threads: there, whoever waits for one waits for a database that is away, and
    keeps `/healthz` and others from being answered. Workers outwait a restart.
    """
    program = Path(arguments[0]) if arguments else Path()
    is_web = "gunicorn" in {program.name, program.parent.name}
    patience = 2 if is_web else 10
    return {
        "min_size": 0,
        "max_size": 8,
        # The threads that open connections. A worker's process mostly needs one.
        "num_workers": 3 if is_web else 1,
        "timeout": patience,
        # By itself the pool tries less and less often, for minutes after the database is back. When it gives up, before
        # whoever waits does, the next one who asks has it try at once.
        "reconnect_timeout": patience - 1,
        "max_idle": 60,
        "check": check_connection,
    }


def check_connection(connection: Connection) -> None:
    """Raise `OperationalError` for a dead connection, and throw the other idle ones away with it.

    After a restart all of them are dead. The pool by itself would find that out one by one, waiting longer each
    time, until its time-out fails the request. A server that ends a session says so, or at least hangs up: only where
    there is something to be read it is asked, since this is done at each request.
    """
    told = poll()
    told.register(connection.fileno(), POLLIN)
    if not told.poll(0):
        return
    try:
        ConnectionPool.check_connection(connection)
    except OperationalError:
        connections["default"].pool.drain()  # type: ignore[attr-defined]
        raise


def close_pools() -> None:
    """End the pool's threads while they still run: left to the interpreter, each costs five seconds at the exit."""
    for each in connections.all(initialized_only=True):
        each.close()
        each.close_pool()  # type: ignore[attr-defined]


def lost_words(error: DjangoOperationalError) -> str:
    """The sentence for a person if no server answered, or none any more; empty if one answered with an error."""
    state = getattr(error.__cause__, "sqlstate", None)
    if state and not state.startswith(_NOT_SERVED):
        return ""
    words = _("The database does not answer. Check DATABASE_URL and the server.")
    return f"{words} ({' '.join(str(error).split())})"
