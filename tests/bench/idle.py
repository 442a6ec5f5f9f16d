"""An idle system: how soon the gateway has the message of one status change, and what waiting costs.

Floors: a silent status change and a bare task that posts, one after the other; and two bare workers of Celery's with as
many processes, which have nothing to do either.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from orders.models import Store
from orders.services import apply_transition
from tests.bench.figures import Figure
from tests.bench.floor_task import post
from tests.bench.perfkit import Gateway, Usage, children, make_order, make_stores, memory, timed
from tests.processes import beat, unit_environment, web_server, worker

FLOOR = "tests.bench.floor_task"
WARM_UP = 5
# So that each change finds everybody asleep.
REST = 0.25
SETTLE = 5.0


@dataclass(frozen=True, slots=True)
class Sizes:
    changes: int
    seconds: int


FULL = Sizes(changes=100, seconds=60)
QUICK = Sizes(changes=8, seconds=5)


def measure(sizes: Sizes) -> Iterator[Figure]:
    [store] = make_stores(1)
    yield from one_at_a_time(store, sizes.changes)
    yield from at_rest(sizes.seconds)


def one_at_a_time(store: Store, number: int) -> Iterator[Figure]:
    """Each change waits until the gateway has the message of the one before."""
    gateway = Gateway()
    gateway.reset()
    came, changing, silent, bare = [], [], [], []
    with worker("whatsapp"), worker("whatsapp", app=FLOOR, name="floor"):
        for each in range(number + WARM_UP):
            told, untold = make_order(store, each), make_order(store, each)
            started = time.time()
            changing.append(timed(lambda: apply_transition(told, "confirm")))  # noqa: B023
            came.append((gateway.wait(each * 2 + 1).last - started) * 1000)
            time.sleep(REST)
            silent.append(timed(lambda: apply_transition(untold, "confirm", notify=False)))  # noqa: B023
            started = time.time()
            post.apply_async(args=("5511987654321", "i0"))
            bare.append((gateway.wait(each * 2 + 2).last - started) * 1000)
            time.sleep(REST)
    of = [statistics.median(times[WARM_UP:]) for times in (came, changing, silent, bare)]
    yield Figure("status change until the gateway has it", of[0], "ms", of[2] + of[3],
                 "a silent change, and a bare task that posts", most=1.5)  # fmt: skip
    yield Figure("of it the change itself", of[1], "ms", of[2], "a silent one")
    yield Figure("of it after the change", of[0] - of[1], "ms", of[3], "a bare task that posts")


def at_rest(seconds: int) -> Iterator[Figure]:
    """Everything that production runs, as its units do, with nothing to do."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        stack.enter_context(web_server("flowlog.wsgi", "--config=deploy/gunicorn.conf.py", **unit_environment("web")))
        for queue, processes in (("default", "2"), ("whatsapp", "2")):
            stack.enter_context(worker(queue, "-c", processes, **unit_environment(f"worker-{queue}")))
        stack.enter_context(beat(Path(folder) / "schedule", **unit_environment("beat")))
        ours, our_memory = watch(seconds)
    with worker("default", "-c", "2", app=FLOOR), worker("whatsapp", "-c", "2", app=FLOOR):
        floor, its_memory = watch(seconds)
    bare = "two bare workers"
    yield Figure("at rest: transactions of PostgreSQL", ours.transactions / seconds, "/s")
    yield Figure("at rest: commands of Redis", ours.commands / seconds, "/s", floor.commands / seconds, bare)
    yield Figure("at rest: processor", ours.cpu / seconds * 100, "%", floor.cpu / seconds * 100, bare)
    yield Figure("at rest: PostgreSQL's processor", ours.postgres_cpu / seconds * 100, "%")
    yield Figure("at rest: memory of all processes", our_memory, "MiB", its_memory, bare)


def watch(seconds: int) -> tuple[Usage, float]:
    """What this process's children use in so many seconds, and their memory at the end."""
    time.sleep(SETTLE)
    pids = children()
    before = Usage.now(pids)
    time.sleep(seconds)
    return Usage.now(pids) - before, memory(pids)
