"""Starting processes, watching all of them, and stopping all of them.

Whatever is waited for, the death of any part and the wish to stop are noticed within a fraction of a second.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from flowlog.devtools.children import END_TIMEOUT, MARK, STOP_TIMEOUT, Child, end_marked, stop_all
from flowlog.devtools.errors import DevError
from flowlog.devtools.server import Server, is_alive, log_tail

READY_TIMEOUT = 60.0
POLL_INTERVAL = 0.2
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):  # noqa: N818 - not an error: somebody wants to stop
    """Ctrl-C, SIGTERM, or the terminal was closed."""


class Supervisor:
    """The processes of one home. Their logs are `logs/<name>.log`; all of them carry the home's mark."""

    def __init__(self, home: Path, folder: Path, *, grace: float = STOP_TIMEOUT) -> None:
        self._home = home
        self._folder = folder
        self._grace = grace
        self._children: list[Child] = []
        self._tasks: list[Child] = []
        self._servers: list[tuple[Server, psutil.Process | None]] = []
        self._stop = threading.Event()
        self._in_terminal = False

    def listen_for_stop(self) -> None:
        """From now on, a signal to stop or the end of the terminal ends the next wait with `Interrupted`.

        The hang-up may stay with whoever leads the terminal's session: make keeps it to itself. So the terminal is
        looked at as well. Whoever runs this under nohup wants neither.
        """
        outlives = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        for number in STOP_SIGNALS:
            if not (outlives and number is signal.SIGHUP):
                signal.signal(number, lambda *_: self._stop.set())
        self._in_terminal = not outlives and _has_terminal()

    def watch(self, servers: Sequence[Server]) -> None:
        """Notice the death of these servers, which somebody else starts and stops."""
        self._servers = [(server, server.main_process()) for server in servers]

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a Python process that has to live until `end`."""
        child = self._child(name, command)
        self._children.append(child)
        child.start(folder=self._folder, environment=self._marked(environment))

    def run(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Child:
        """Run a Python process to its end; its output is shown. The caller looks at its exit code."""
        child = self._child(name, command)
        self._tasks.append(child)
        child.start(folder=self._folder, environment=self._marked(environment), show_output=True)
        self.wait(lambda: child.exit_code() is not None)
        return child

    def wait(self, condition: Callable[[], bool], *, what: str = "", timeout: float | None = None) -> None:
        """Wait until `condition` holds.

        Raises `Interrupted` when asked to stop, and `DevError` when any part dies or, with `timeout`, when `what`
        took too long.
        """
        deadline = time.monotonic() + timeout if timeout else None
        while not condition():
            if self._stop.wait(POLL_INTERVAL) or (self._in_terminal and not _has_terminal()):
                raise Interrupted
            self._check()
            if deadline and time.monotonic() > deadline:
                raise DevError(f"{what} was not ready after {timeout:.0f} s. See the logs in {self._home / 'logs'}.")

    def end(self) -> None:
        """Stop everything that was started, workers first: they may need the others to finish."""
        stop_all([child for child in self._children if child.name.startswith("worker")], self._grace)
        everything = [*self._children, *self._tasks]
        stop_all(everything, self._grace)
        end_marked(self._home, min(self._grace, END_TIMEOUT))
        for child in everything:
            child.exit_code()  # or those that were killed would stay zombies
        self._children.clear()
        self._tasks.clear()

    def _child(self, name: str, command: Sequence[str]) -> Child:
        return Child(name, command, log=self._home / "logs" / f"{name}.log")

    def _marked(self, environment: Mapping[str, str]) -> dict[str, str]:
        return {**environment, MARK: str(self._home)}

    def _check(self) -> None:
        for child in self._children:
            if child.exit_code() is not None:
                raise child.death()
        for server, process in self._servers:
            if process is None or not is_alive(process):
                raise DevError(f"{server.label} died. The end of {server.log}:\n{log_tail(server.log)}")


def _has_terminal() -> bool:
    """Whether this process belongs to a terminal. It is taken from the whole session when it is closed."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
