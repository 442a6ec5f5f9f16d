"""Where the scripts run: servers, a gateway that answers at once, and for each script a database of its own.

The servers are those of DATABASE_URL and REDIS_URL, where they are set in the environment; else embedded ones, which
are deleted at the end. Of a server that others use too, only new databases and empty Redis numbers are touched.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis
from decouple import RepositoryEnv
from psycopg import sql

from flowlog.devtools.errors import DevError
from flowlog.devtools.servers import EmbeddedServers

BASE_DIR = Path(__file__).resolve().parents[2]
HOME = BASE_DIR / "var" / "bench"
NUMBERS = 16

SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "tests.bench.settings",
    "DEBUG": "false",
    "SECRET_KEY": "a-key-for-the-benchmark-only-0123456789-abcdefghijklmnop",
    "CREDENTIALS_KEYS": "b25seS1mb3ItdGhlLWJlbmNobWFyay0zMi1ieXRlcyE=",
    "SITE_URL": "http://127.0.0.1:8000",
    "ALLOWED_HOSTS": "127.0.0.1,testserver",
    "TRUSTED_PROXIES": "1",
    "EVOLUTION_API_KEY": "bench-key",
    "EVOLUTION_WEBHOOK_SECRET": "bench-webhook-secret",
    "LOG_DIR": str(HOME / "logs"),
    # What a customer or a program may ask for in a minute is no measure of what the server could answer.
    "TRACKING_PAGE_REQUESTS_PER_MINUTE": "1000000000",
    "API_REQUESTS_PER_MINUTE": "1000000000",
}


@contextmanager
def surroundings() -> Iterator[Surroundings]:
    """Servers and gateway, until the end."""
    servers = EmbeddedServers(HOME, postgres=not os.environ.get("DATABASE_URL"), valkey=not os.environ.get("REDIS_URL"))
    with ExitStack() as stack:
        stack.callback(_remove, servers)
        stack.enter_context(servers)
        database_url = os.environ.get("DATABASE_URL") or servers.database_url
        numbers = _empty_numbers(os.environ.get("REDIS_URL") or servers.redis_url)
        gateway = stack.enter_context(_gateway())
        env = os.environ | _hidden() | SETTINGS
        env |= {"REDIS_URL": numbers[0], "FLOOR_REDIS_URL": numbers[1], "EVOLUTION_API_URL": gateway}
        yield stack.enter_context(Surroundings(env, database_url, numbers))


def _remove(servers: EmbeddedServers) -> None:
    with contextlib.suppress(DevError):  # another run has them, and will remove them
        servers.remove()


def _hidden() -> dict[str, str]:
    """A developer's `.env` does not count: an empty value hides the one in the file, and means the default."""
    dotenv = BASE_DIR / ".env"
    return dict.fromkeys(RepositoryEnv(str(dotenv)).data, "") if dotenv.is_file() else {}


def _empty_numbers(url: str) -> list[str]:
    """Two addresses of databases on the Redis of `url` that hold nothing: for Flowlog, and for the floors."""
    addresses = [numbered(url, number) for number in reversed(range(NUMBERS))]
    found = []
    for address in addresses:
        with redis.Redis.from_url(address) as client:
            if client.dbsize() == 0:
                found.append(address)
        if len(found) == 2:
            return found
    raise SystemExit("REDIS_URL must have two databases that are empty: the benchmark empties those that it uses.")


def numbered(redis_url: str, number: int) -> str:
    """The address of another database on the same server."""
    if not re.search(r"(?:/|db=)\d+$", redis_url):
        raise SystemExit("REDIS_URL must end in a number, such as /0.")
    return re.sub(r"\d+$", str(number), redis_url)


@contextmanager
def _gateway() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.bench.gateway"]
    with subprocess.Popen(command, cwd=BASE_DIR, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


class Surroundings:
    """Gives each script a fresh database with Flowlog's tables, and runs it."""

    def __init__(self, env: dict[str, str], database_url: str, redis_urls: list[str]) -> None:
        self._env = env
        self._url = database_url
        self._redis_urls = redis_urls
        self._template = f"flowlog_bench_{os.getpid()}"

    def __enter__(self) -> Surroundings:
        self._create(self._template)
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
        try:
            subprocess.run(migrate, cwd=BASE_DIR, env=self._env_for(self._template), check=True)
        except BaseException:
            self._drop(self._template)
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self._drop(self._template)

    def run(self, script: str, figures: Path, arguments: list[str]) -> tuple[int, float]:
        """Run a script, which writes what it finds into `figures`; its exit code, and how many seconds it took."""
        database = f"{self._template}_{script}"
        self._create(database, self._template)
        try:
            command = [sys.executable, "-m", "tests.bench.one", script, str(figures), *arguments]
            started = time.monotonic()
            done = subprocess.run(command, cwd=BASE_DIR, env=self._env_for(database), check=False)
            return done.returncode, time.monotonic() - started
        finally:
            self._drop(database)
            for url in self._redis_urls:
                with redis.Redis.from_url(url) as client:
                    client.flushdb()

    def _env_for(self, database: str) -> dict[str, str]:
        return self._env | {"DATABASE_URL": urlunsplit(urlsplit(self._url)._replace(path=f"/{database}"))}

    def _create(self, name: str, template: str = "template1") -> None:
        self._say(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))

    def _drop(self, name: str) -> None:
        self._say(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _say(self, statement: sql.Composed) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(statement)
