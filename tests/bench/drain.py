"""Workers drain what one bulk change has put into the outbox: messages a second, and what each of them costs.

Floor: as many bare tasks of Celery's that only post, with the same workers. Measured is from the first to the last
message at the gateway, while no sweep helps.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from integrations.models import EvolutionInstance, NotificationLog
from notifications.delivery import deliver
from orders.models import Store
from orders.services import apply_transition, apply_transition_bulk
from tests.bench.figures import Figure
from tests.bench.floor_task import post
from tests.bench.perfkit import Gateway, Usage, make_order, make_stores, statements_of
from tests.processes import Process, wait_until, worker

INSTANCES = 8
PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Sizes:
    messages: int
    at_one_instance: int
    slow: int
    paced: int


FULL = Sizes(messages=1000, at_one_instance=200, slow=240, paced=100)
QUICK = Sizes(messages=48, at_one_instance=12, slow=24, paced=12)


@dataclass(frozen=True, slots=True)
class Drained:
    """So many messages: how many a second, and what workers and servers used meanwhile."""

    number: int
    per_second: float
    usage: Usage

    @property
    def cpu_ms(self) -> float:
        """Of the workers, for each message."""
        return self.usage.cpu / self.number * 1000


def measure(sizes: Sizes) -> Iterator[Figure]:
    stores = make_stores(INSTANCES)
    gateway = Gateway()
    yield statements(stores[0], gateway)
    many = f"{INSTANCES} instances"
    ours, bare = ours_and_bare(gateway, stores, sizes.messages, processes=2)
    yield from rates(f"{many}, -c 2", ours, bare, most_cpu=2)
    yield from costs(ours)
    one, bare = ours_and_bare(gateway, stores[:1], sizes.at_one_instance, processes=1)
    yield from rates("one instance, -c 1", one, bare)
    four = flow(gateway, stores[:1], sizes.at_one_instance, processes=4)
    yield Figure("one instance, -c 4: processor a message", four.cpu_ms, "ms", one.cpu_ms, "with -c 1", most=1.1)
    slow, bare = ours_and_bare(gateway, stores, sizes.slow, processes=8, latency_ms=300)
    yield from rates(f"{many}, -c 8, gateway of 300 ms", slow, bare, least=0.9)
    EvolutionInstance.objects.update(messages_per_minute=600)
    paced = flow(gateway, stores[:1], sizes.paced, processes=2)
    yield Figure("transactions a message at a pace of 600 a minute", paced.usage.transactions / paced.number, "",
                 one.usage.transactions / one.number, "without a pace")  # fmt: skip


def statements(store: Store, gateway: Gateway) -> Figure:
    """Of one delivery from claim to settle, in this process, while nothing else waits."""
    gateway.reset()
    rows = []
    for each in range(2):  # the first opens connections
        apply_transition(order := make_order(store, each), "confirm")
        rows.append(NotificationLog.objects.get(order=order).pk)
    deliver(rows[0])
    made = statements_of(lambda: deliver(rows[1]))
    assert set(NotificationLog.objects.filter(pk__in=rows).values_list("status", flat=True)) == {"sent"}
    return Figure("statements of one delivery", len(made))


def ours_and_bare(
    gateway: Gateway, stores: list[Store], number: int, *, processes: int, latency_ms: float = 0
) -> tuple[Drained, Drained]:
    """One after the other."""
    ours = flow(gateway, stores, number, processes=processes, latency_ms=latency_ms)
    return ours, floor(gateway, len(stores), number, processes=processes, latency_ms=latency_ms)


def flow(gateway: Gateway, stores: list[Store], number: int, *, processes: int, latency_ms: float = 0) -> Drained:
    """A bulk change of so many orders, and our workers."""
    orders = [make_order(stores[each % len(stores)], each) for each in range(number)]
    sent = NotificationLog.objects.filter(order__in=orders, status="sent")
    gateway.reset(latency_ms)
    with _worker(processes) as process:
        before = Usage.now([process.popen.pid])
        apply_transition_bulk(orders, "confirm")
        drained = _drained(gateway, number)
        wait_until(lambda: sent.count() == number, "all messages to be settled")
        return Drained(number, drained, Usage.now([process.popen.pid]) - before)


def floor(gateway: Gateway, instances: int, number: int, *, processes: int, latency_ms: float) -> Drained:
    """So many tasks that only post, and the same workers without Flowlog."""
    gateway.reset(latency_ms)
    with _worker(processes, app="tests.bench.floor_task") as process:
        before = Usage.now([process.popen.pid])
        for each in range(number):
            post.apply_async(args=(f"55119{each:08d}", f"i{each % instances}"))
        return Drained(number, _drained(gateway, number), Usage.now([process.popen.pid]) - before)


def _worker(processes: int, app: str = "flowlog") -> AbstractContextManager[Process]:
    return worker("whatsapp", "-c", str(processes), app=app)


def _drained(gateway: Gateway, number: int) -> float:
    """How many a second, once the gateway has all of them."""
    arrived = gateway.wait(number, PATIENCE)
    return (number - 1) / (arrived.last - arrived.first)


def rates(
    case: str, ours: Drained, bare: Drained, *, least: float = 0.6, most_cpu: float | None = None
) -> Iterator[Figure]:
    """Messages a second, and the workers' processor."""
    task = "a bare task that posts"
    yield Figure(f"{case}: messages", ours.per_second, "/s", bare.per_second, task, least=least)
    yield Figure(f"{case}: processor a message", ours.cpu_ms, "ms", bare.cpu_ms, task, most=most_cpu)


def costs(ours: Drained) -> Iterator[Figure]:
    """What a message costs the servers."""
    used, number = ours.usage, ours.number
    yield Figure("sessions a message", used.sessions / number, most=0.05)
    yield Figure("transactions a message", used.transactions / number, most=4)
    yield Figure("tasks published a message", used.published / number, most=1.05)
    yield Figure("write-ahead log a message", used.wal / number / 1024, "KiB")
    yield Figure("PostgreSQL's processor a message", used.postgres_cpu / number * 1000, "ms")
    yield Figure("Redis' processor a message", used.redis_cpu / number * 1000, "ms")
