"""The connection pool after PostgreSQL ended every connection, as a restart does."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest
from django.db import connection

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
