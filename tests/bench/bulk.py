"""One transition of very many orders: at once, and as a job in the background, in this process.

Floor: one UPDATE and two INSERT … SELECT of the same rows.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from django.contrib.auth.models import User
from django.db.models import Model
from django.db.models.functions import Now

from integrations.models import NotificationLog
from orders import bulk
from orders.models import Order, OrderEvent, OrderItem
from orders.services import apply_transition_bulk
from tests.bench.figures import Figure
from tests.bench.perfkit import Usage, bare_connection, copied, make_order, make_stores

MADE = 100


@dataclass(frozen=True, slots=True)
class Sizes:
    orders: int
    stores: int


FULL = Sizes(orders=10_000, stores=8)
QUICK = Sizes(orders=300, stores=2)


@dataclass(frozen=True, slots=True)
class Changed:
    """How many orders a second, how much the process grew at most, in MiB, and how many tasks were published."""

    per_second: float
    grew: float
    published: int


def measure(sizes: Sizes) -> Iterator[Figure]:
    stores = make_stores(sizes.stores)
    for each in range(MADE):
        make_order(stores[each % sizes.stores], each, notify=True)
    NotificationLog.objects.update(status="sent", sent_at=Now())
    multiply(2 * sizes.orders - MADE)
    half = Order.objects.order_by("pk")[: sizes.orders]
    actor = User.objects.create_superuser("bench")
    begun = bulk.start_bulk(half, "confirm", actor)
    job = changed(lambda: bulk.work_off(begun.pk), sizes.orders)
    at_once = changed(lambda: apply_transition_bulk(Order.objects.filter(status="pending"), "confirm"), sizes.orders)
    assert NotificationLog.objects.filter(status="pending").count() == 2 * sizes.orders
    floor = by_hand()
    name = "UPDATE, 2 INSERT … SELECT"
    for way, found, least in (("in the background", job, 0.3), ("at once", at_once, None)):
        yield Figure(f"{way}: orders", found.per_second, "/s", floor, name, least=least)
        yield Figure(f"{way}: the process grew by", found.grew, "MiB")
        yield Figure(f"{way}: tasks published for each instance", found.published / sizes.stores,
                     most=1 if least else None)  # fmt: skip


def multiply(number: int) -> None:
    """So many more orders, copies of the first ones, whose customers were told of them as well.

    A shop has had orders before, and its database knows how many rows there are.
    """
    names, values = copied(Order, code="'B' || lpad(n::text, 8, '0')", tracking_token="md5(n::text)")
    orders = f"""
        INSERT INTO orders_order ({names}) SELECT {values} FROM generate_series(1, %s) n
        JOIN (SELECT *, row_number() OVER (ORDER BY id) - 1 AS place FROM orders_order) made ON place = n %% %s"""  # noqa: S608
    of_order = "SELECT id AS its FROM orders_order WHERE code LIKE 'B________'"
    of_entry = "SELECT id AS entry, order_id AS its FROM orders_orderevent WHERE transition = 'create'"
    with bare_connection() as connection:
        connection.execute(orders.encode(), [number, MADE])
        connection.execute(_one_for_each(of_order, OrderItem, order_id="its"))
        connection.execute(_one_for_each(of_order, OrderEvent, order_id="its"))
        told = {"order_id": "its", "order_event_id": "entry", "dedupe_key": "'copy:' || entry"}
        connection.execute(_one_for_each(of_entry, NotificationLog, **told))
        connection.execute("ANALYZE")


def _one_for_each(of: str, model: type[Model], **changed: str) -> bytes:
    """The statement that copies the first row for each that a query returns."""
    names, values = copied(model, **changed)
    table = model._meta.db_table
    first = f"SELECT * FROM {table} ORDER BY id LIMIT 1"  # noqa: S608
    return f"INSERT INTO {table} ({names}) SELECT {values} FROM ({of}) each, ({first}) first".encode()  # noqa: S608


def changed(work: Callable[[], object], number: int) -> Changed:
    _forget_peak()
    start, before, started = _memory("VmRSS"), Usage.now(), time.perf_counter()
    work()
    took = time.perf_counter() - started
    return Changed(number / took, _memory("VmHWM") - start, (Usage.now() - before).published)


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _memory(name: str) -> float:
    """MiB that this process has, or had at most since `_forget_peak`."""
    [kilobytes] = re.findall(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) / 1024


def by_hand() -> float:
    """Orders a second, of all that were confirmed, and told so."""
    events, event_values = copied(OrderEvent, transition="'floor'")
    as_written = {"status": "'pending'", "sent_at": "NULL", "event": "'floor'", "dedupe_key": "'floor:' || id"}
    messages, message_values = copied(NotificationLog, **as_written)
    # Nothing waits that the copies would have to wait for.
    NotificationLog.objects.filter(status="pending").update(status="sent", sent_at=Now())
    with bare_connection() as connection:
        started = time.perf_counter()
        number = connection.execute("UPDATE orders_order SET notes = 'x' WHERE status = 'confirmed'").rowcount
        for table, names, values, of in (
            ("orders_orderevent", events, event_values, "transition"),
            ("integrations_notificationlog", messages, message_values, "event"),
        ):
            copies = f"INSERT INTO {table} ({names}) SELECT {values} FROM {table} WHERE {of} = 'confirm'"  # noqa: S608
            connection.execute(copies.encode())
        connection.commit()
        return number / (time.perf_counter() - started)
