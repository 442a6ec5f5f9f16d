"""The connection pool after PostgreSQL ended every connection, as a restart does."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from tests.processes import environment

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
def test_a_process_that_used_the_database_ends_at_once_and_without_a_word() -> None:
    """The pool's threads would else be waited for in vain, five seconds each, with a warning for each."""
    program = "import django; django.setup(); from orders.models import Store; print(Store.get_default().name)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(DJANGO_SETTINGS_MODULE="flowlog.settings"),
        cwd=settings.BASE_DIR, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
