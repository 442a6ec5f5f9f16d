"""The embedded servers, for real: shared, left, killed, taken over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from flowlog.devtools.errors import DevError
from flowlog.devtools.postgres import Postgres
from flowlog.devtools.servers import EmbeddedServers
from tests.embedded import RUN_HOME, remove_home
from tests.flowlog.devtools.server_users import embedded, end_users, main_pids, ping, query, remove, start_users


@pytest.fixture
def home(request: pytest.FixtureRequest) -> Iterator[Path]:
    home = RUN_HOME / request.node.name
    yield home
    remove(home)


@pytest.fixture(scope="module")
def running() -> Iterator[EmbeddedServers]:
    """Servers for the tests that only look at them."""
    home = RUN_HOME / "looked-at"
    with embedded(home) as servers:
        yield servers
    remove(home)


def test_addresses_follow_from_the_home_and_touch_nothing(home: Path) -> None:
    assert embedded(home).database_url == embedded(home).database_url
    assert embedded(home).redis_url.startswith("unix:///")
    assert embedded(home).redis_url.endswith("/valkey.sock?db=0")
    assert not home.exists()


def test_settings_of_the_servers(running: EmbeddedServers) -> None:
    url = running.database_url
    assert query(url, "SELECT current_database()") == "flowlog"
    assert query(url, "SHOW server_encoding") == "UTF8"
    assert query(url, "SELECT datcollate FROM pg_database WHERE datname = 'flowlog'") == "C.UTF-8"
    assert query(url, "SHOW timezone") == "UTC"
    assert query(url, "SHOW listen_addresses") == ""
    assert query(url, "SHOW fsync") == "off"
    with redis.Redis.from_url(running.redis_url, decode_responses=True) as client:
        assert client.config_get("maxmemory-policy", "port") == {"maxmemory-policy": "noeviction", "port": "0"}


def test_data_of_development_is_durable() -> None:
    assert "fsync" not in Postgres(RUN_HOME / "never-started")._options()


def test_a_second_user_shares_and_the_last_one_out_stops(home: Path) -> None:
    first, second = embedded(home), embedded(home)
    first.start()
    pids = main_pids(first)
    second.start()
    assert main_pids(second) == pids
    first.stop()
    assert query(second.database_url, "SELECT 1") == 1
    assert ping(second.redis_url)
    second.stop()
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids)


def test_two_users_that_start_at_once_share(home: Path) -> None:
    users = start_users(home, 2)
    assert len(main_pids(embedded(home))) == 2
    end_users(users)


def test_servers_whose_users_were_killed_are_taken_over(home: Path) -> None:
    users = start_users(home)
    pids = main_pids(embedded(home))
    end_users(users)
    with embedded(home) as servers:
        assert main_pids(servers) == pids
    assert main_pids(embedded(home)) == []


def test_killed_servers_start_again_with_their_data(home: Path) -> None:
    with EmbeddedServers(home) as servers:  # durable: as in development
        query(servers.database_url, "CREATE TABLE kept AS SELECT 42 AS answer")
        for server in servers.servers():
            server.kill()
        assert main_pids(servers) == []
        with EmbeddedServers(home) as again:
            assert query(again.database_url, "SELECT answer FROM kept") == 42
            assert ping(again.redis_url)


def test_a_stale_pid_file_that_names_a_live_process_is_no_obstacle(home: Path) -> None:
    with Postgres(home / "postgres", durable=False) as postgres:
        postgres.kill()
        pid_file = postgres.data / "postmaster.pid"
        pid_file.write_text(f"{os.getppid()}\n{postgres.data}\n")
        postgres.start()
        assert query(postgres.url, "SELECT 1") == 1


def test_an_unfinished_cluster_is_made_anew(home: Path) -> None:
    with Postgres(home / "postgres", durable=False) as postgres:
        postgres.stop()
        postgres.data.rename(postgres.place / "data.new")
        (postgres.place / "data.new" / "PG_VERSION").unlink()
        postgres.start()
        assert query(postgres.url, "SELECT 1") == 1


def test_a_server_that_does_not_start_says_why(home: Path) -> None:
    with Postgres(home / "postgres", durable=False) as postgres:
        postgres.stop()
        (postgres.data / "postgresql.conf").write_text("nonsense = 1\n")
        with pytest.raises(DevError, match=r"^PostgreSQL did not start\. The end of [^\n]*server\.log:\n") as caught:
            postgres.start()
        assert 'unrecognized configuration parameter "nonsense"' in str(caught.value)
        assert postgres.processes() == []


def test_homes_are_independent(home: Path) -> None:
    other = home.with_name(f"{home.name}-other")
    try:
        with embedded(home) as one, embedded(other) as two:
            query(one.database_url, "CREATE TABLE only_here ()")
            assert query(two.database_url, "SELECT to_regclass('only_here')") is None
            assert not set(main_pids(one)) & set(main_pids(two))
    finally:
        remove(other)


def test_only_one_server(home: Path) -> None:
    with EmbeddedServers(home, postgres=False) as servers:
        assert ping(servers.redis_url)
        assert [server.label for server in servers.servers()] == ["Valkey"]
        assert main_pids(embedded(home)) == main_pids(servers)


def test_data_in_use_is_not_removed(home: Path) -> None:
    with EmbeddedServers(home, postgres=False) as servers:
        with pytest.raises(DevError, match="are in use"):
            EmbeddedServers(home, postgres=False).remove()
        assert ping(servers.redis_url)


def test_what_a_killed_run_left_is_removed() -> None:
    home = RUN_HOME / "killed-run"
    users = start_users(home)
    end_users(users)
    servers = embedded(home).servers()
    folders = [server.place for server in servers]
    assert all(server.answers() for server in servers)
    remove_home(home)
    assert not any(server.processes() for server in servers)
    assert not any(place.exists() for place in (home, *folders))
