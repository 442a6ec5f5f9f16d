"""Gives each test run servers and settings of its own (a pytest plugin, loaded by pyproject.toml).

Where DATABASE_URL or REDIS_URL are not set in the environment, the run starts embedded servers in
`var/test/<pid>` and deletes them at the end; what a killed run left there goes at the next start. A
developer's `.env` does not count. Tests that stop or kill a server start one of their own below `RUN_HOME`:

    with Valkey(RUN_HOME / "faults" / "valkey") as valkey: ...
"""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest
from decouple import RepositoryEnv

from flowlog.dev.postgres import Postgres
from flowlog.dev.server import delete
from flowlog.dev.servers import EmbeddedServers
from flowlog.dev.valkey import Valkey

BASE_DIR = Path(__file__).resolve().parent.parent
HOMES = BASE_DIR / "var" / "test"
RUN_HOME = HOMES / str(os.getpid())

SETTINGS = {
    "DEBUG": "true",
    "LOG_LEVEL": "WARNING",
    "SECRET_KEY": "a-key-for-tests-only",
    "SITE_URL": "http://testserver",
    "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
    "CSRF_TRUSTED_ORIGINS": "",
    "EVOLUTION_API_URL": "http://127.0.0.1:9",  # the discard port: nothing answers there
    "EVOLUTION_API_KEY": "test-key",
    "EVOLUTION_INSTANCE": "flowlog",
    "EVOLUTION_WEBHOOK_SECRET": "test-webhook-secret",
    "EMAIL_URL": "",
    "SENTRY_DSN": "",
    "NOTIFICATIONS_OVERRIDE_RECIPIENT": "",
    "LOG_DIR": str(RUN_HOME / "logs"),
    "DJANGO_SETTINGS_MODULE": "flowlog.settings",
}

_servers = EmbeddedServers(
    RUN_HOME,
    postgres=not os.environ.get("DATABASE_URL"),
    valkey=not os.environ.get("REDIS_URL"),
    durable=False,
)


def _settings() -> None:
    os.environ.update(SETTINGS)
    os.environ["DATABASE_URL"] = os.environ.get("DATABASE_URL") or _servers.database_url
    os.environ["REDIS_URL"] = os.environ.get("REDIS_URL") or _servers.redis_url
    if (dotenv := BASE_DIR / ".env").is_file():
        # An empty value in the environment hides the one in the file, and means the default.
        for name in RepositoryEnv(str(dotenv)).data:
            os.environ.setdefault(name, "")


_settings()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Start the servers once it is known that there are tests to run."""
    if session.items and not session.config.option.collectonly:
        _remove_leftovers()
        _servers.start()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Stop and delete this run's servers."""
    _servers.stop()
    remove_home(RUN_HOME)


def _remove_leftovers() -> None:
    """End and delete what runs that were killed left behind."""
    for home in HOMES.glob("[0-9]*"):
        if not psutil.pid_exists(int(home.name)):
            remove_home(home)


def remove_home(home: Path) -> None:
    """End every server whose folder is below `home`, and delete it all."""
    for folder in home.rglob("postgres"):
        Postgres(folder).remove()
    for folder in home.rglob("valkey"):
        Valkey(folder).remove()
    delete(home)
