"""One migrated database for all workers of a parallel run: each makes its own as a copy of it.

Migrating takes ten seconds, a copy of it a tenth of one. The first worker that needs a database makes the template, the
others wait for it; the process that deals out the tests drops it at the end.
"""

from __future__ import annotations

import os

import psycopg
from django.conf import settings
from django.db import connection
from psycopg import sql

NAME = "test_flowlog_template"
# Of whoever is about to make it, on the server.
_LOCK = 7_435_688_569


def make() -> str:
    """The template's name, once it is there. That of another run, which was killed, is made anew."""
    run = os.environ["PYTEST_XDIST_TESTRUNUID"]
    with _server() as server:
        server.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        made_by = server.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [NAME]
        ).fetchone()
        if made_by != (run,):
            _migrate()
            server.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(NAME), run))
    return NAME


def drop() -> None:
    with _server() as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(NAME)))


def _migrate() -> None:
    here, test = connection.settings_dict["NAME"], connection.settings_dict["TEST"]
    own, test["NAME"] = test["NAME"], NAME
    try:
        connection.creation.create_test_db(verbosity=0, autoclobber=True)
    finally:
        connection.close()
        # Nothing can be copied while somebody is connected.
        connection.close_pool()  # type: ignore[attr-defined]
        test["NAME"] = own
        connection.settings_dict["NAME"] = settings.DATABASES["default"]["NAME"] = here


def _server() -> psycopg.Connection:
    """A session of its own; what it has locked is free when it ends."""
    here = connection.get_connection_params()
    where = {name: here[name] for name in ("host", "port", "user", "password") if name in here}
    return psycopg.connect(**where, dbname="postgres", autocommit=True)
