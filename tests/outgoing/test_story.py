"""The whole way, with processes of their own: an order comes in and is told, and the shop's system hears of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
from django.conf import settings
from django.db.models.functions import Now
from django.test import Client

from orders.models import Order
from orders.services import apply_transition
from outgoing.models import OutgoingEvent
from tests.broker import purge
from tests.factories import PHONE, TRACKING_CODE, make_instance, make_order
from tests.integrations import parcels, shops
from tests.integrations.receiver import Hook, Receiver, receiver
from tests.integrations.sandbox import SandboxProcess
from tests.outgoing.endpoints import make_endpoint, told, verified
from tests.processes import System, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

FAST = {"NOTIFICATIONS_SWEEP_INTERVAL": "0.5"}


@pytest.fixture
def processes(tmp_path: Path, gateway: SandboxProcess) -> Iterator[System]:
    with ExitStack() as stack:
        purge("default", "whatsapp")
        yield System(stack, tmp_path, gateway, **FAST)
        # The last receipts have been delivered before the web server goes.
        gateway.set_webhook("flowlog", "")
        gateway.webhooks()


class Slow:
    """Answers the first webhook of the system only when it is let go."""

    def __init__(self, system: Receiver) -> None:
        self.came, self._go = threading.Event(), threading.Event()
        self._take = system.take
        system.take = self.take  # type: ignore[method-assign]

    def take(self, hook: Hook) -> int:
        status = self._take(hook)
        if not self.came.is_set():
            self.came.set()
            self._go.wait(60)
        return status

    def let_go(self) -> None:
        self._go.set()


def test_an_orders_whole_way_is_told_to_the_shops_own_system(
    processes: System, gateway: SandboxProcess, system: Receiver
) -> None:
    make_instance()
    endpoint, secret = make_endpoint(system.url)
    shop, carrier = shops.make_connection(), parcels.make_connection()
    processes.start_all()
    address = processes.web()
    bearer = {"Authorization": f"Bearer {settings.EVOLUTION_WEBHOOK_SECRET}"}
    gateway.set_webhook("flowlog", f"{address}/webhooks/evolution/flowlog/", bearer)
    gateway.options(read_seconds=None)
    way = f"{address}/webhooks/orders/woocommerce/{shop.token}"
    for _time in range(2):
        assert shops.send(way, shops.order(status="processing")) == 200
    wait_until(lambda: told(endpoint)[-1:] == [("message.delivered", "delivered")], "the order to be told")
    order = Order.objects.get()
    body = parcels.label("order.posted", tags=[{"tag": order.code}])
    with requests.Session() as session:
        session.trust_env = False
        headers = {"Content-Type": "application/json", "X-ME-Signature": parcels.sign(body)}
        posted = f"{address}/webhooks/tracking/melhorenvio/{carrier.token}"
        assert session.post(posted, body, headers=headers, timeout=20).status_code == 200
    wait_until(lambda: len(gateway.texts(PHONE)) == 2, "the parcel to be told")
    arrived = ["order.created", "order.confirmed", "order.paid", "message.sent", "message.delivered"]
    arrived += ["order.shipped", "message.sent", "message.delivered"]
    wait_until(lambda: told(endpoint) == [(name, "delivered") for name in arrived], "the parcel's news")
    gateway.read(PHONE)
    arrived += ["message.read", "message.read"]
    wait_until(lambda: told(endpoint) == [(name, "delivered") for name in arrived], "what was read")
    hooks = system.hooks()
    bodies = [verified(hook, secret) for hook in hooks]
    assert [body["type"] for body in bodies] == arrived
    assert len({hook.headers["webhook-id"] for hook in hooks}) == len(arrived)
    assert {body["data"]["order"]["code"] for body in bodies} == {order.code}
    assert bodies[0]["data"]["order"]["reference"]["source"] == "woocommerce"
    assert bodies[5]["data"]["order"]["parcels"][0]["code"] == TRACKING_CODE
    assert PHONE.encode()[3:] not in b"".join(hook.raw for hook in hooks)


def test_what_a_killed_worker_had_in_hand_comes_again_under_its_id(processes: System, system: Receiver) -> None:
    endpoint, secret = make_endpoint(system.url)
    slow = Slow(system)
    processes.beat()
    worker = processes.worker("default")
    make_order(until="shipped")
    assert slow.came.wait(30)
    worker.kill()
    slow.let_go()
    assert [state for _name, state in told(endpoint)] == ["sending", "pending", "pending"]
    processes.worker("default", name="second")
    # As when its time is over.
    OutgoingEvent.objects.filter(state="sending").update(lease_ends_at=Now())
    names = ["order.created", "order.confirmed", "order.shipped"]
    wait_until(lambda: told(endpoint) == [(name, "delivered") for name in names], "all of it")
    hooks = system.hooks()
    assert [verified(hook, secret)["type"] for hook in hooks] == ["order.created", *names]
    assert len({hook.headers["webhook-id"] for hook in hooks[:2]}) == 1
    assert len({hook.headers["webhook-id"] for hook in hooks}) == 3


def test_systems_that_hang_keep_nothing_else_waiting(processes: System, system: Receiver) -> None:
    """As many processes as in production, and more systems that hang: other systems' news and a shop's order."""
    names = ["order.created", "order.confirmed", "order.paid"]
    with receiver() as second, receiver() as third, receiver() as quick:
        hanging = [system, second, third]
        slow, sleepy = [Slow(each) for each in hanging], [make_endpoint(each.url)[0] for each in hanging]
        other, secret = make_endpoint(quick.url)
        shop = shops.make_connection()
        processes.beat()
        processes.worker("default", "--concurrency", "2")
        order = make_order()
        assert all(each.came.wait(30) for each in slow)
        for name in ("confirm", "pay"):
            apply_transition(order, name, notify=False)
        body = shops.written(shops.order(status="processing"))
        way = f"/webhooks/orders/woocommerce/{shop.token}"
        assert Client().post(way, body, content_type="application/json", headers=shops.headers(body)).status_code == 200
        wait_until(lambda: Order.objects.count() == 2, "the shop's order")
        wait_until(lambda: told(other)[:3] == [(name, "delivered") for name in names], "the other one's news")
        # Its news of the shop's order may be on their way.
        in_flight = OutgoingEvent.objects.filter(state="sending", attempts=1).exclude(endpoint=other)
        assert set(in_flight.values_list("endpoint", flat=True)) == {each.pk for each in sleepy}
        for each in slow:
            each.let_go()
        wait_until(lambda: {state for _name, state in told()} == {"delivered"}, "all news")
        assert [verified(hook, secret)["type"] for hook in quick.hooks()][:3] == names
        assert [[hook.body["type"] for hook in each.hooks()][:3] for each in hanging] == [names] * 3
