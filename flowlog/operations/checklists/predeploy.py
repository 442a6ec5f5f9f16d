"""Before a deploy: may it go on?

The new code looks at the schema of the release before, so that every query names columns which that one has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext as _

from flowlog.checklist import Check, Item, State, ok, run, warning
from flowlog.operations.checklists import backup, connection_limits, gateway, installation, servers, workers


def pending_migrations() -> Iterator[Item]:
    """Which are to be applied; whether that is safe, `check_migrations` says."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not plan:
        yield ok("migrations", _("All are applied."))
        return
    names = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _backwards in plan)
    yield warning(
        "migrations",
        _("To be applied: %(names)s.") % {"names": names},
        _("Run `manage.py check_migrations`, and then `manage.py migrate`."),
    )


_WITHOUT_DATABASE: Sequence[tuple[str, Check]] = (
    ("broker", servers.broker),
    ("gateway", gateway.credentials),
    ("settings", installation.production_settings),
    ("packages", installation.packages),
    ("disk", installation.disk),
)
_IN_THE_DATABASE: Sequence[tuple[str, Check]] = (
    ("instances", gateway.instances),
    ("migrations", pending_migrations),
    ("backup", backup.copies),
    ("room", backup.room),
    ("clock", gateway.clock),
    ("processes", workers.processes),
    ("connections", connection_limits.limits),
)


def items() -> Iterator[Item]:
    """The checklist, item by item; what needs the database is left out if that does not answer."""
    database = list(run([("database", servers.database)]))
    yield from database
    yield from run(_WITHOUT_DATABASE)
    if database[0].state is not State.FAILED:
        yield from run(_IN_THE_DATABASE)
