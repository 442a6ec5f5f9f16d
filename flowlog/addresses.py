"""The addresses of PostgreSQL and Redis, read at the start as those who will use them read them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from flowlog.env import LOOPBACK_HOSTS
from flowlog.translations import read_gettext as _

# What kombu, redis-py and OpenSSL all understand.
_TLS_OPTIONS: dict[str, frozenset[str] | None] = {
    "ssl_cert_reqs": frozenset({"required", "optional", "none"}),
    "ssl_check_hostname": frozenset({"true", "false"}),
    "ssl_ca_certs": None,
    "ssl_certfile": None,
    "ssl_keyfile": None,
}


def parse_database_url(name: str, url: str) -> dict[str, Any]:
    """Django's description of the database; raises `ImproperlyConfigured` for an address that no query could use.

    Never echoed: it may hold a password.
    """
    import psycopg  # noqa: PLC0415 - beat has no database

    try:
        found: dict[str, Any] = dict(dj_database_url.parse(url))
        options = found.get("OPTIONS", {})
        psycopg.conninfo.make_conninfo(**options)  # knows which options there are
    except (ValueError, psycopg.ProgrammingError):
        found = {}
    if not found.get("NAME"):
        raise ImproperlyConfigured(
            _(
                "%(name)s must be like postgresql://user:password@host:5432/database, with only options of libpq after "
                "a “?”; in user and password special characters are written as %%XX."
            )
            % {"name": name}
        )
    return found


def is_here(host: str) -> bool:
    """Whether a database's host is this machine: a socket's folder, nothing, or its own name."""
    return not host or host.startswith("/") or host in LOOPBACK_HOSTS


def check_redis_url(name: str, url: str) -> str:
    """`url`, if Celery and redis-py understand it and mean the same by it; else raises `ImproperlyConfigured`.

    Each takes forms that the other fails on, and Celery does so only when the first task is published. Never echoed:
    it may hold a password.
    """
    parts = urlsplit(url)
    if not (_is_socket(url) if parts.scheme == "unix" else _is_host(url)):
        raise ImproperlyConfigured(
            _(
                "%(name)s must be like redis://:password@host:6379/0 or unix:///run/redis.sock?db=0: the database is a "
                "number, after a rediss:// address only ssl_… options may follow, and in user and password special "
                "characters are written as %%XX."
            )
            % {"name": name}
        )
    return url


def _is_host(url: str) -> bool:
    parts = urlsplit(url)
    try:
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        return False
    options = _TLS_OPTIONS if parts.scheme == "rediss" else {}
    return (
        port_fits
        and bool(re.fullmatch(r"[A-Za-z0-9._:%-]+", parts.hostname or ""))
        and bool(re.fullmatch(r"(/[0-9]{0,6})?", parts.path, re.ASCII))
        and not parts.fragment
        and _options_fit(parts.query, options)
    )


def _is_socket(url: str) -> bool:
    parts = urlsplit(url)
    databases = [value for key, value in parse_qsl(parts.query, keep_blank_values=True) if key == "db"]
    return (
        not parts.hostname
        and len(unquote(parts.path)) > 1
        and not parts.fragment
        and _options_fit(parts.query, {"db": None})
        and all(re.fullmatch(r"[0-9]{1,6}", each, re.ASCII) for each in databases)
    )


def _options_fit(query: str, allowed: Mapping[str, frozenset[str] | None]) -> bool:
    given = parse_qsl(query, keep_blank_values=True)
    names = [name for name, _value in given]
    # What a parser leaves out (`?db`) is no option either.
    return len(set(names)) == len(names) and all(
        name in allowed and value and value in (allowed[name] or {value}) for name, value in given
    )
