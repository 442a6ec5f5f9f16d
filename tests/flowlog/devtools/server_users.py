"""Users of embedded servers, for the tests of these."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import redis

from flowlog.devtools.servers import EmbeddedServers
from tests.embedded import BASE_DIR

# A user of the servers of the home in its first argument, until it is killed.
USER = """
import sys, time
from pathlib import Path
from flowlog.devtools.servers import EmbeddedServers
EmbeddedServers(Path(sys.argv[1]), durable=False).start()
sys.stdout.write("ready\\n"); sys.stdout.flush()
time.sleep(600)
"""


def remove(home: Path) -> None:
    EmbeddedServers(home).remove()


def embedded(home: Path) -> EmbeddedServers:
    return EmbeddedServers(home, durable=False)


def main_pids(servers: EmbeddedServers) -> list[int]:
    mains = [server.main_process() for server in servers.servers()]
    return [main.pid for main in mains if main]


def query(url: str, statement: str) -> object:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def ping(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        return bool(client.ping())


def start_users(home: Path, count: int = 1) -> list[subprocess.Popen[str]]:
    """That many users in processes of their own, started at once; all of them have the servers."""
    command = [sys.executable, "-c", USER, str(home)]
    users = [subprocess.Popen(command, cwd=BASE_DIR, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    for user in users:
        assert user.stdout
        assert user.stdout.readline() == "ready\n"
        user.stdout.close()
    return users


def end_users(users: list[subprocess.Popen[str]]) -> None:
    """Kill -9: they leave no servers and give back no locks themselves."""
    for user in users:
        user.kill()
        user.wait()
