"""The one run of a home: it holds `dev.lock`, in which the processes beside it find its settings."""

from __future__ import annotations

import fcntl
import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from flowlog.devtools.errors import DevError

# Whoever only looks whether there is a run holds the lock too, for an instant.
PATIENCE = 1.0
# A run gives its processes time to finish what they do, one kind after the other.
END_TIMEOUT = 60.0
# Among what a run tells: no setting.
_PID = "PID"


@contextmanager
def only_run(home: Path) -> Iterator[IO[str]]:
    """Be the run of `home`; yields what `tell` takes. Raises `DevError` that says where the one is that there is."""
    from flowlog.devtools.server import wait_until  # noqa: PLC0415 - needs the development requirements

    # It will hold keys.
    descriptor = os.open(home / "dev.lock", os.O_RDWR | os.O_CREAT, 0o600)
    os.fchmod(descriptor, 0o600)
    with open(descriptor, "r+", encoding="utf-8") as lock:  # noqa: PTH123 - there is no other way to give it a mode
        if not wait_until(lambda: _taken(lock, fcntl.LOCK_EX), PATIENCE):
            raise DevError(f"Flowlog already runs in this checkout ({_where(lock)}): `make stop` ends it.")
        tell(lock, {})
        try:
            yield lock
        finally:
            os.ftruncate(descriptor, 0)


def tell(lock: IO[str], settings: Mapping[str, str]) -> None:
    """Let the processes beside this run know the settings that it runs with."""
    lock.seek(0)
    lock.truncate()
    json.dump({**settings, _PID: str(os.getpid())}, lock)
    lock.flush()


def settings_of_run(home: Path) -> dict[str, str]:
    """What the run of `home` told; nothing if there is none, or none that is so far."""
    try:
        with (home / "dev.lock").open(encoding="utf-8") as lock:
            told = {} if _taken(lock, fcntl.LOCK_SH) else _told(lock)
    except FileNotFoundError:
        return {}
    return {name: value for name, value in told.items() if name != _PID}


def end_run(home: Path, timeout: float = END_TIMEOUT) -> bool:
    """Ask the run of `home` to stop, and wait until it has; whether there was one. Raises `DevError` if it stays."""
    from flowlog.devtools.server import wait_until  # noqa: PLC0415 - needs the development requirements

    try:
        lock = (home / "dev.lock").open(encoding="utf-8")
    except FileNotFoundError:
        return False
    with lock:
        if _taken(lock, fcntl.LOCK_SH):
            return False
        # It is told a moment after the lock was taken.
        wait_until(lambda: _holds(_told(lock).get(_PID), home), PATIENCE)
        pid = _told(lock).get(_PID)
        if pid is None or not _holds(pid, home):
            raise DevError("Flowlog runs in this checkout, but does not say as which process: press Ctrl-C there.")
        os.kill(int(pid), signal.SIGTERM)
        if not wait_until(lambda: _taken(lock, fcntl.LOCK_SH), timeout):
            raise DevError(f"Process {pid} does not stop: `kill -9 {pid}`, then `make stop` once more.")
        return True


def _taken(lock: IO[str], how: int) -> bool:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holds(pid: str | None, home: Path) -> bool:
    """Whether that process has the lock's file open: no number is trusted that may by now be another's."""
    import psutil  # noqa: PLC0415 - of the development requirements

    try:
        files = psutil.Process(int(pid)).open_files() if pid else []
    except psutil.Error:
        return False
    return str((home / "dev.lock").resolve()) in {file.path for file in files}


def _where(lock: IO[str]) -> str:
    told = _told(lock)
    process = f", process {told[_PID]}" if _PID in told else ""
    return f"{told.get('SITE_URL', 'still starting')}{process}"


def _told(lock: IO[str]) -> dict[str, str]:
    lock.seek(0)
    # Empty while it starts.
    return dict(json.loads(lock.read() or "{}"))
