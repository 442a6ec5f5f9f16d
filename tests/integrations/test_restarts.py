"""Everything ends in the middle of what three sources tell: nothing is lost, and nothing is done twice.

The web, the workers, beat, Redis, which keeps nothing, and PostgreSQL: once they are killed, once they are stopped as
before a reboot. The sources do as theirs do: what is not answered 200 they send again. `FLOWLOG_RESTART_WEBHOOKS` says
of how many webhooks; without it there are a few.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests
from django.conf import settings as django_settings
from django.db import connection
from django.db.models import Q

from flowlog.devtools.postgres import Postgres
from flowlog.devtools.valkey import Valkey
from integrations.models import CarrierConnection, CarrierNews, NotificationLog, ShopConnection, ShopNews
from orders.models import Order, OrderEvent
from tests.broker import broker_at
from tests.embedded import RUN_HOME
from tests.factories import make_instance, make_order
from tests.faults.crew import shrunk
from tests.faults.database import database_at
from tests.faults.story import assert_at_rest, assert_told_each
from tests.integrations import nuvemshop, parcels, shops
from tests.integrations.nuvemshop import Nuvemshop
from tests.integrations.sandbox import SandboxProcess
from tests.launcher import Launched, python
from tests.processes import System, answers, environment, wait_until

OF_EACH = int(os.environ.get("FLOWLOG_RESTART_WEBHOOKS", "60")) // 3
ALL = 3 * OF_EACH
PATIENCE = 120.0 + ALL
SENDERS = 4
# How soon a source sends again. Theirs wait longer.
AGAIN = 0.1
NOT_TAKEN = (0, 503)
# Sweeps come soon, and whoever works off what came is given production's time.
PATIENT = shrunk(SOFT_TIME_LIMIT=45, HARD_TIME_LIMIT=60, LEASE=90, LOOKUP_LAST=91)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(3 * PATIENCE)]


class House:
    """All that runs of Flowlog. The sources and the gateway are elsewhere, and go on."""

    def __init__(
        self, stack: ExitStack, folder: Path, gateway: SandboxProcess, servers: tuple[Postgres, Valkey]
    ) -> None:
        self._postgres, self._valkey = servers
        self._system = System(stack, folder, gateway, DATABASE_URL=self._postgres.url, **PATIENT)
        self._web: subprocess.Popen[bytes] | Launched | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self._port}"
        stack.callback(self._end_web, signal.SIGKILL)

    def start(self) -> None:
        self._valkey.start()
        self._postgres.start()
        # As when the time is over of those who died with it.
        ShopConnection.objects.update(busy_until=None)
        CarrierConnection.objects.update(busy_until=None)
        options = [f"--bind=127.0.0.1:{self._port}", "--workers=2", "--threads=4", "--log-level=critical"]
        env = environment(**self._system.env)
        self._web = python("-m", "gunicorn", "flowlog.wsgi", *options, env=env, group=True)
        with ThreadPoolExecutor() as together:
            starts = [
                together.submit(self._system.beat),
                together.submit(self._system.worker, "default"),
                # What it had in hand when it died is looked up within seconds.
                together.submit(self._system.worker, "whatsapp", **shrunk()),
            ]
        for each in starts:
            each.result()
        wait_until(lambda: answers(self._port), "the web server")

    def kill(self) -> None:
        """Kill -9, the servers first: whoever uses them is in the middle of it."""
        connection.close()
        self._postgres.kill()
        self._valkey.kill()
        for process in self._system.processes:
            if not process.is_dead:
                process.kill()
        self._end_web(signal.SIGKILL)

    def stop(self) -> None:
        """As before a reboot: whoever uses the servers first."""
        connection.close()
        for process in self._system.processes:
            process.tell_to_stop()
        self._end_web(signal.SIGTERM)
        for process in self._system.processes:
            process.stop()
        self._valkey.stop()
        self._postgres.stop()

    def close(self) -> None:
        """Take nothing in any more, but what has begun to come in."""
        self._end_web(signal.SIGTERM)

    def _end_web(self, number: signal.Signals) -> None:
        if self._web and self._web.poll() is None:
            if number == signal.SIGKILL:
                os.killpg(self._web.pid, number)
            else:
                self._web.send_signal(number)
            self._web.wait(timeout=40)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook, the same each time that it is sent."""

    address: str
    body: bytes
    headers: dict[str, str]

    def send(self) -> int:
        """What it is answered; 0 for nothing."""
        try:
            answer = requests.post(self.address, self.body, headers=self.headers, timeout=20, allow_redirects=False)
        except requests.RequestException:
            return 0
        return answer.status_code


class Senders:
    """They send each delivery until it is answered 200, some at once, as many of them as were let go."""

    def __init__(self, stack: ExitStack, deliveries: list[Delivery]) -> None:
        self._let_go = threading.Semaphore(0)
        self._lock = threading.Lock()
        self.answered: Counter[int] = Counter()
        self._over = threading.Event()
        together = stack.enter_context(ThreadPoolExecutor(SENDERS))
        stack.callback(self._end)
        self._sent = [together.submit(self._insist, each) for each in deliveries]

    def let_go(self, number: int) -> None:
        self._let_go.release(number)

    def wait_for_nobody(self) -> None:
        """Wait until one of them finds that nobody is there, or who is there breaks off."""
        before = self.answered[0]
        wait_until(lambda: self.answered[0] > before, "some to find nobody", PATIENCE)

    def attempts(self) -> list[int]:
        """How often each of the deliveries was sent, all of which have been taken in the end."""
        return [each.result(PATIENCE) for each in self._sent]

    def _insist(self, delivery: Delivery) -> int:
        self._let_go.acquire()
        for attempt in count(1):
            if self._over.is_set():
                break
            status = delivery.send()
            with self._lock:
                self.answered[status] += 1
            if status == 200:
                return attempt
            assert status in NOT_TAKEN, status
            time.sleep(AGAIN)
        raise AssertionError("It was not taken.")

    def _end(self) -> None:
        self._over.set()
        self.let_go(len(self._sent))


@pytest.fixture(scope="module")
def servers(django_db_setup: None, django_db_blocker: Any) -> Iterator[tuple[Postgres, Valkey]]:
    """Of their own, which may be killed. What PostgreSQL has committed survives that, as in production."""
    with ExitStack() as stack:
        postgres = stack.enter_context(Postgres(RUN_HOME / "restarts" / "postgres"))
        valkey = stack.enter_context(Valkey(RUN_HOME / "restarts" / "valkey"))
        stack.enter_context(broker_at(valkey.url, django_settings))
        with django_db_blocker.unblock():
            stack.enter_context(database_at(postgres.url, copied=True))
        yield postgres, valkey


@pytest.fixture
def house(
    servers: tuple[Postgres, Valkey], tmp_path: Path, gateway: SandboxProcess, transactional_db: None
) -> Iterator[House]:
    with ExitStack() as stack:
        yield House(stack, tmp_path, gateway, servers)


def phone(number: int) -> str:
    return f"+55119{80_000_000 + number}"


def done() -> int:
    return ShopNews.objects.filter(due_at=None).count() + CarrierNews.objects.filter(due_at=None).count()


def is_done(number: int) -> bool:
    return done() >= number


def all_told(address: str, shop: Nuvemshop) -> list[Delivery]:
    """What each of the three tells, in turn: of another order each time."""
    woo, nuvem, carrier = shops.make_connection(), nuvemshop.make_connection(shop.url), parcels.make_connection()
    json = {"Content-Type": "application/json"}
    found: list[Delivery] = []
    for number in range(1, OF_EACH + 1):
        told = shops.order(id=number, number=str(number))
        told["billing"] |= {"phone": phone(number)}
        body = shops.written(told)
        headers = shops.headers(body, **{"X-WC-Webhook-Delivery-ID": f"{number:032x}"})
        found.append(Delivery(f"{address}/webhooks/orders/woocommerce/{woo.token}", body, headers))
        hint = str(10_000 + number)
        shop.orders[hint] = nuvemshop.order(hint, contact_phone=phone(10_000 + number))
        body = shops.written({"store_id": 123, "event": "order/paid", "id": int(hint)})
        headers = json | {"x-linkedstore-hmac-sha256": nuvemshop.sign(body)}
        found.append(Delivery(f"{address}/webhooks/orders/nuvemshop/{nuvem.token}", body, headers))
        order = make_order(until="confirmed", delivery_method="correios_pac", customer_phone=phone(20_000 + number))
        body = parcels.label(id=f"label-{number}", tracking=f"AA{number:09d}BR", tags=[{"tag": order.code}])
        headers = json | {"X-ME-Signature": parcels.sign(body)}
        found.append(Delivery(f"{address}/webhooks/tracking/melhorenvio/{carrier.token}", body, headers))
    return found


def test_all_that_ends_in_the_middle_loses_and_doubles_nothing(house: House, gateway: SandboxProcess) -> None:
    make_instance()
    began = time.monotonic()
    with nuvemshop.nuvemshop() as shop, ExitStack() as stack:
        deliveries = all_told(house.address, shop)
        house.start()
        senders = Senders(stack, deliveries)
        answered = senders.answered
        for end in (house.kill, house.stop):
            enough = answered[200] + ALL // 12
            senders.let_go(ALL // 6)
            wait_until(partial(is_done, enough), "some of it to be done", PATIENCE)
            senders.let_go(ALL // 3)
            end()
            senders.wait_for_nobody()
            house.start()
        senders.let_go(ALL)
        attempts = senders.attempts()
        house.close()
        news = [*ShopNews.objects.values_list("body", flat=True), *CarrierNews.objects.values_list("body", flat=True)]
        wait_until(lambda: done() == len(news), "all of it to be done", PATIENCE)
        sent = NotificationLog.objects.filter(status=NotificationLog.Status.SENT)
        wait_until(lambda: sent.count() == ALL, "all messages to be sent", PATIENCE)
        wait_until(lambda: not NotificationLog.objects.exclude(lease_until=None).exists(), "nothing in hand", PATIENCE)
    stored = Counter(bytes(each) for each in news)
    sys.stdout.write(
        f"\n{ALL} webhooks, {sum(attempts)} sent, answered {dict(answered)}, {len(news)} stored,"
        f" {time.monotonic() - began:.0f} s\n"
    )
    # A row for each that was answered 200; one more at most for each time that the answer may have been lost.
    assert {each.body for each in deliveries} == stored.keys()
    assert all(stored[each.body] <= tries for each, tries in zip(deliveries, attempts, strict=True))
    assert answered[0] > 0
    results = [
        *ShopNews.objects.values_list("result", flat=True), *CarrierNews.objects.values_list("result", flat=True),
    ]  # fmt: skip
    assert Counter(results)["applied"] == ALL
    assert {*results} <= {"applied", "nothing_new", "repeated"}
    assert Counter(Order.objects.values_list("source", flat=True)) == dict.fromkeys(
        ("woocommerce", "nuvemshop", ""), OF_EACH
    )
    came = Q(source__in=("woocommerce", "nuvemshop"))
    assert Order.objects.filter(came, status="confirmed", payment_status="paid").count() == 2 * OF_EACH
    assert Order.objects.filter(~came, delivery_status="shipped").count() == OF_EACH
    steps = OrderEvent.objects.filter(order__in=Order.objects.filter(came)).values_list("transition", flat=True)
    assert Counter(steps) == dict.fromkeys(("create", "confirm", "pay"), 2 * OF_EACH)
    assert OrderEvent.objects.filter(transition="ship").count() == OF_EACH
    messages = list(NotificationLog.objects.all())
    assert Counter(each.event for each in messages) == {"pay": 2 * OF_EACH, "ship": OF_EACH}
    assert len({each.order_id for each in messages}) == ALL
    assert_told_each(gateway, messages)
    assert_at_rest()
