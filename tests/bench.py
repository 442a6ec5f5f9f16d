"""`make bench`: how long things take, as ratios against a floor measured in the same run.

Not part of the suite: these machines are shared and noisy, so nothing here asserts a time.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest
import requests
from django.db import connection, transaction
from django.db.models import Model
from django.test.utils import CaptureQueriesContext

from api.models import OrderChange
from integrations.evolution.client import client
from integrations.models import EvolutionInstance, NotificationLog, WebhookEvent
from notifications import wakeups
from notifications.delivery import deliver
from orders.models import Order, OrderEvent, OrderItem
from orders.services import apply_transition, apply_transition_bulk
from tests.api.client import ORDER, make_token
from tests.factories import make_instance, make_order
from tests.integrations.sandbox import SandboxProcess
from tests.integrations.webhooks import flood_with_receipts, post_all, receipt
from tests.processes import beat, wait_until, web_server, worker

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 50


# What an order of one item leaves: each with how it names its order.
_ROWS_OF_AN_ORDER: dict[type[Model], str] = {
    Order: "pk", OrderItem: "order", OrderEvent: "order", OrderChange: "event__order", NotificationLog: "order",
}  # fmt: skip


def median_ms(action: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The median time of `action` in milliseconds."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


def report(what: str, measured: float, floor_name: str, floor: float) -> None:
    sys.stdout.write(f"\n{what}: {measured:.1f} ms · {floor_name}: {floor:.1f} ms · ratio {measured / floor:.1f}\n")


def test_from_the_status_change_to_the_gateway(gateway: SandboxProcess) -> None:
    """An idle system: one change at a time, until the sandbox has the message. Floor: one send by the client."""
    make_instance()
    env = {"EVOLUTION_API_URL": gateway.base_url, "EVOLUTION_API_KEY": gateway.api_key}
    orders = [make_order() for _ in range(ROUNDS + 1)]
    waiting = iter(orders)
    times = []
    with worker("whatsapp", **env):
        for number, order in enumerate(waiting):
            started = time.time()
            apply_transition(order, "confirm")
            wait_until(
                lambda: NotificationLog.objects.filter(order=order, status="sent").exists(),  # noqa: B023
                "the message",
            )
            arrived = datetime.fromisoformat(gateway.messages()[-1]["arrived_at"]).timestamp()
            if number:  # the first one opens the connections
                times.append((arrived - started) * 1000)
    floor = median_ms(lambda: client().send_text("flowlog", "+5511987654321", "floor"))
    report("status change → gateway has it (median of 50)", statistics.median(times), "one send by the client", floor)


def test_statements_and_time_of_one_delivery(gateway: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim to settle in one process. Floor: the same call to the gateway alone."""
    make_instance()
    monkeypatch.setattr(wakeups, "publish", lambda _rows, **_options: 0)
    for _ in range(ROUNDS + 2):
        make_order(notify=True)
    rows = iter(NotificationLog.objects.order_by("pk").values_list("pk", flat=True))
    deliver(next(rows))
    with CaptureQueriesContext(connection) as queries:
        deliver(next(rows))
    statements = [query["sql"].split()[0] for query in queries if query["sql"] not in {"BEGIN", "COMMIT"}]
    sys.stdout.write(f"\nstatements of one delivery: {len(statements)} ({' '.join(statements)})\n")
    floor = median_ms(lambda: client().send_text("flowlog", "+5511987654321", "floor"))
    report("one delivery, claim to settle", median_ms(lambda: deliver(next(rows))), "one send by the client", floor)


def test_a_bulk_transition_of_500_orders() -> None:
    """Locks, 500 changes, timeline, outbox and wake-ups. Floor: one UPDATE of the same rows."""
    make_instance()
    orders = [make_order() for _ in range(500)]

    def update() -> None:
        with transaction.atomic():
            Order.objects.filter(pk__in=[order.pk for order in orders]).update(notes="x")

    floor = median_ms(update, 5)
    report("bulk transition of 500", median_ms(lambda: apply_transition_bulk(orders, "confirm"), 1), "UPDATE", floor)
    assert NotificationLog.objects.count() == len(orders)


def transactions() -> int:
    """How many transactions the database has ended so far, those of this process not counted."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def test_what_a_burst_at_a_pace_costs(gateway: SandboxProcess, tmp_path: Path) -> None:
    """Transactions per message while 100 wait for their turn at 600 a minute; floor: the idle system's per second."""
    make_instance()
    env = {"EVOLUTION_API_URL": gateway.base_url, "EVOLUTION_API_KEY": gateway.api_key}
    with ExitStack() as stack:
        for name in ("first", "second"):
            stack.enter_context(worker("whatsapp", name=name, **env))
        stack.enter_context(worker("default", **env))
        stack.enter_context(beat(tmp_path / "schedule", **env))
        time.sleep(5)
        before, seconds = transactions(), 20
        time.sleep(seconds)
        idle = (transactions() - before) / seconds
        EvolutionInstance.objects.update(messages_per_minute=600)
        orders = [make_order() for _ in range(100)]
        before, started = transactions(), time.monotonic()
        apply_transition_bulk(orders, "confirm")
        while NotificationLog.objects.exclude(status="sent").exists():
            time.sleep(2)
        took = time.monotonic() - started
        time.sleep(2)
        per_message = (transactions() - before - idle * took) / 100
    arrived = gateway.texts()
    expected = list(NotificationLog.objects.order_by("pk").values_list("message", flat=True))
    sys.stdout.write(
        f"\nburst of 100 at 600 a minute: {took:.0f} s, in order: {arrived == expected}, "
        f"{per_message:.1f} transactions a message · idle system: {idle:.1f} transactions a second\n"
    )


def test_taking_webhooks_in() -> None:
    """Webhooks a second over HTTP to one web worker, from eight clients at once. Floor: the same, only saying 200."""
    make_instance()
    bodies = [receipt(f"3EB0{number}", "READ") for number in range(1000)]
    with web_server("tests.floor_wsgi", WEB_CONCURRENCY="1") as address:
        for path in ("floor", "webhooks/evolution"):
            post_all(f"{address}/{path}/flowlog/", bodies[:50])
        floor = post_all(f"{address}/floor/flowlog/", bodies)
        taken = post_all(f"{address}/webhooks/evolution/flowlog/", bodies)
    sys.stdout.write(
        f"\nwebhooks taken in: {taken:.0f}/s · only saying 200: {floor:.0f}/s · ratio {floor / taken:.1f}\n"
    )
    assert WebhookEvent.objects.count() == len(bodies) + 50


def test_orders_made_by_the_api() -> None:
    """Orders a second over HTTP to one web worker, from eight clients at once. Floor: a bare insert of the same rows,
    each order's in a transaction of its own."""
    make_instance()
    _token, secret = make_token()
    number = 400
    bodies = [json.dumps({**ORDER, "reference": {"source": "bench", "id": str(each)}}) for each in range(number)]
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    env = {"WEB_CONCURRENCY": "1", "API_REQUESTS_PER_MINUTE": "1000000"}
    with web_server(**env) as address, requests.Session() as session, ThreadPoolExecutor(8) as clients:
        post = partial(session.post, f"{address}/api/v1/orders", headers=headers, timeout=30)
        list(clients.map(post, bodies[:20]))
        started = time.perf_counter()
        answers = list(clients.map(post, bodies[20:]))
        made = len(answers) / (time.perf_counter() - started)
    assert {answer.status_code for answer in answers} == {201}
    rows = [
        [model._default_manager.filter(**{order: pk}).get() for model, order in _ROWS_OF_AN_ORDER.items()]
        for pk in Order.objects.values_list("pk", flat=True)
    ]
    NotificationLog.objects.all().delete()
    OrderChange.objects.all().delete()
    Order.objects.all().delete()
    started = time.perf_counter()
    for each in rows:
        with transaction.atomic():
            for row in each:
                type(row)._default_manager.bulk_create([row])
    floor = len(rows) / (time.perf_counter() - started)
    sys.stdout.write(
        f"\norders made by the API: {made:.0f}/s · the same rows: {floor:.0f}/s · ratio {floor / made:.1f}\n"
    )
    assert Order.objects.count() == number


@pytest.mark.timeout(600)
def test_ten_thousand_receipts() -> None:
    """Four thousand messages with two receipts each and more, over HTTP, while a worker works them off: none lost."""
    flood = flood_with_receipts(make_instance(), 4000, patience=500)
    sys.stdout.write(
        f"\n{flood.number} receipts: {flood.taken_in_per_second:.0f}/s taken in, "
        f"all worked off after {flood.seconds:.0f} s\n"
    )
