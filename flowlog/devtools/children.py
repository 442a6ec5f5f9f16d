"""The processes that `manage.py dev` starts, and the end of all of them.

Each carries `FLOWLOG_DEV_HOME` in its environment, and so does whatever it starts. That mark alone says that a
process may be ended, so that neither a reused process id nor a neighbouring checkout is ever hit.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import psutil

from flowlog.devtools.errors import DevError
from flowlog.devtools.server import is_alive, log_tail, wait_until

MARK = "FLOWLOG_DEV_HOME"
STOP_TIMEOUT = 20.0
END_TIMEOUT = 5.0


class Child:
    """One process in a session of its own, so that Ctrl-C in the terminal reaches only its supervisor."""

    def __init__(self, name: str, command: Sequence[str], *, log: Path) -> None:
        self.name = name
        self.log = log
        self._command = [sys.executable, *command]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, folder: Path, environment: Mapping[str, str], show_output: bool = False) -> None:
        """Start it. Everything that it writes goes to its log; with `show_output`, only its errors do."""
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own commands
                self._command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=None if show_output else log,
                stderr=log,
                start_new_session=True,
            )

    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll() if self._process else None

    def ask_to_stop(self) -> None:
        """Let it finish what it does."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def death(self) -> DevError:
        """The sentence for an end that nobody asked for."""
        code = self.exit_code() or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return DevError(f"{self.name} {how}. The end of {self.log}:\n{log_tail(self.log)}")


def stop_all(children: Iterable[Child], timeout: float) -> None:
    """Ask all of them to stop and wait; whoever is late is left to `end_marked`."""
    children = list(children)
    for child in children:
        child.ask_to_stop()
    wait_until(lambda: all(child.exit_code() is not None for child in children), timeout)


def end_marked(home: Path, timeout: float = END_TIMEOUT) -> int:
    """End every process that carries this home's mark: asked first, then killed. Returns how many there were."""
    processes = _marked(home)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in filter(is_alive, processes):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        wait_until(lambda: not any(map(is_alive, processes)), timeout)
    return len(processes)


def _marked(home: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == str(home):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found
