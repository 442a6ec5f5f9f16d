"""What is to go wrong in a campaign, and after which message: all of it follows from the seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import cycle, islice

from flowlog.devtools.sandbox.faults import SENDS, Fault
from tests.faults.worker import Action, Point


class Kind(StrEnum):
    """What may go wrong."""

    ARMED = "worker at a point"
    PROCESS_KILLED = "killed -9 at any moment"
    WORKER_TERMINATED = "worker ended by SIGTERM"
    BROKER_KILLED = "broker killed"
    BROKER_FLUSHED = "broker emptied (FLUSHALL)"
    DATABASE_KILLED = "database killed"
    DATABASE_RESTARTED = "database restarted"
    DISCONNECTED = "instance disconnected"
    GATEWAY_STOPPED = "gateway stopped"
    SLOW = "gateway slow"
    SEARCH_FAILS = "gateway's search fails"
    NEXT_SENDS = "asked of the next sends"
    SHARE_OF_SENDS = "asked of a share of the sends"


@dataclass(frozen=True, slots=True)
class Planned:
    """One trouble: it begins once `at` changes are written and, if it lasts at all, ends after `seconds`.

    `what` says more: the point and action, or the gateway's fault; `choice` picks one of several by its remainder.
    """

    at: int
    kind: Kind
    seconds: float
    choice: int
    what: str = ""

    def pick[T](self, values: Sequence[T]) -> T:
        """One of the values."""
        return values[self.choice % len(values)]


# How often in 10,000 messages; in fewer, proportionally fewer, but never less than the second number.
_RATES = {
    Kind.PROCESS_KILLED: (8, 1),
    Kind.WORKER_TERMINATED: (8, 1),
    Kind.BROKER_KILLED: (7, 1),
    Kind.BROKER_FLUSHED: (7, 1),
    Kind.DATABASE_KILLED: (4, 1),
    Kind.DATABASE_RESTARTED: (4, 1),
    Kind.DISCONNECTED: (25, 1),
    Kind.GATEWAY_STOPPED: (10, 1),
    Kind.SLOW: (10, 1),
    Kind.SEARCH_FAILS: (10, 1),
    Kind.NEXT_SENDS: (200, 16),
    Kind.SHARE_OF_SENDS: (48, 6),
}
_ARMED_RATES = {Action.KILL: (28, 4), Action.KILL_CHILD: (21, 2), Action.FREEZE: (18, 2)}
# A worker that stands still between its last look at the lease and the request would send long after the gateway was
# found not to have the message. No protocol closes that window without the gateway's help; it is as short as it can be.
# And one that stands still before its commit has its rows locked until PostgreSQL ends its session, after a minute.
_FREEZES = [point for point in Point if point not in {Point.BEFORE_REQUEST, Point.BEFORE_COMMIT}]
# Not by number of sends: these would also deliver to numbers that are not on WhatsApp, or refuse them in other words.
_BY_SHARE = [*SENDS, Fault.NOT_ON_WHATSAPP, Fault.META_RECIPIENT]
_BY_NUMBER = [fault for fault in Fault if fault not in _BY_SHARE]


def make_plan(rng: random.Random, size: int) -> list[Planned]:
    """The troubles in the order of their beginnings, spread evenly over most of the run."""
    wanted: list[tuple[Kind, str]] = []
    for action, rates in _ARMED_RATES.items():
        points = _FREEZES if action is Action.FREEZE else list(Point)
        wanted += [(Kind.ARMED, f"{point}.{action}") for point in _taken(rng, points, _number(size, rates))]
    for kind, rates in _RATES.items():
        whats = {Kind.NEXT_SENDS: _BY_NUMBER, Kind.SHARE_OF_SENDS: _BY_SHARE}.get(kind, [""])
        wanted += [(kind, what) for what in _taken(rng, whats, _number(size, rates))]
    rng.shuffle(wanted)
    first, last = size * 0.03, size * 0.92
    return [
        Planned(
            at=round(first + (last - first) * place / len(wanted)),
            kind=kind,
            seconds=rng.uniform(0.5, 2.5),
            choice=rng.randrange(1000),
            what=what,
        )
        for place, (kind, what) in enumerate(wanted)
    ]


def _number(size: int, rates: tuple[int, int]) -> int:
    in_ten_thousand, least = rates
    return max(least, round(in_ten_thousand * size / 10_000))


def _taken[T](rng: random.Random, values: Sequence[T], number: int) -> list[T]:
    """As many of the values, each about as often as the others, in a random order."""
    return list(islice(cycle(rng.sample(values, len(values))), number))
