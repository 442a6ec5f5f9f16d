"""Servers that the developer set by address instead of using the embedded ones."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import psycopg
import redis
from psycopg.conninfo import make_conninfo

from flowlog.devtools.errors import DevError
from flowlog.devtools.postgres import create_database
from flowlog.devtools.valkey import ONE_TRY

TIMEOUT = 5


def ensure_database(url: str) -> bool:
    """Make sure that the database of `url` can be reached; creates it if the server lacks it. Whether it did.

    Raises `DevError`; the address, which may hold a password, is never shown.
    """
    try:
        psycopg.connect(url, connect_timeout=TIMEOUT).close()
    except psycopg.OperationalError as error:
        name = unquote(urlsplit(url).path.strip("/"))
        try:
            server = psycopg.connect(make_conninfo(url, dbname="postgres"), connect_timeout=TIMEOUT, autocommit=True)
            return create_database(server, name)
        except psycopg.Error:
            raise DevError(f"The database of DATABASE_URL cannot be used: {_first_line(error)}") from None
    return False


def check_redis(url: str) -> None:
    """Raises `DevError` unless the Redis of `url` answers."""
    try:
        with redis.Redis.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, retry=ONE_TRY) as client:
            client.ping()
    except (redis.RedisError, OSError) as error:
        raise DevError(f"The Redis of REDIS_URL cannot be used: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
