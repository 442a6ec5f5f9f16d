"""Workers that end in the middle of what three sources tell: nothing is lost, and nothing is done twice.

`FLOWLOG_RESTART_WEBHOOKS` says of how many webhooks; without it there are a few.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
import requests
from django.db.models import Q

from integrations.models import CarrierConnection, CarrierNews, NotificationLog, ShopConnection, ShopNews
from orders.models import Order, OrderEvent
from tests.broker import purge
from tests.factories import make_instance, make_order
from tests.integrations import nuvemshop, parcels, shops
from tests.integrations.nuvemshop import Nuvemshop
from tests.integrations.sandbox import SandboxProcess
from tests.processes import System, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

OF_EACH = int(os.environ.get("FLOWLOG_RESTART_WEBHOOKS", "60")) // 3
PATIENCE = 60.0 + OF_EACH
FAST = {"NOTIFICATIONS_SWEEP_INTERVAL": "0.5"}


@pytest.fixture
def processes(tmp_path: Path, gateway: SandboxProcess) -> Iterator[System]:
    with ExitStack() as stack:
        purge("default", "whatsapp")
        yield System(stack, tmp_path, gateway, **FAST)


def phone(number: int) -> str:
    return f"+55119{80_000_000 + number}"


def done() -> int:
    return ShopNews.objects.filter(due_at=None).count() + CarrierNews.objects.filter(due_at=None).count()


def senders(address: str, shop: Nuvemshop) -> list[Callable[[], int]]:
    """What each of the three tells, in turn: an order of its own each time."""
    woo, nuvem, carrier = shops.make_connection(), nuvemshop.make_connection(shop.url), parcels.make_connection()
    hints = f"{address}/webhooks/orders/nuvemshop/{nuvem.token}"
    found: list[Callable[[], int]] = []
    for number in range(1, OF_EACH + 1):
        told = shops.order(id=number, number=str(number))
        told["billing"] |= {"phone": phone(number)}
        hint = str(10_000 + number)
        shop.orders[hint] = nuvemshop.order(hint, contact_phone=phone(10_000 + number))
        order = make_order(until="confirmed", delivery_method="correios_pac", customer_phone=phone(20_000 + number))
        code = f"AA{number:09d}BR"
        label = parcels.label(id=f"label-{number}", tracking=code, tags=[{"tag": order.code}])
        found += [
            partial(shops.send, f"{address}/webhooks/orders/woocommerce/{woo.token}", told),
            partial(nuvemshop.send, hints, {"store_id": 123, "event": "order/paid", "id": int(hint)}),
            partial(post, f"{address}/webhooks/tracking/melhorenvio/{carrier.token}", label),
        ]
    return found


def post(address: str, body: bytes) -> int:
    headers = {"Content-Type": "application/json", "X-ME-Signature": parcels.sign(body)}
    return requests.post(address, body, headers=headers, timeout=20, allow_redirects=False).status_code


def test_workers_that_end_in_the_middle_lose_and_double_nothing(processes: System) -> None:
    make_instance()
    with nuvemshop.nuvemshop() as shop, ThreadPoolExecutor(4) as together:
        tellers = senders(processes.web(), shop)
        processes.beat()
        killed = processes.worker("default", name="first")
        answers = [together.submit(tell) for tell in tellers]
        wait_until(lambda: done() >= OF_EACH, "a third to be done", PATIENCE)
        killed.kill()
        assert done() < len(tellers)
        # As when their time is over.
        ShopConnection.objects.update(busy_until=None)
        CarrierConnection.objects.update(busy_until=None)
        stopped = processes.worker("default", name="second")
        wait_until(lambda: done() >= 2 * OF_EACH, "two thirds to be done", PATIENCE)
        stopped.stop()
        processes.worker("default", name="third")
        assert Counter(answer.result() for answer in answers) == {200: len(tellers)}
        wait_until(lambda: done() == len(tellers), "all of it to be done", PATIENCE)
    told = [*ShopNews.objects.values_list("result", flat=True), *CarrierNews.objects.values_list("result", flat=True)]
    assert Counter(told) == {"applied": len(tellers)}
    assert Counter(Order.objects.values_list("source", flat=True)) == dict.fromkeys(
        ("woocommerce", "nuvemshop", ""), OF_EACH
    )
    came = Q(order__source__in=("woocommerce", "nuvemshop"))
    steps = OrderEvent.objects.filter(came).values_list("transition", flat=True)
    assert Counter(steps) == dict.fromkeys(("create", "confirm", "pay"), 2 * OF_EACH)
    assert OrderEvent.objects.filter(transition="ship").count() == OF_EACH
    messages = NotificationLog.objects.values_list("event", flat=True)
    assert Counter(messages) == {"pay": 2 * OF_EACH, "ship": OF_EACH}
    assert NotificationLog.objects.values("order").distinct().count() == len(tellers)
