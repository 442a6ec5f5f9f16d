"""Starts programs of ours without the second that importing the libraries takes each time.

They are forked from a process that has imported the libraries and nothing of Flowlog, knows no settings, and has
neither threads nor connections. In the child the program runs from its first line, as its own `__main__`, with its own
settings: all that differs from a process that was executed is its command line as others see it, and memory that it
shares.

The process that forks is this module, started by `Launcher`; the two speak over a socket. Of what it has forked it
tells the exit statuses, each over a socket of its own, and keeps the zombie until that is closed: a process id means
one process for as long as its starter knows it, as with `subprocess`.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import select
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NoReturn

BASE_DIR = Path(__file__).resolve().parent.parent
# What the web, the workers, beat and the commands import, as far as it needs no settings. Neither gunicorn nor babel:
# they read WEB_CONCURRENCY and TZ while they are imported.
LIBRARIES = (
    "celery.apps.beat", "celery.bin.celery", "celery.concurrency.prefork", "celery.fixups.django",
    "celery.worker.consumer", "celery.worker.request", "celery.worker.worker", "cryptography.fernet", "decouple",
    "dj_database_url", "django.contrib.admin.widgets", "django.contrib.postgres.fields",
    "django.contrib.postgres.search", "django.core.mail", "django.core.management.commands.shell",
    "django.db.backends.postgresql.base", "django.db.backends.postgresql.schema", "django.db.migrations.writer",
    "django.template.defaulttags", "django.test.signals", "django.views.debug", "django.views.static",
    "kombu.transport.redis", "openpyxl", "phonenumbers", "prometheus_client", "psycopg_pool", "pydantic.main",
    "pydantic.networks", "pydantic.type_adapter", "pydantic.types", "requests", "segno", "sqlparse", "stdnum.util",
    "whitenoise.middleware",
)  # fmt: skip
# What Python reads of the environment at its start, and the libraries while they are imported.
_READ_BEFORE = ("PYTHON", "CELERY_", "KOMBU_", "PROMETHEUS_", "PSYCOPG_")
_LONGEST = 1 << 20
_STATUS_BYTES = 4


def python(
    *arguments: str,
    env: Mapping[str, str],
    stdout: IO[Any] | None = None,
    stderr: IO[Any] | None = None,
    group: bool = False,
    folder: Path = BASE_DIR,
) -> subprocess.Popen[bytes] | Launched:
    """A process that runs `python arguments` in the project's folder or a copy, and prints where we do, or as told.

    With `group` it is the first of a session of its own. Outside of tests it is executed: whoever measures what it
    needs would not see what a launched one shares. So it is where what is read before a program begins differs.
    """
    if "PYTEST_VERSION" in os.environ and _read_before(env) == _read_before(os.environ):
        return _launcher().start(
            *arguments, env=env, stdout=stdout or 1, stderr=stderr or 2, group=group, folder=folder
        )
    command = [sys.executable, *arguments]
    return subprocess.Popen(
        command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=group
    )


def run(
    *arguments: str, env: Mapping[str, str], folder: Path = BASE_DIR, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """The same to its end, with what it printed. Raises `subprocess.TimeoutExpired` after so many seconds."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = python(*arguments, env=env, stdout=out, stderr=err, folder=folder)
        try:
            status = process.wait(timeout)
        finally:
            process.kill()
            process.wait()
        texts = [file.read() for file in (out, err) if file.seek(0) == 0]
    return subprocess.CompletedProcess([sys.executable, *arguments], status, *texts)


@functools.cache
def _launcher() -> Launcher:
    launcher = Launcher()
    atexit.register(launcher.close)
    return launcher


class Launched:
    """A process that was forked. As a `subprocess.Popen`, as far as tests look at one."""

    def __init__(self, pid: int, status: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._status = status

    def poll(self) -> int | None:
        """Its exit status, negative for a signal; None as long as it runs."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """The same once it has ended. Raises `subprocess.TimeoutExpired` after `timeout` seconds."""
        if (status := self._ended(timeout)) is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        """Nothing to one that has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            poll = select.poll()
            poll.register(self._status, select.POLLIN)
            if not poll.poll(None if timeout is None else timeout * 1000):
                return None
            told = self._status.recv(_STATUS_BYTES)
            assert told, f"What launched process {self.pid} has ended before it."
            self.returncode = int.from_bytes(told, signed=True)
            self._status.close()
        return self.returncode


class Launcher:
    """Launches programs as long as it is open. Any thread may."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "tests.launcher", str(theirs.fileno())]
            # Else what is printed to a file would wait until there is much of it.
            env = os.environ | {"PYTHONUNBUFFERED": "1"}
            self._process = subprocess.Popen(command, cwd=BASE_DIR, env=env, pass_fds=[theirs.fileno()])

    def start(
        self,
        *arguments: str,
        env: Mapping[str, str],
        stdout: IO[Any] | int,
        stderr: IO[Any] | int,
        group: bool,
        folder: Path = BASE_DIR,
    ) -> Launched:
        """Run what `python arguments` would in that folder: `-c` with a program, `-m` with a module's name, or a
        script that lies there.

        Its input is empty. With `group` it is the first of a session of its own.
        """
        ours, theirs = socket.socketpair()
        files = [file if isinstance(file, int) else file.fileno() for file in (stdout, stderr)]
        request = {"arguments": arguments, "env": dict(env), "group": group, "folder": str(folder)}
        with theirs, self._turn:
            socket.send_fds(self._socket, [json.dumps(request).encode()], [theirs.fileno(), *files])
            answer = self._socket.recv(_LONGEST)
        assert answer, "What launches programs has ended."
        return Launched(int(answer), ours)

    def close(self) -> None:
        self._socket.close()
        self._process.wait()


def _read_before(env: Mapping[str, str]) -> dict[str, str]:
    return {name: env[name] for name in env if name.startswith(_READ_BEFORE) and name != "PYTHONUNBUFFERED"}


class _Server:
    """The other side: forks, and tells what became of what it forked."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        # By process: where its status is awaited.
        self._running: dict[int, socket.socket] = {}
        self._told: set[int] = set()
        self._signals, self._wakeup = socket.socketpair()
        self._wakeup.settimeout(0)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakeup.fileno(), warn_on_full_buffer=False)
        self._selector = selectors.DefaultSelector()
        for each in (requests, self._signals):
            self._selector.register(each, selectors.EVENT_READ)

    def serve(self) -> list[str]:
        """Returns in each child, with the arguments of its program. The server itself ends with its requests."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._signals:
                    self._signals.recv(_LONGEST)
                    self._tell()
                elif key.fileobj is not self._requests:
                    self._let_go(key.data)
                elif (program := self._launch()) is not None:
                    return program

    def _launch(self) -> list[str] | None:
        message, files, _, _ = socket.recv_fds(self._requests, _LONGEST, 3)
        if not message:
            os._exit(0)
        if pid := os.fork():
            for file in files[1:]:
                os.close(file)
            self._running[pid] = socket.socket(fileno=files[0])
            self._selector.register(self._running[pid], selectors.EVENT_READ, pid)
            return None
        os.close(files[0])
        return self._become(json.loads(message), files[1:])

    def _become(self, request: dict[str, Any], output: list[int]) -> list[str]:
        """What `exec` would see to."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if request["group"]:
            os.setsid()
        for number, file in enumerate([os.open(os.devnull, os.O_RDONLY), *output]):
            os.dup2(file, number)
            os.close(file)
        os.environ.clear()
        os.environ.update(request["env"])
        time.tzset()
        os.chdir(request["folder"])
        sys.path[0] = request["folder"]
        # Whoever started it may now send it signals.
        self._requests.send(str(os.getpid()).encode())
        self._selector.close()
        for each in (self._requests, self._signals, self._wakeup, *self._running.values()):
            each.close()
        arguments: list[str] = request["arguments"]
        return arguments

    def _tell(self) -> None:
        for pid, starter in self._running.items():
            if pid not in self._told and (found := os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)):
                status = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
                with contextlib.suppress(ConnectionError):
                    starter.send(status.to_bytes(_STATUS_BYTES, signed=True))
                self._told.add(pid)

    def _let_go(self, pid: int) -> None:
        """Its starter knows how it ended, or does not want to."""
        starter = self._running.pop(pid)
        self._selector.unregister(starter)
        starter.close()
        self._told.discard(pid)
        os.waitpid(pid, os.WNOHANG)


def _run(arguments: list[str]) -> None:
    sys.orig_argv = [sys.executable, *arguments]
    if arguments[0] == "-c":
        sys.argv = ["-c", *arguments[2:]]
        sys.modules["__main__"] = module = types.ModuleType("__main__")
        exec(arguments[1], vars(module))  # noqa: S102 - as Python does
    elif arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


def _end(status: int) -> NoReturn:
    """As Python ends, but that it does not take all its memory to pieces first, page by page of what is shared."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


def main() -> None:
    gc.disable()
    for name in LIBRARIES:
        importlib.import_module(name)
    assert threading.active_count() == 1
    # What is here stays: no child need look at it again.
    gc.freeze()
    program = _Server(socket.socket(fileno=int(sys.argv[1]))).serve()
    gc.enable()
    try:
        _run(program)
    except SystemExit as end:
        if isinstance(end.code, str):
            raise
        _end(end.code or 0)
    _end(0)


if __name__ == "__main__":
    main()
