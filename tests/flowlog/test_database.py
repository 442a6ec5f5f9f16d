"""The connection pool while PostgreSQL is away, and after it ended every connection, as a restart does."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from django.conf import settings
from django.db import connection
from psycopg_pool import ConnectionPool, PoolTimeout

from flowlog.celery import app
from flowlog.database import pool_options
from flowlog.devtools.postgres import Postgres
from notifications.tasks import look_up
from tests.broker import forget_unfinished
from tests.embedded import RUN_HOME
from tests.processes import environment, wait_until, web_server, worker

SIZE = 4


@pytest.mark.django_db(transaction=True)
def test_one_dead_connection_throws_all_idle_ones_away() -> None:
    pool: Any = connection.pool  # type: ignore[attr-defined]
    barrier = threading.Barrier(SIZE)

    def use_one() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            barrier.wait()
        connection.close()

    threads = [threading.Thread(target=use_one) for _ in range(SIZE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    connection.close()
    assert pool.get_stats()["pool_available"] >= SIZE
    lost = pool.get_stats().get("connections_lost", 0)

    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )

    with connection.cursor() as cursor:
        cursor.execute("SELECT 2")
        assert cursor.fetchone() == (2,)
    # The first was found dead; nobody had to try the others.
    assert pool.get_stats()["connections_lost"] == lost + 1
    connection.close()


@pytest.mark.django_db(transaction=True)
def test_tasks_share_the_sessions_of_their_process() -> None:
    """Celery 5.7.0's Django fix-up (`celery/fixups/django.py`) closes a prefork child's pool around every task."""

    def asked(query: str) -> Any:
        other.execute("SELECT pg_stat_clear_snapshot()")
        return other.execute(query).fetchone()[0]  # type: ignore[index]

    forget_unfinished()

    def all_done() -> bool:
        with app.connection_for_read() as broker:
            redis: Any = broker.default_channel.client  # type: ignore[attr-defined]
            return not redis.llen("whatsapp") + redis.hlen("unacked")

    begun = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()"
    all_ended = (
        "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND backend_type = 'client backend')"
    )
    opened = []
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as other:
        for number in (1, 20):
            before = asked(begun)
            with worker("whatsapp", REDIS_URL=settings.REDIS_URL):
                for _ in range(number):
                    look_up.delay(0)
                wait_until(all_done, "the tasks")
            connection.close()
            connection.close_pool()  # type: ignore[attr-defined]
            wait_until(lambda: asked(all_ended), "the end of all sessions, which are counted then")
            opened.append(asked(begun) - before)
    assert opened[1] == opened[0]


def test_without_a_database_the_web_gives_up_soon_and_says_that_it_lives(tmp_path: Path) -> None:
    def readyz() -> requests.Response:
        return requests.get(f"{site}/readyz", timeout=30)

    def webhook() -> requests.Response:
        key = {"Authorization": f"Bearer {settings.EVOLUTION_WEBHOOK_SECRET}"}
        body = {"event": "connection.update", "instance": "flowlog", "data": {}}
        return requests.post(f"{site}/webhooks/evolution/flowlog/", json=body, headers=key, timeout=30)

    nowhere = {"DATABASE_URL": "postgresql://flowlog@127.0.0.1:9/flowlog", "LOG_DIR": str(tmp_path)}
    # Fewer at once than one process has threads.
    with web_server(**nowhere) as site, ThreadPoolExecutor() as together:
        waiting = [together.submit(ask) for ask in (readyz, readyz, webhook)]
        assert requests.get(f"{site}/healthz", timeout=30).json() == {"ok": True}
        answers = [each.result() for each in waiting]
    assert [answer.status_code for answer in answers] == [503, 503, 503]
    checks = answers[0].json()["checks"]
    assert checks["database"] == {"ok": False, "words": "O banco de dados não responde como deveria."}
    assert checks["broker"]["ok"]
    log = (tmp_path / "django.log").read_text()
    assert re.findall(r"couldn't get a connection after (\S+) sec", log) == ["2.00"] * 3


def test_workers_and_commands_have_more_patience() -> None:
    lines = (
        "celery -A flowlog worker -Q whatsapp",
        "manage.py migrate",
        "/opt/flowlog/.venv/bin/gunicorn flowlog.wsgi",
    )
    assert [pool_options(line.split())["timeout"] for line in lines] == [10, 10, 2]


def test_when_the_database_is_back_whoever_asks_next_has_it() -> None:
    """However long it was away."""
    options = pool_options(["gunicorn"]) | {"check": None}
    with Postgres(RUN_HOME / "away" / "postgres") as server, ConnectionPool(server.url, open=False, **options) as pool:
        server.stop()
        for _ in range(4):
            with pytest.raises(PoolTimeout):
                pool.getconn()
        server.start()
        with pool.connection() as one:
            assert one.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.django_db(transaction=True)
def test_a_process_that_used_the_database_ends_at_once_and_without_a_word() -> None:
    """The pool's threads would else be waited for in vain, five seconds each, with a warning for each."""
    program = "import django; django.setup(); from orders.models import Store; print(Store.get_default().name)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(DJANGO_SETTINGS_MODULE="flowlog.settings"),
        cwd=settings.BASE_DIR, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
