"""Working with another database for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dj_database_url
from django.core.management import call_command
from django.db import connections


@contextmanager
def database_at(url: str) -> Iterator[None]:
    """This process uses another database, which gets its tables first."""
    connection = connections["default"]
    before = dict(connection.settings_dict)
    address = dj_database_url.parse(url)
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]
    connection.settings_dict.update({name: address[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")})
    try:
        call_command("migrate", verbosity=0)
        yield
    finally:
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]
        connection.settings_dict.update(before)
