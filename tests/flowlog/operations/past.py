"""Databases of another day: with the migrations that there were then, and nothing of those that came later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader

_OURS = {"api", "flowlog", "integrations", "notifications", "orders", "outgoing"}


@contextmanager
def as_of(newest: tuple[str, str]) -> Iterator[None]:
    """Meanwhile our migrations are this one and those that it builds on."""
    known = set(MigrationLoader(None).graph.forwards_plan(newest))
    load = MigrationLoader.load_disk

    def load_disk(loader: MigrationLoader) -> None:
        load(loader)
        for key in [key for key in loader.disk_migrations if key[0] in _OURS and key not in known]:
            del loader.disk_migrations[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MigrationLoader, "load_disk", load_disk)
        yield


@contextmanager
def database(name: str, template: str = "template0") -> Iterator[None]:
    """Meanwhile this process works on a new database, a copy of the template."""
    drop(name)
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    before = connection.settings_dict["NAME"]
    _move(name)
    try:
        yield
    finally:
        _move(before)


def drop(name: str) -> None:
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _move(name: str) -> None:
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]
    connection.settings_dict["NAME"] = name
