"""What the embedded PostgreSQL and Valkey have in common: a daemon that belongs to one folder.

A server is recognised by its program's name and its working folder, which no other process shares.
So no pid file is trusted, and a server that outlived whoever started it is found again.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import psutil

from flowlog.devtools.errors import DevError

START_TIMEOUT = 60.0
STOP_TIMEOUT = 15.0


class Server(ABC):
    """One server of one folder. Every method may be called in any state, from any process."""

    label: ClassVar[str]
    wheel: ClassVar[str]
    program: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]

    def __init__(self, place: Path) -> None:
        self.place = place
        self.log = place / "server.log"

    @property
    def title(self) -> str:
        """Its name with its version, which is the wheel's."""
        return f"{self.label} {'.'.join(version(self.wheel).split('.')[:2])}"

    @property
    @abstractmethod
    def url(self) -> str:
        """The address to connect to. Follows from the folder alone."""

    @property
    @abstractmethod
    def working_folder(self) -> Path:
        """The folder that this server, and nothing else, works in."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether a client is served right now."""

    @abstractmethod
    def _launch(self) -> None:
        """Start the daemon. What a killed predecessor left behind must not disturb it."""

    @abstractmethod
    def remove(self) -> None:
        """Stop the server and delete all that it keeps."""

    def start(self) -> None:
        """Make sure that the server answers; one that already does is left alone.

        Raises `DevError` with the end of the server's log. Callers take turns (see `EmbeddedServers`).
        """
        if self.answers():
            return
        self.stop()
        self._launch()
        if not wait_until(lambda: self.answers() or not self.processes(), START_TIMEOUT) or not self.answers():
            self.kill()
            raise self.start_error()

    def stop(self) -> None:
        """End the server cleanly; by force if it does not end in time."""
        processes = self.processes()
        if main := self._main_of(processes):
            with contextlib.suppress(psutil.NoSuchProcess):
                main.send_signal(self.stop_signal)
        if not wait_until(lambda: not any(map(is_alive, processes)), STOP_TIMEOUT):
            self.kill()

    def kill(self) -> None:
        """End every process of the server at once, as a power cut would."""

        def gone() -> bool:
            for process in (remaining := self.processes()):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            return not remaining

        if not wait_until(gone, STOP_TIMEOUT):
            raise DevError(f"{self.label} could not be stopped: its processes do not end.")

    def restart(self) -> None:
        """Stop the server and start it again, with its data."""
        self.stop()
        self.start()

    def processes(self) -> list[psutil.Process]:
        """The server's live processes."""
        return [process for process in psutil.process_iter(["name"]) if self._is_ours(process)]

    def main_process(self) -> psutil.Process | None:
        """The process that the others belong to; None if the server is down."""
        return self._main_of(self.processes())

    def start_error(self) -> DevError:
        """The sentence for a start that failed."""
        return DevError(f"{self.label} did not start. The end of {self.log}:\n{log_tail(self.log)}")

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.info["name"] == self.program and Path(process.cwd()) == self.working_folder
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False

    @staticmethod
    def _main_of(processes: list[psutil.Process]) -> psutil.Process | None:
        pids = {process.pid for process in processes}
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.ppid() not in pids:
                    return process
        return None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.remove()


def log_tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log, indented; a remark if it is empty or missing."""
    text = log.read_text(errors="replace") if log.is_file() else ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:]) or "    (the log is empty)"


def private_folder(folder: Path, *, mode: int = 0o700, owner: tuple[int, int] | None = None) -> Path:
    """Create `folder` if it is missing, and make sure that it is a real folder of its owner with this mode.

    Raises `DevError` when it is a link or someone else's: that could be a trap laid in a shared folder.
    """
    user, group = owner or (os.geteuid(), os.getegid())
    try:
        folder.mkdir(mode=0o700, parents=True)
        os.chown(folder, user, group, follow_symlinks=False)
    except FileExistsError:
        pass
    except OSError as error:
        raise DevError(f"{folder} cannot be created: {error.strerror}.") from None
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != user:
        raise DevError(f"{folder} is a link or belongs to another user: remove it, then try again.")
    folder.chmod(mode)
    return folder


def delete(folder: Path) -> None:
    """Delete a folder with all that is in it, if it exists."""
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs. A zombie does not: where process 1 reaps nobody, they stay for ever."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def wait_until(condition: Callable[[], bool], timeout: float) -> bool:
    """Poll `condition`; whether it came true in time."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.03)
    return True
