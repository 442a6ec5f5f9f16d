"""Celery workers, beat and the web server as processes of their own, on the test's database and broker."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit, urlunsplit

import psutil
from django.conf import settings
from django.db import connection

from tests.integrations.sandbox import SandboxProcess
from tests.launcher import BASE_DIR, python

READY = " ready."
PATIENCE = 40.0


def wait_until[T](condition: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
    """The first true value of `condition`; fails the test, naming `what`, when patience is over."""
    deadline = time.monotonic() + patience
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"In vain waited {patience:g} s for: {what}")
        time.sleep(0.02)
    return value


def environment(**changed: str) -> dict[str, str]:
    """The environment of a process that works on the test's database."""
    address = urlsplit(os.environ["DATABASE_URL"])
    database = urlunsplit(address._replace(path=f"/{connection.settings_dict['NAME']}"))
    return os.environ | {"DATABASE_URL": database, "PYTHONUNBUFFERED": "1", "LOG_LEVEL": "INFO"} | changed


def unit_environment(name: str, **changed: str) -> dict[str, str]:
    """The same with what the unit `flowlog-<name>` of production sets."""
    unit = (BASE_DIR / "deploy" / "systemd" / f"flowlog-{name}.service").read_text()
    [told] = re.findall(r"(?m)^Environment=(.*)$", unit)
    return environment(**dict(each.split("=", 1) for each in told.split()) | changed)


class Process:
    """One running `celery …` command with its log."""

    def __init__(self, app: str, arguments: list[str], log: IO[bytes], env: dict[str, str]) -> None:
        self.log = Path(log.name)
        self.popen = python("-m", "celery", "-A", app, *arguments, env=env, stdout=log, stderr=log, group=True)
        self._told_to_stop = False

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """Kill -9 of the whole process group."""
        os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()

    @property
    def is_dead(self) -> bool:
        return self.popen.poll() is not None

    @property
    def is_frozen(self) -> bool:
        """Whether the main process and all its children have been stopped (SIGSTOP)."""
        main = psutil.Process(self.popen.pid)
        states = {each.status() for each in (main, *main.children())}
        return states - {psutil.STATUS_ZOMBIE} == {psutil.STATUS_STOPPED}

    def freeze(self) -> None:
        """SIGSTOP for the whole process group."""
        os.killpg(self.popen.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the whole process group go on after SIGSTOP."""
        os.killpg(self.popen.pid, signal.SIGCONT)

    def tell_to_stop(self) -> None:
        """SIGTERM to the main process, as systemd does, once."""
        if self.popen.poll() is None and not self._told_to_stop:
            self._told_to_stop = True
            self.popen.terminate()

    def stop(self) -> None:
        """Tell it to stop and wait for its end; kill what does not obey."""
        if self.popen.poll() is None:
            self.tell_to_stop()
            try:
                self.popen.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self.kill()


@contextmanager
def celery(*arguments: str, ready: str, app: str = "flowlog", **env: str) -> Iterator[Process]:
    """A celery command, once its log says `ready`; stopped at the end."""
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        process = Process(app, list(arguments), log, environment(**env))
        try:
            wait_until(lambda: ready in process.output() or process.popen.poll() is not None, ready)
            assert process.popen.poll() is None, process.output()
            yield process
        finally:
            process.stop()


def worker(
    queue: str, *options: str, app: str = "flowlog", name: str = "", **env: str
) -> AbstractContextManager[Process]:
    """A worker that consumes one queue, with one process unless `options`, more of the command's, say otherwise."""
    return celery(
        "worker", "-Q", queue, "-c", "1", "-n", f"{name or queue}@test", "--without-gossip", "--without-heartbeat",
        "--without-mingle",
        *options, ready=READY, app=app, **env,
    )  # fmt: skip


def beat(schedule: Path, **env: str) -> AbstractContextManager[Process]:
    """Beat with its schedule file in a folder of the test's."""
    return celery("beat", "-s", str(schedule), ready=" is starting.", **env)


@contextmanager
def web_server(application: str = "flowlog.wsgi", *more: str, **env: str) -> Iterator[str]:
    """gunicorn with two workers, or as many as WEB_CONCURRENCY says, and `more` options, once it answers; gives its
    address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = [f"--bind=127.0.0.1:{port}", "--threads=4", "--log-level=warning", *more]
    server = python("-m", "gunicorn", application, *options, env=environment(**{"WEB_CONCURRENCY": "2"} | env))
    try:
        wait_until(lambda: answers(port), "the web server")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(15)


def answers(port: int) -> bool:
    """Whether anybody listens there, on loopback."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


class System:
    """Starts the processes that a test needs, on the gateway and the broker of the settings."""

    def __init__(self, stack: ExitStack, folder: Path, gateway: SandboxProcess, **env: str) -> None:
        self._stack = stack
        self._folder = folder
        self.processes: list[Process] = []
        self.env = {
            "EVOLUTION_API_URL": gateway.base_url,
            "EVOLUTION_API_KEY": gateway.api_key,
            "REDIS_URL": settings.REDIS_URL,
        } | env

    def worker(self, queue: str, *options: str, **env: str) -> Process:
        """A worker; `env` goes beyond the system's, and may name another `app` and the worker's `name`."""
        return self._start(worker(queue, *options, **self.env | env))

    def beat(self) -> Process:
        return self._start(beat(self._folder / "schedule", **self.env))

    def web(self, **env: str) -> str:
        """The web server; returns its address."""
        return self._stack.enter_context(web_server(**self.env | env))

    def start_all(self) -> None:
        with ThreadPoolExecutor() as together:
            starts = [together.submit(self.worker, queue) for queue in ("whatsapp", "default")]
            starts.append(together.submit(self.beat))
        for start in starts:
            start.result()

    def _start(self, process: AbstractContextManager[Process]) -> Process:
        started = self._stack.enter_context(process)
        self.processes.append(started)
        # The last one's is the first to be called: by the time that one is waited for, the others are on their way too.
        self._stack.callback(self._tell_all_to_stop)
        return started

    def _tell_all_to_stop(self) -> None:
        for process in self.processes:
            process.tell_to_stop()
