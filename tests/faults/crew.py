"""The crew that the crash matrix works with: beat, the default worker, and a sender that a test makes fail.

The first two go on from test to test. The sender is the worker of queue `whatsapp`; a test asks for it again after it
has died and gets a new one, which the next test goes on with. Times are production's, shrunk to seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from django.db import connection

from tests.broker import purge
from tests.faults.worker import Action, Point, arm, armed
from tests.integrations.sandbox import SandboxProcess
from tests.processes import Process, System, wait_until

TIMES = {
    "CONNECT_TIMEOUT": 0.8,
    "READ_TIMEOUT": 0.8,
    "SOFT_TIME_LIMIT": 1.8,
    "HARD_TIME_LIMIT": 2.2,
    "LEASE": 2.7,
    "SWEEP_INTERVAL": 0.3,
    "WAKE_REPEAT": 0.5,
    "WAKE_REPEAT_MAX": 1,
    "LOOKUP_FIRST": 0.4,
    "LOOKUP_SECOND": 1.4,
    "LOOKUP_LAST": 2.9,
    "PROBE_FIRST": 0.3,
    "PROBE_MAX": 1,
}
# Longer than the client waits for an answer, and over before the second look-up.
HANG_SECONDS = 1.1


def shrunk(**changed: float) -> dict[str, str]:
    """The environment that sets the times, some of them otherwise."""
    times = {f"NOTIFICATIONS_{name}": f"{seconds:g}" for name, seconds in (TIMES | changed).items()}
    return times | {"NOTIFICATIONS_RETRIES": "0.3,0.5,1"}


class Crew:
    """`faults` is the folder in which the sender's failures are armed."""

    def __init__(self, system: System, faults: Path) -> None:
        self.system = system
        self.faults = faults
        self._sender: Process | None = None
        self._substitutes: list[Process] = []
        with ThreadPoolExecutor() as together:
            sender = together.submit(self.sender)
            default, beat = together.submit(system.worker, "default"), together.submit(system.beat)
        self.default, self.beat = default.result(), beat.result()
        sender.result()

    def sender(self, **env: str) -> Process:
        """The sender; a new one, with this environment, if there is none or it is dead."""
        if self._sender is None or self._sender.is_dead:
            env |= {"FAULTS": str(self.faults), "PATIENT": "1"}
            self._sender = self.system.worker("whatsapp", app="tests.faults.worker", **env)
        return self._sender

    def substitute(self) -> Process:
        """Another sender beside the first, which nothing makes fail."""
        name = f"substitute{len(self._substitutes)}"
        self._substitutes.append(self.system.worker("whatsapp", name=name))
        return self._substitutes[-1]

    def arm(self, point: Point, action: Action, passes: int = 0) -> None:
        """Let the sender fail there, once, after it has passed so many times."""
        self.sender()
        arm(self.faults, point, action, passes)

    def wait_for_failure(self) -> None:
        """Wait until what was armed has happened; a sender that was to be killed is dead then."""
        wait_until(lambda: not armed(self.faults), f"{armed(self.faults)} to happen")

    def wait_for_death(self) -> None:
        wait_until(lambda: self._sender is None or self._sender.is_dead, "the sender's death")
        assert armed(self.faults) == []

    def wait_for_frost(self) -> Process:
        """Wait until the sender stands still."""
        sender = self.sender()
        self.wait_for_failure()
        wait_until(lambda: sender.is_frozen, "the sender to stand still")
        return sender

    def go_on(self) -> None:
        """Work for the next test."""
        purge("default", "whatsapp")
        for process in self._living:
            process.thaw()
        self.sender()

    def rest(self) -> None:
        """Stand still while the test's rows are deleted: whoever held a lock then would be in the way."""
        for path in self.faults.iterdir():
            path.unlink()
        still = [self._sender] if self._sender and not self._sender.is_dead and self._sender.is_frozen else []
        _kill(still + self._substitutes)
        assert not self.default.is_dead
        assert not self.beat.is_dead
        wait_until(self._stands_still, "the crew to be in the middle of nothing")

    def _stands_still(self) -> bool:
        for process in self._living:
            process.freeze()
        wait_until(lambda: all(process.is_frozen for process in self._living), "the crew to stand still")
        if not (idle := _database_is_idle()):
            for process in self._living:
                process.thaw()
        return idle

    @property
    def _living(self) -> list[Process]:
        return [process for process in self.system.processes if not process.is_dead]

    def close(self) -> None:
        """End all at once: nobody waits for a clean stop."""
        _kill(self.system.processes)


def _database_is_idle() -> bool:
    """Whether nobody but this process is in the middle of anything."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend' AND state <> 'idle'"
        )
        return bool(cursor.fetchone() == (0,))


def _kill(processes: list[Process]) -> None:
    for process in processes:
        if not process.is_dead:
            process.kill()


@contextmanager
def crew_at_work(folder: Path, gateway: SandboxProcess, **env: str) -> Iterator[Crew]:
    """A crew that works for the gateway, on the broker of the settings; it ends without ceremony."""
    faults = folder / "faults"
    faults.mkdir()
    with ExitStack() as stack:
        crew = Crew(System(stack, folder, gateway, **shrunk(), **env), faults)
        try:
            yield crew
        finally:
            crew.close()
