"""Workers on four hosts share one database and one broker: each message once, in its order's order, at the pace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import pytest

from integrations.models import NotificationLog
from orders.models import Store
from orders.services import apply_transition
from tests.broker import purge
from tests.factories import make_instance, make_order
from tests.integrations.sandbox import SandboxProcess, sandbox
from tests.processes import Process, wait_until, worker

pytestmark = pytest.mark.django_db(transaction=True)

HOSTS = 4
INSTANCES = tuple(f"loja{number}" for number in range(4))
A_MINUTE = 240
STEPS = ("create", "confirm", "pay")
ORDERS = 4


@pytest.fixture(scope="module")
def gateway() -> Iterator[SandboxProcess]:
    with sandbox(*INSTANCES) as process:
        yield process


@pytest.fixture
def shops(gateway: SandboxProcess, settings: Any) -> list[Store]:
    purge("whatsapp", "default")
    settings.EVOLUTION_API_URL, settings.EVOLUTION_API_KEY = gateway.base_url, gateway.api_key
    shops = [Store.objects.create(name=name) for name in INSTANCES]
    for shop, name in zip(shops, INSTANCES, strict=True):
        make_instance(shop, name=name, messages_per_minute=A_MINUTE)
    return shops


@pytest.fixture
def hosts(shops: list[Store], settings: Any) -> Iterator[list[Process]]:
    """Each a process group of its own, under a name of its own."""
    gateway = {name: getattr(settings, name) for name in ("EVOLUTION_API_URL", "EVOLUTION_API_KEY", "REDIS_URL")}
    with ExitStack() as stack:
        yield [stack.enter_context(worker("whatsapp", name=f"host{number}", **gateway)) for number in range(HOSTS)]


def test_four_send_as_one(gateway: SandboxProcess, shops: list[Store], hosts: list[Process]) -> None:
    orders = [
        make_order(store=shop, notify=True, customer_phone=f"+55119870{number}{each:04}")
        for each in range(ORDERS)
        for number, shop in enumerate(shops)
    ]
    for step in STEPS[1:]:
        for order in orders:
            apply_transition(order, step)
    number = len(orders) * len(STEPS)
    wait_until(lambda: NotificationLog.objects.filter(status="sent").count() == number, "all to be sent")

    told = gateway.messages()
    rows = {row.provider_message_id: row for row in NotificationLog.objects.all()}
    assert sorted(message["key_id"] for message in told) == sorted(rows)
    of_each_order: dict[Any, list[str]] = {}
    of_each_instance: dict[str, list[datetime]] = {}
    for message in told:
        row = rows[message["key_id"]]
        of_each_order.setdefault(row.order_id, []).append(row.event)
        of_each_instance.setdefault(message["instance"], []).append(datetime.fromisoformat(message["arrived_at"]))
    assert of_each_order == {order.pk: list(STEPS) for order in orders}
    quickest = 60 / A_MINUTE * 0.75
    for times in of_each_instance.values():
        assert len(times) == ORDERS * len(STEPS)
        # Of each gap only the claims' distance is sure; all together are no shorter than theirs, but for one way.
        assert (max(times) - min(times)).total_seconds() > (len(times) - 2) * quickest
    # And none of the four was a spectator.
    assert [": sent, " in host.output() for host in hosts] == [True] * HOSTS
