"""The connection pool while PostgreSQL is away, and after it ended every connection, as a restart does."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from django.conf import settings
from django.db import DataError, connection
from django.db.transaction import atomic
from psycopg_pool import ConnectionPool, PoolTimeout

from flowlog.celery import app
from flowlog.database import pool_options
from flowlog.devtools.postgres import Postgres
from flowlog.prepared import Standalone, Statement
from notifications.tasks import look_up
from tests.broker import forget_unfinished
from tests.embedded import RUN_HOME
from tests.processes import environment, wait_until, web_server, worker

SIZE = 4


def end_all_sessions() -> None:
    """As a restart of the server does."""
    others = " FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    others += " AND backend_type = 'client backend'"
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as other:
        other.execute(f"SELECT pg_terminate_backend(pid){others}")
        wait_until(lambda: other.execute(f"SELECT count(*){others}").fetchone() == (0,), "their end")


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

    end_all_sessions()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 2")
        assert cursor.fetchone() == (2,)
    # The first was found dead; nobody had to try the others.
    assert pool.get_stats()["connections_lost"] == lost + 1
    connection.close()


class TestStandalone:
    """A statement over a session of the pool, past Django; and over Django's where the thread has one."""

    pytestmark = pytest.mark.django_db(transaction=True)
    SUM = Standalone("SELECT length(%(text)s), octet_length(%(bytes)b::bytea), 7 WHERE %(text)s <> ''")

    @pytest.fixture(params=[True, False], autouse=True)
    def held(self, request: pytest.FixtureRequest) -> Iterator[bool]:
        connection.close()
        if request.param:
            connection.ensure_connection()
        yield request.param
        connection.close()

    def test_values_and_rows(self, held: bool) -> None:
        for _ in range(2):
            assert self.SUM.fetched(text="maçã 100%", bytes=b"\0\xff") == [(9, 2, 7)]
            assert self.SUM.fetched(text="", bytes=b"") == []
        assert (connection.connection is not None) is held

    def test_what_the_server_refuses_is_raised_and_the_next_is_taken(self) -> None:
        number = Standalone("SELECT %(text)s::int")
        with pytest.raises(DataError):
            number.fetched(text="no number")
        assert number.fetched(text="12") == [(12,)]

    def test_no_text_ends_in_its_middle(self) -> None:
        with pytest.raises(DataError):
            self.SUM.fetched(text="a\0b", bytes=b"")

    def test_its_session_is_replaced_when_it_has_ended(self, held: bool) -> None:
        if held:
            return
        assert self.SUM.fetched(text="a", bytes=b"") == [(1, 0, 7)]
        end_all_sessions()
        assert self.SUM.fetched(text="ab", bytes=b"") == [(2, 0, 7)]

    def test_a_session_that_has_forgotten_it_is_told_again(self) -> None:
        """psycopg 3.3 lets the server forget all that is prepared after a rollback, whoever has prepared it."""
        assert self.SUM.fetched(text="a", bytes=b"") == [(1, 0, 7)]
        for _ in range(SIZE):
            with suppress(DataError), atomic():
                Statement("SELECT 1").fetched()
                Statement("SELECT 'no number'::int").fetched()
            connection.close()
        assert [self.SUM.fetched(text="ab", bytes=b"") for _ in range(2)] == [[(2, 0, 7)]] * 2

    def test_each_session_goes_back(self) -> None:
        for _ in range(20):
            self.SUM.fetched(text="a", bytes=b"")
            with pytest.raises(DataError):
                self.SUM.fetched(text="\0", bytes=b"")
        connection.close()
        stats = connection.pool.get_stats()  # type: ignore[attr-defined]
        assert (stats["pool_available"], stats["requests_waiting"]) == (stats["pool_size"], 0)


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


@pytest.mark.django_db
def test_no_trigger_is_planned_anew_each_time() -> None:
    """PostgreSQL before 18 plans a function of language sql at each call: 0.4 ms in 15.20, 0.004 once planned."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT proname FROM pg_proc JOIN pg_language lang ON lang.oid = prolang"
            " WHERE lanname = 'sql' AND pronamespace = 'public'::regnamespace"
        )
        assert cursor.fetchall() == []
        cursor.execute(
            "SELECT lanname FROM pg_proc JOIN pg_language l ON l.oid = prolang WHERE proname = 'outgoing_write'"
        )
        assert cursor.fetchall() == [("plpgsql",)]
