"""The thread that makes the plan come true, and counts what really happened."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import override

import redis

from flowlog.devtools.server import Server
from tests.faults.plan import Kind, Planned
from tests.faults.system import TIMES, Supervised, System
from tests.faults.worker import Action, Point, arm, armed
from tests.processes import wait_until

# Beyond the lease, and every other time beyond the last look-up.
FREEZES = (float(TIMES["lease"]) + 1, float(TIMES["lookup_last"]) + 2)
SLOW_MS = (300, 1200)
BAD_SEARCHES: tuple[dict[str, float], ...] = ({"search_status": 500}, {"search_hang_seconds": 2})
SHARE = 0.3


class Chaos(threading.Thread):
    """Begins each trouble when its message is written, and ends it after its time."""

    def __init__(self, system: System, plan: Sequence[Planned], written: Callable[[], int]) -> None:
        super().__init__(daemon=True)
        self._system = system
        self._plan = deque(plan)
        self._due: list[Planned] = []
        self._written = written
        self._ends: list[tuple[float, Callable[[], object]]] = []
        self._armed: set[str] = set()
        self._frozen: set[Supervised] = set()
        self._freezes = 0
        self._over = threading.Event()
        self._error: BaseException | None = None
        self.happened: Counter[tuple[Kind, str]] = Counter()
        """What really began: a fault that was armed but not met is not in it."""
        self.start()

    @override
    def run(self) -> None:
        try:
            while not self._over.wait(0.05):
                self._tick()
        except BaseException as error:  # noqa: BLE001 - raised in `make_healthy`
            self._error = error

    def stop(self) -> None:
        """No more troubles."""
        self._over.set()
        self.join()

    def make_healthy(self) -> None:
        """Put an end to everything once all has begun that was to; raises what went wrong in the thread."""
        wait_until(lambda: self._error or not (self._due or self._is_next_due()), "the last troubles")
        self.stop()
        if self._error:
            raise self._error
        self._note_met()
        for path in self._system.faults.iterdir():
            path.unlink(missing_ok=True)
        for _moment, end in self._ends:
            end()
        self._thaw(*self._system.senders)
        self._system.gateway.fault(None, 0)

    def _tick(self) -> None:
        while self._is_next_due():
            self._due.append(self._plan.popleft())
        self._due = [planned for planned in self._due if not self._begin(planned)]
        for each in [each for each in self._ends if each[0] <= time.monotonic()]:
            self._ends.remove(each)
            each[1]()
        self._note_met()
        for process in self._system.senders:
            if process not in self._frozen and process.is_frozen:
                self._frozen.add(process)
                self._freezes += 1
                self._later(FREEZES[self._freezes % 2], lambda process=process: self._thaw(process))  # type: ignore[misc]

    def _is_next_due(self) -> bool:
        return bool(self._plan) and self._plan[0].at <= self._written()

    def _later(self, seconds: float, end: Callable[[], object]) -> None:
        self._ends.append((time.monotonic() + seconds, end))

    def _note_met(self) -> None:
        waiting = set(armed(self._system.faults))
        self.happened.update((Kind.ARMED, what) for what in self._armed - waiting)
        self._armed &= waiting

    def _thaw(self, *processes: Supervised) -> None:
        for process in processes:
            process.signal_group(signal.SIGCONT)
            self._frozen.discard(process)

    def _begin(self, planned: Planned) -> bool:
        """Begin it, and see to its end; False if that is not possible now: what is to fail must run."""
        if planned.kind is Kind.ARMED:  # counted when it is met
            point, _, action = planned.what.partition(".")
            arm(self._system.faults, Point(point), Action(action))
            self._armed.add(planned.what)
            return True
        what = self._trouble(planned)
        if what is not None:
            self.happened[planned.kind, what] += 1
        return what is not None

    def _trouble(self, planned: Planned) -> str | None:
        """Begin what is not armed; returns by what it is counted, None if it cannot begin."""
        match planned.kind:
            case Kind.PROCESS_KILLED:
                process = planned.pick(self._system.processes)
                return process.name if process.signal_group(signal.SIGKILL) else None
            case Kind.WORKER_TERMINATED:
                return "" if planned.pick(self._system.senders).terminate() else None
            case Kind.BROKER_KILLED | Kind.BROKER_FLUSHED | Kind.DATABASE_KILLED | Kind.DATABASE_RESTARTED:
                return "" if self._trouble_server(planned) else None
            case _:
                return self._trouble_gateway(planned)

    def _trouble_server(self, planned: Planned) -> bool:
        system = self._system
        match planned.kind:
            case Kind.BROKER_KILLED:
                return self._kill(system.valkey, planned)
            case Kind.BROKER_FLUSHED:
                return self._flush()
            case Kind.DATABASE_KILLED:
                return self._kill(system.postgres, planned)
            case _:
                system.postgres.restart()
                return True

    def _kill(self, server: Server, planned: Planned) -> bool:
        if not server.main_process():
            return False
        server.kill()
        self._later(planned.seconds, server.start)
        return True

    def _flush(self) -> bool:
        with redis.Redis.from_url(self._system.valkey.url) as client:
            try:
                return bool(client.flushall())
            except redis.ConnectionError:
                return False

    def _trouble_gateway(self, planned: Planned) -> str | None:
        gateway = self._system.gateway
        match planned.kind:
            case Kind.NEXT_SENDS:
                return planned.what if gateway.fault(planned.what, 1 + planned.choice % 3) else None
            case Kind.SHARE_OF_SENDS:
                self._tell(planned, error_rate=SHARE, error_fault=planned.what)
            case Kind.SLOW:
                self._tell(planned, latency_ms=planned.pick(SLOW_MS))
            case Kind.SEARCH_FAILS:
                self._tell(planned, **planned.pick(BAD_SEARCHES))
            case Kind.DISCONNECTED:
                instance = planned.pick(self._system.instances)
                gateway.disconnect(instance)
                self._later(planned.seconds, lambda: gateway.disconnect(instance, disconnected=False))
            case _:
                if not gateway.runs:
                    return None
                gateway.stop()
                self._later(planned.seconds, gateway.start)
        return planned.what

    def _tell(self, planned: Planned, **options: float | str) -> None:
        """Options for the trouble's time; afterwards every number among them is 0 again."""
        gateway = self._system.gateway
        gateway.tell(**options)
        healthy = {name: 0 for name, value in options.items() if not isinstance(value, str)}
        self._later(planned.seconds, lambda: gateway.tell(**healthy))
