"""Gives each test run servers and settings of its own (a pytest plugin, loaded by pyproject.toml).

Where DATABASE_URL or REDIS_URL are not set in the environment, the run starts embedded servers in
`var/test/<pid>` and deletes them at the end; what a killed run left there goes at the next start. A
developer's `.env` does not count. Tests that stop or kill a server start one of their own below `RUN_HOME`:

    with Valkey(RUN_HOME / "faults" / "valkey") as valkey: ...

In a parallel run (`-n`) the servers are those of the process that deals out the tests. Each worker has a database of
its own on them (pytest-django's), a Redis number of its own, counted on from the address's, and its own `RUN_HOME`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import psutil
import pytest
from decouple import RepositoryEnv

from flowlog.devtools.postgres import Postgres
from flowlog.devtools.server import delete
from flowlog.devtools.servers import EmbeddedServers
from flowlog.devtools.valkey import Valkey

BASE_DIR = Path(__file__).resolve().parent.parent
HOMES = BASE_DIR / "var" / "test"
RUN_HOME = HOMES / str(os.getpid())
# Which worker of a parallel run this process is ("gw0", "gw1"...), if it is one.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
MAX_WORKERS = 4

SETTINGS = {
    "DEBUG": "true",
    "LOG_LEVEL": "WARNING",
    "SECRET_KEY": "a-key-for-tests-only",
    "CREDENTIALS_KEYS": "",
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
    "STAFF_UNDO_SECONDS": "0",  # tests do not wait; those of it set their own
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
    if WORKER:  # then the addresses are those of the process that started it
        os.environ["REDIS_URL"] = _counted_on(os.environ["REDIS_URL"], int(WORKER.removeprefix("gw")))
    if (dotenv := BASE_DIR / ".env").is_file():
        # An empty value in the environment hides the one in the file, and means the default.
        for name in RepositoryEnv(str(dotenv)).data:
            os.environ.setdefault(name, "")


def _counted_on(redis_url: str, steps: int) -> str:
    """The address of the database that many numbers further."""
    if not (match := re.fullmatch(r"(.*(?:/|db=))(\d+)", redis_url)):
        raise pytest.UsageError("To run tests in parallel, REDIS_URL must end in a number, such as /0; or use -n 0.")
    return f"{match[1]}{int(match[2]) + steps}"


_settings()


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """What `-n auto` means: one worker for each core and one more, for many tests wait for processes and time-outs.

    None for a choice of tests that is over sooner without.
    """
    chosen = config.option.file_or_dir
    one_file = len(chosen) == 1 and not Path(chosen[0]).is_dir()
    return 0 if config.option.keyword or one_file else min((os.cpu_count() or 1) + 1, MAX_WORKERS)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Start the servers for the workers that are about to start."""
    _start_servers()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Start the servers once it is known that there are tests to run."""
    if session.items and not session.config.option.collectonly:
        _start_servers()


def _start_servers() -> None:
    if not WORKER:  # a worker's siblings start at the same time, and have nothing to clear away
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
