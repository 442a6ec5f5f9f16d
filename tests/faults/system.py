"""The whole system on servers of its own, whose every part may be killed: what a campaign of faults runs on.

PostgreSQL is a durable one: what it has committed survives a kill -9, as in production. Workers and beat are started
again whenever they end, as systemd does. The times are production's, made shorter: "not found" is a proof at
`lookup_last`, which is far beyond the longest time that the sandbox holds a message back (hang and latency together).
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import requests

from flowlog.devtools.postgres import Postgres
from flowlog.devtools.valkey import Valkey
from tests.broker import broker_at
from tests.embedded import RUN_HOME
from tests.faults.database import database_at
from tests.integrations.sandbox import SandboxProcess
from tests.processes import Process, beat, wait_until, worker

TIMES = {
    "connect_timeout": "0.5",
    "read_timeout": "1",
    "soft_time_limit": "2",
    "hard_time_limit": "3",
    "lease": "4",
    "sweep_interval": "0.5",
    "wake_repeat": "1",
    "wake_repeat_max": "4",
    "lookup_first": "0.5",
    "lookup_second": "1.5",
    "lookup_last": "6",
    "probe_first": "0.3",
    "probe_max": "2",
    "retries": "0.3,0.5,1,2",
}
# Longer than the second look-up: one that believed the first "not found" would send twice.
HANG_SECONDS = 2.0
START_PATIENCE = 90.0


class Supervised(threading.Thread):
    """A process that is started again whenever it ends, until `over`."""

    def __init__(self, name: str, start: Callable[[], AbstractContextManager[Process]]) -> None:
        super().__init__(name=name, daemon=True)
        self._start = start
        self.over = threading.Event()
        self.running: Process | None = None
        self.starts = 0
        self.start()

    def run(self) -> None:
        while not self.over.is_set():
            # The assertion: it ended before it was ready.
            with contextlib.suppress(AssertionError), self._start() as process:
                self.running = process
                self.starts += 1
                while process.popen.poll() is None and not self.over.wait(0.05):
                    pass
                self.running = None

    def signal_group(self, number: signal.Signals) -> bool:
        """Send it to the process and its children; whether there was one."""
        process = self.running
        if process is None or process.popen.poll() is not None:
            return False
        os.killpg(process.popen.pid, number)
        return True

    def terminate(self) -> bool:
        """SIGTERM to the main process alone, as systemd does; whether there was one."""
        if process := self.running:
            process.popen.terminate()
        return process is not None

    @property
    def is_frozen(self) -> bool:
        process = self.running
        try:
            return process is not None and process.is_frozen
        except psutil.NoSuchProcess:
            return False


class Gateway:
    """The sandbox. What it was told last holds again after a restart."""

    def __init__(self, instances: tuple[str, ...], data: Path, *, forgetful: str) -> None:
        self._sandbox = SandboxProcess(
            *instances, api_key="campaign-key", data=data, options=(f"--hang={HANG_SECONDS}",)
        )
        self._told: dict[str, Any] = {"forgetful": {forgetful: True}, "disconnected": dict.fromkeys(instances, False)}
        self.runs = False
        self.start()

    @property
    def env(self) -> dict[str, str]:
        return {"EVOLUTION_API_URL": self._sandbox.base_url, "EVOLUTION_API_KEY": self._sandbox.api_key}

    def start(self) -> None:
        if not self.runs:
            self._sandbox.start()
            self.runs = True
            self.tell()

    def stop(self) -> None:
        self._sandbox.stop()
        self.runs = False

    def close(self) -> None:
        self._sandbox.close()

    def tell(self, **changes: Any) -> None:
        """Change options for as long as they are not changed again; while it is down they wait for its start."""
        self._told |= changes
        if self.runs:
            self._post(**self._told)

    def disconnect(self, instance: str, *, disconnected: bool = True) -> None:
        """Cut an instance off from WhatsApp, or connect it again."""
        self.tell(disconnected=self._told["disconnected"] | {instance: disconnected})

    def fault(self, kind: str | None, times: int) -> bool:
        """Let the next sends meet the fault, once that many times; whether it is up to hear that."""
        if self.runs:
            self._post(fault=kind, fault_count=times)
        return self.runs

    def _post(self, **options: Any) -> None:
        try:
            self._sandbox.options(**options)
        except requests.ConnectionError:  # the connection that the session had kept is one to a killed sandbox
            self._sandbox.options(**options)

    def messages(self) -> list[dict[str, Any]]:
        return self._sandbox.messages()


class System:
    """The running parts. `faults` is the folder in which faults of the whatsapp workers are armed."""

    def __init__(self, stack: ExitStack, folder: Path, instances: tuple[str, ...], settings: Any) -> None:
        self.instances = instances
        self.faults = folder / "faults"
        self.faults.mkdir()
        self.postgres = stack.enter_context(Postgres(RUN_HOME / "campaign" / "postgres"))
        stack.enter_context(database_at(self.postgres.url))
        self.valkey = stack.enter_context(Valkey(RUN_HOME / "campaign" / "valkey"))
        stack.enter_context(broker_at(self.valkey.url, settings))
        self.gateway = Gateway(instances, folder / "gateway.jsonl", forgetful=instances[-1])
        stack.callback(self.gateway.close)
        self._env = {f"NOTIFICATIONS_{name.upper()}": value for name, value in TIMES.items()} | self.gateway.env
        self._env |= {"DATABASE_URL": self.postgres.url, "REDIS_URL": self.valkey.url}
        self._schedule = folder / "schedule"
        self.senders: list[Supervised] = []
        self.others: list[Supervised] = []

    def start_processes(self, stack: ExitStack, senders: int) -> None:
        """Start as many workers of queue `whatsapp`, one of `default`, and beat."""
        names = [f"whatsapp{number}" for number in range(senders)]
        self.senders = [Supervised(name, partial(self._sender, name)) for name in names]
        self.others = [
            Supervised("default", lambda: worker("default", **self._env)),
            Supervised("beat", lambda: beat(self._schedule, **self._env)),
        ]
        stack.callback(self.stop_processes)
        wait_until(lambda: all(process.starts for process in self.processes), "workers and beat", START_PATIENCE)

    def stop_processes(self) -> None:
        """SIGTERM for all of them at once, for good."""
        for process in self.processes:
            process.over.set()
        for process in self.processes:
            process.join()

    @property
    def processes(self) -> list[Supervised]:
        return [*self.senders, *self.others]

    def _sender(self, name: str) -> AbstractContextManager[Process]:
        return worker("whatsapp", app="tests.faults.worker", name=name, FAULTS=str(self.faults), **self._env)
