"""The addresses of the embedded servers, which follow from their folders alone."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from flowlog.embedded.places import postgres_place, socket_folder

DATABASE_NAME = "flowlog"
DATABASE_USER = "postgres"


def database_url(folder: Path) -> str:
    """The address of the database `flowlog` on the PostgreSQL server of `folder`."""
    sockets = socket_folder(postgres_place(folder))
    return f"postgresql://{DATABASE_USER}@{quote(str(sockets), safe='')}/{DATABASE_NAME}"


def valkey_socket(folder: Path) -> Path:
    """The socket of the Valkey server of `folder`."""
    return socket_folder(folder) / "valkey.sock"


def redis_url(folder: Path) -> str:
    """The address of the Valkey server of `folder`."""
    return f"unix://{valkey_socket(folder)}?db=0"
