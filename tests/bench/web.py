"""The web server: the gateway's webhooks taken in and worked off, a customer's page in a rush, a login.

Floors: an address of the same server that only says 200, and the same page without the throttle and the database.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

import requests
from django.conf import settings
from django.contrib.auth.models import User

from integrations.inbound import intake
from integrations.models import NotificationLog, WebhookEvent
from orders.models import Order
from tests.bench.clients import Server, server
from tests.bench.figures import Figure
from tests.bench.load import load
from tests.bench.perfkit import bare_connection, median_ms, memory, statements_of
from tests.integrations.webhooks import receipt

WARM_UP = 16
WEB_PROCESSES = 3
RUSH = 200
READ = "UPDATE integrations_notificationlog SET receipt = 'read', read_at = now() WHERE provider_message_id = %s"
DONE = "UPDATE integrations_webhookevent SET processed_at = now() WHERE id = %s"
PASSWORD = "bench-1234-bench"


@dataclass(frozen=True, slots=True)
class Sizes:
    orders: int
    webhooks: int
    pages: int


FULL = Sizes(orders=20_000, webhooks=3000, pages=2000)
QUICK = Sizes(orders=300, webhooks=240, pages=200)


def measure(sizes: Sizes) -> Iterator[Figure]:
    load(sizes.orders)
    with server(workers=1) as one:
        yield from webhooks(one, sizes.webhooks)
    yield from worked_off()
    User.objects.create_superuser("bench", password=PASSWORD)
    with server(workers=WEB_PROCESSES) as several:
        yield from pages(several, sizes.pages)
        yield login(several)
        yield Figure("memory of the web server", memory(several.pids), "MiB")


def webhooks(one: Server, number: int) -> Iterator[Figure]:
    """Two receipts for each of the latest messages, from eight clients."""
    sent = NotificationLog.objects.filter(instance__name="i0", status="sent").order_by("-pk")
    ids = list(sent.values_list("provider_message_id", flat=True)[: number // 2])
    headers = {"Authorization": f"Bearer {settings.EVOLUTION_WEBHOOK_SECRET}", "Content-Type": "application/json"}
    posts = [
        (json.dumps(receipt(each, status) | {"instance": "i0"}).encode(), headers)
        for each in ids
        for status in ("DELIVERY_ACK", "READ")
    ]
    yield from one.beside_the_floors("gateway's webhooks", "/webhooks/evolution/i0/", posts, least=None)


def worked_off() -> Iterator[Figure]:
    """What they brought, in this process."""
    number = WebhookEvent.objects.filter(processed_at=None).count()
    started = time.perf_counter()
    statements = statements_of(lambda: [None for _ in iter(intake.process, 0)])
    took = time.perf_counter() - started
    assert not WebhookEvent.objects.filter(processed_at=None).exists()
    yield Figure("receipts worked off", number / took, "/s", by_hand(), "two UPDATEs for each, a commit each hundred")
    yield Figure("statements for one", len(statements) / number)


def by_hand() -> float:
    """So many receipts a second, all of them once more."""
    events = list(WebhookEvent.objects.filter(processed_at__isnull=False).values_list("pk", "payload__data__keyId"))
    with bare_connection() as connection:
        cursor, started = connection.cursor(), time.perf_counter()
        for number, (pk, key_id) in enumerate(events, start=1):
            cursor.execute(READ, [key_id])
            cursor.execute(DONE, [pk])
            if number % 100 == 0:
                connection.commit()
        connection.commit()
        return len(events) / (time.perf_counter() - started)


def pages(several: Server, number: int) -> Iterator[Figure]:
    """Customers' pages, one at a time and in a rush."""
    paths = [f"/rastreio/{each}/" for each in Order.objects.values_list("tracking_token", flat=True)[:number]]
    floor = ["/floor/page"] * len(paths)
    for clients, most in ((1, None), (RUSH, 1.5)):
        several.look(paths[:WARM_UP], 1)
        several.look(floor[:WARM_UP], 1)
        ours, bare = several.look(paths, clients), several.look(floor, clients)
        case = f"customer's page, {clients} client{'s' if clients > 1 else ''}"
        name = "without throttle and database"
        yield Figure(case, statistics.median(ours.times), "ms", statistics.median(bare.times), name, most=most)
        yield Figure(f"{case}: p95", ours.p95, "ms", bare.p95, name)


def login(several: Server) -> Figure:
    """The form sent with the right password; floor: the form itself."""
    address = f"{several.address}/admin/login/"

    def form() -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.get(address, timeout=30).raise_for_status()
        return session

    def send(session: requests.Session) -> None:
        values = {"username": "bench", "password": PASSWORD, "csrfmiddlewaretoken": session.cookies["csrftoken"]}
        answer = session.post(address, values, headers={"Referer": address}, timeout=30, allow_redirects=False)
        assert answer.status_code == 302, answer.status_code

    sessions = [form() for _ in range(5)]
    waiting = iter(sessions)
    return Figure("login", median_ms(lambda: send(next(waiting)), 5), "ms", median_ms(form, 5), "the form")
