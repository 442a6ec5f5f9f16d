"""Whether the database has every migration that the code of this process brings along.

A process whose database is behind its code must not change orders: what it wrote would lack what the code counts on,
or break half-way. Whoever asked is refused, as while the database is away, so that programs come again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from importlib.util import find_spec
from pkgutil import iter_modules

from django.apps import apps
from django.db import DatabaseError, OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

logger = logging.getLogger(__name__)

# Once nothing is missing this process need not ask again: nobody takes migrations back while it lives.
_complete: list[bool] = []


class SchemaBehindError(OperationalError):
    """The database lacks migrations of this code; nothing was changed."""


def missing() -> list[str]:
    """The migrations, as `app.name`, that are still to be applied; a query as long as there are some."""
    if _complete:
        return []
    found = missing_now()
    if not found:
        _complete.append(True)
    return found


def missing_now() -> list[str]:
    """The same, always asked of the database."""
    applied = set(MigrationRecorder(connection).applied_migrations())
    return sorted(f"{app}.{name}" for app, name in _known() - applied)


@cache
def _known() -> frozenset[tuple[str, str]]:
    """What this process's code brings along; it cannot change while the process lives.

    Named as Django's loader names them, without loading each of them to stay in memory.
    """
    packages = {app: MigrationLoader.migrations_module(app)[0] for app in apps.app_configs}
    specs = {app: find_spec(package) for app, package in packages.items() if package}
    return frozenset(
        (app, each.name)
        for app, spec in specs.items()
        if spec
        for each in iter_modules(spec.submodule_search_locations)
        if not each.ispkg and each.name[0] not in "_~"
    )


def require() -> None:
    """Raise `SchemaBehindError` if migrations are missing: for the beginning of whatever changes orders."""
    if found := missing():
        raise SchemaBehindError(words(found))


def words(found: list[str]) -> str:
    """What is wrong, and what to type."""
    few, rest = found[:3], len(found) - 3
    return _("The database lacks migrations of this version (%(names)s): run `manage.py migrate`.") % {
        "names": ", ".join(few) + (f", +{rest}" if rest > 0 else "")
    }


def look_at_the_start() -> None:
    """Write into the log, as an error, that migrations are missing. A database that is away is others' to tell of."""
    try:
        found = missing()
    except DatabaseError:
        return
    finally:
        # What a web server's main process holds open its children would share.
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]
    if found:
        logger.critical("Orders will not be changed: %s", words(found))


class RefuseChanges:
    """The middleware: a person is told in a sentence that nothing was changed, and why."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, _request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, SchemaBehindError):
            return None
        logger.error("Refused: %s", error)
        text = _("Nothing was changed. %(reason)s") % {"reason": error}
        return HttpResponse(
            f"{text}\n", "text/plain; charset=utf-8", HTTPStatus.SERVICE_UNAVAILABLE, headers={"Retry-After": "60"}
        )
