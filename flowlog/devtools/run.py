"""The one run of a home: it holds `dev.lock`, in which the processes beside it find its settings."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from flowlog.devtools.errors import DevError

# Whoever only looks whether there is a run holds the lock too, for an instant.
PATIENCE = 1.0


@contextmanager
def only_run(home: Path) -> Iterator[IO[str]]:
    """Be the run of `home`; yields what `tell` takes. Raises `DevError` with the address of the one that there is."""
    from flowlog.devtools.server import wait_until  # noqa: PLC0415 - needs the development requirements

    # It will hold keys.
    descriptor = os.open(home / "dev.lock", os.O_RDWR | os.O_CREAT, 0o600)
    os.fchmod(descriptor, 0o600)
    with open(descriptor, "r+", encoding="utf-8") as lock:  # noqa: PTH123 - there is no other way to give it a mode
        if not wait_until(lambda: _taken(lock, fcntl.LOCK_EX), PATIENCE):
            where = _told(lock).get("SITE_URL", "still starting")
            raise DevError(f"Flowlog already runs in this checkout ({where}): stop it there first.")
        lock.truncate(0)
        try:
            yield lock
        finally:
            os.ftruncate(descriptor, 0)


def tell(lock: IO[str], settings: Mapping[str, str]) -> None:
    """Let the processes beside this run know the settings that it runs with."""
    json.dump(dict(settings), lock)
    lock.flush()


def settings_of_run(home: Path) -> dict[str, str]:
    """What the run of `home` told; nothing if there is none, or none that is so far."""
    try:
        with (home / "dev.lock").open(encoding="utf-8") as lock:
            return {} if _taken(lock, fcntl.LOCK_SH) else _told(lock)
    except FileNotFoundError:
        return {}


def _taken(lock: IO[str], how: int) -> bool:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _told(lock: IO[str]) -> dict[str, str]:
    lock.seek(0)
    # Empty while it starts.
    return dict(json.loads(lock.read() or "{}"))
