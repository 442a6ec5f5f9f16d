"""`make faults`: thousands of messages while everything fails at random, and what became of each of them.

Orders live through their whole lives at four stores, one of whose instances keeps no messages, on real processes and
servers. Workers die and stand still, the broker, the database and the gateway go away and come back, sends meet every
fault that the gateway has. At the end all is made healthy, and once nothing changes any more everything is counted. It
fails if a message was lost, left out of order, is not settled, or arrived twice where that could be known.

What happens follows from the seed; in which order the processes get there does not. Not collected by default.
"""

from __future__ import annotations

import logging
import os
import random
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orders.models import Store
from tests.factories import make_instance
from tests.faults.chaos import Chaos
from tests.faults.lives import Lives, surviving, unfinished
from tests.faults.plan import Kind, make_plan
from tests.faults.report import Report, examine
from tests.faults.system import System
from tests.faults.worker import Action

INSTANCES = ("loja-1", "loja-2", "loja-3", "loja-forgetful")
FORGETFUL = INSTANCES[-1]
# Messages a minute; one keeps a pace, so that its messages wait for a countdown.
PACES = {"loja-2": 3000}
SENDERS = 4
# Seconds until every row must be final once all is healthy.
PATIENCE = 180.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One campaign: the counts, what went wrong on purpose, and how long it took."""

    seed: int
    report: Report
    happened: dict[tuple[Kind, str], int]
    duration: float
    recovery: float

    def number(self, *kinds: Kind) -> int:
        return sum(count for (kind, _what), count in self.happened.items() if kind in kinds)

    @property
    def worker_kills(self) -> int:
        """Whole workers that were ended by kill -9."""
        at_points = sum(count for (_kind, what), count in self.happened.items() if what.endswith(f".{Action.KILL}"))
        at_any_moment = self.number(Kind.PROCESS_KILLED) - self.happened.get((Kind.PROCESS_KILLED, "beat"), 0)
        return at_points + at_any_moment

    def table(self) -> str:
        report = self.report
        faults = [(f"{kind}{': ' if what else ''}{what}", count) for (kind, what), count in self.happened.items()]
        lines = [
            ("messages", report.messages),
            ("  refused by the gateway for good", report.refused),
            *((what, len(offenders)) for what, offenders in report.wrong.items()),
            ("sent twice where it keeps none", report.copies_not_kept),
            ("  of sends of unknown outcome there", report.unknown_not_kept),
            ("duration (s)", round(self.duration, 1)),
            ("messages per second", round(report.messages / self.duration, 1)),
            ("recovery (s)", round(self.recovery, 1)),
            ("worker kills", self.worker_kills),
            ("broker losses", self.number(Kind.BROKER_KILLED)),
            ("database restarts", self.number(Kind.DATABASE_KILLED, Kind.DATABASE_RESTARTED)),
            ("faults", sum(self.happened.values())),
            *((f"  {what}", count) for what, count in sorted(faults)),
            ("sends", report.sends.total()),
            *((f"  {what}", count) for what, count in report.sends.most_common()),
            ("look-ups", report.look_ups.total()),
            *((f"  {what}", count) for what, count in report.look_ups.most_common()),
        ]
        return "\n".join([f"Campaign with seed {self.seed}", *(f"  {what:<60}{count:>10,}" for what, count in lines)])


def run(seed: int, size: int, folder: Path, settings: Any, *, senders: int = SENDERS) -> Outcome:
    """A campaign of about `size` messages, on servers of its own."""
    with ExitStack() as stack:
        logging.disable(logging.ERROR)  # this process tells of every loss of a server
        stack.callback(logging.disable, logging.NOTSET)
        system = System(stack, folder, INSTANCES, settings)
        lives = Lives(random.Random(f"{seed} lives"), size, _stores())
        system.start_processes(stack, senders)
        started = time.monotonic()
        chaos = Chaos(system, make_plan(random.Random(f"{seed} faults"), size), lambda: lives.written)
        stack.callback(chaos.stop)
        lives.live(_progress(size))
        chaos.make_healthy()
        healthy = time.monotonic()
        while surviving(unfinished().exists) and time.monotonic() < healthy + PATIENCE:
            time.sleep(0.1)
        ended = time.monotonic()
        system.stop_processes()
        report = examine(lives.acknowledged, system.gateway.messages(), FORGETFUL)
    return Outcome(seed, report, dict(chaos.happened), ended - started, ended - healthy)


def _stores() -> list[Store]:
    stores = []
    for name in INSTANCES:
        store = Store.objects.create(name=name, is_default=name == INSTANCES[0], pickup_address="Rua das Flores, 1")
        make_instance(store, name=name, messages_per_minute=PACES.get(name, 0))
        stores.append(store)
    return stores


def _progress(size: int) -> Callable[[int], None]:
    """Says how far it is, ten times in a run."""
    told = 0

    def progress(written: int) -> None:
        nonlocal told
        if written * 10 // size > told:
            told = written * 10 // size
            sys.stdout.write(f"{time.strftime('%H:%M:%S')} {written:,} changes written\n")
            sys.stdout.flush()

    return progress


@pytest.mark.timeout(0)
def test_nothing_is_lost(tmp_path: Path, settings: Any, django_db_blocker: Any) -> None:
    seed = int(os.environ.get("SEED") or random.randrange(1_000_000))
    size = int(os.environ.get("SIZE") or 2000)
    sys.stdout.write(f"\nSEED={seed} SIZE={size}\n")
    with django_db_blocker.unblock():
        outcome = run(seed, size, tmp_path, settings)
    sys.stdout.write(f"\n{outcome.table()}\n")
    complaints = outcome.report.complaints()
    assert not complaints, complaints
