"""One status change with its message, one without, one new order: time and statements.

The floors write the same rows by hand, in one transaction of constant SQL; the first of them also locks and reads what
the work cannot do without. With a message to tell, a bare publish of Celery's comes on top.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import psycopg

from integrations.models import NotificationLog
from orders.models import Order, OrderEvent, Store
from orders.services import apply_transition
from tests.bench.figures import Figure
from tests.bench.floor_task import app as bare
from tests.bench.perfkit import Insert, bare_connection, make_order, make_stores, spread, statements_of, timed

CUSTOMERS = 500


@dataclass(frozen=True, slots=True)
class Sizes:
    each: int
    rounds: int


FULL = Sizes(each=100, rounds=5)
QUICK = Sizes(each=5, rounds=2)


class Floor:
    """A confirmation by hand, with rows like those of an order that was confirmed."""

    LOCK = """
        SELECT o.*, s.*, c.* FROM orders_order o JOIN orders_store s ON s.id = o.store_id
        JOIN orders_customer c ON c.id = o.customer_id WHERE o.id = %s FOR UPDATE OF o"""
    ITEMS = "SELECT * FROM orders_orderitem WHERE order_id = %s"
    INSTANCE = """
        SELECT i.* FROM integrations_evolutioninstance i JOIN orders_order o ON o.store_id = i.store_id
        WHERE o.id = %s ORDER BY i.is_default DESC, i.id LIMIT 1"""
    CHANGE = "UPDATE orders_order SET status = 'confirmed' WHERE id = %s"

    def __init__(self, connection: psycopg.Connection, order: Order) -> None:
        self._connection = connection
        self.message = NotificationLog.objects.get(order=order)
        self._insert_event = Insert(OrderEvent.objects.get(order=order, transition="confirm"))
        self._insert_message = Insert(self.message)

    def confirm(self, order: Order, *, read: bool) -> None:
        """The same rows as `apply_transition` writes; with `read`, after the same checks could have been made."""
        cursor = self._connection.cursor()
        if read:
            for statement in (self.LOCK, self.ITEMS, self.INSTANCE):
                cursor.execute(statement, [order.pk]).fetchall()
        cursor.execute(self.CHANGE, [order.pk])
        event = self._insert_event(cursor, order_id=order.pk)
        self._insert_message(cursor, order_id=order.pk, order_event_id=event, dedupe_key=f"floor:{event}")
        self._connection.commit()

    def publish(self) -> None:
        """A task with the message's snapshot."""
        bare.send_task("floor.none", args=(1, self.message.snapshot), queue="whatsapp", ignore_result=True)


def measure(sizes: Sizes) -> Iterator[Figure]:
    [store] = make_stores(1)
    first = make_order(store, 0)
    apply_transition(first, "confirm")
    with bare_connection() as connection:
        floor = Floor(connection, first)
        one_round(store, floor, sizes.each)  # opens connections, prepares statements
        rounds = [one_round(store, floor, sizes.each) for _ in range(sizes.rounds)]
    medians = {name: [each[name] for each in rounds] for name in rounds[0]}
    of = {name: statistics.median(values) for name, values in medians.items()}
    told, silent, made = statements(store)
    apart = {name: spread(values) for name, values in medians.items()}
    yield Figure("status change with its message", of["told"], "ms", of["read"] + of["publish"],
                 "lock, read and write the same by hand, bare publish", most=1.8, spread=apart["told"])  # fmt: skip
    yield Figure("the same", of["told"], "ms", of["written"] + of["publish"], "only write the same rows, bare publish",
                 spread=apart["told"])  # fmt: skip
    yield Figure("status change without a message", of["silent"], "ms", of["read"],
                 "lock, read and write by hand, a message too", spread=apart["silent"])  # fmt: skip
    yield Figure("new order with its message", of["made"], "ms", of["read"] + of["publish"],
                 "that of a status change", spread=apart["made"])  # fmt: skip
    yield Figure("statements of a status change with its message", told, most=7)
    yield Figure("statements of one without", silent)
    yield Figure("statements of a new order with its message", made)


def one_round(store: Store, floor: Floor, number: int) -> dict[str, float]:
    """The median of each, in milliseconds, one after the other so that the same noise meets all."""
    times = defaultdict(list)
    for each in range(number):
        customer = each % CUSTOMERS
        orders = [make_order(store, customer) for _ in range(4)]
        for name, work in (
            ("made", partial(make_order, store, customer, notify=True)),
            ("told", partial(apply_transition, orders[0], "confirm")),
            ("read", partial(floor.confirm, orders[1], read=True)),
            ("publish", floor.publish),
            ("silent", partial(apply_transition, orders[2], "confirm", notify=False)),
            ("written", partial(floor.confirm, orders[3], read=False)),
        ):
            times[name].append(timed(work))
    return {name: statistics.median(values) for name, values in times.items()}


def statements(store: Store) -> tuple[int, int, int]:
    """Of a status change with its message and without, and of a new order with its message."""
    orders = [make_order(store, 1) for _ in range(2)]
    told = statements_of(lambda: apply_transition(orders[0], "confirm"))
    silent = statements_of(lambda: apply_transition(orders[1], "confirm", notify=False))
    made = statements_of(lambda: make_order(store, 1, notify=True))
    return len(told), len(silent), len(made)
