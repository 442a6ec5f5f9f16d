"""From a status change to the phone through real workers, broker and gateway, each a process of its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import connection
from kombu import Producer

from flowlog.celery import app
from flowlog.devtools.valkey import Valkey
from integrations.models import NotificationLog
from notifications import wakeups
from orders.models import Order
from orders.services import TransitionNotAllowed, apply_transition
from tests.broker import broker_at, hanging_server, purge, take_all
from tests.embedded import RUN_HOME
from tests.factories import PHONE, make_instance, make_order
from tests.integrations.sandbox import SandboxProcess
from tests.processes import System, wait_until
from tests.staff import client_of, make_staff

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.other_servers]

Status = NotificationLog.Status
# Shrunk so that the sweep repeats a lost wake-up within a second.
FAST = {
    "NOTIFICATIONS_SWEEP_INTERVAL": "0.5",
    "NOTIFICATIONS_WAKE_REPEAT": "1",
    "NOTIFICATIONS_WAKE_REPEAT_MAX": "2",
}


@pytest.fixture
def system(tmp_path: Path, gateway: SandboxProcess) -> Iterator[System]:
    with ExitStack() as stack:
        purge("default", "whatsapp")
        make_instance()
        yield System(stack, tmp_path, gateway, **FAST)


@pytest.fixture
def own_valkey(settings: Any) -> Iterator[Valkey]:
    """A broker of this test's own, which it may stop and flush."""
    valkey = Valkey(RUN_HOME / "faults" / "valkey")
    valkey.start()
    try:
        with broker_at(valkey.url, settings):
            yield valkey
    finally:
        valkey.stop()


def statuses(**filters: Any) -> list[str]:
    return list(NotificationLog.objects.filter(**filters).order_by("pk").values_list("status", flat=True))


def wait_for_all(status: str, count: int) -> None:
    wait_until(lambda: statuses() == [status] * count, f"{count} rows {status}; they are {statuses()}")


def test_an_orders_whole_life_reaches_the_phone_in_order(system: System, gateway: SandboxProcess) -> None:
    system.start_all()
    order = make_order(notify=True, delivery_method="correios_pac")
    for name in ("confirm", "pay"):
        apply_transition(order, name)
    apply_transition(order, "ship", tracking_code="AA123456785BR")
    apply_transition(order, "out_for_delivery")
    apply_transition(order, "fail_delivery", reason="ninguém em casa")
    apply_transition(order, "out_for_delivery")
    apply_transition(order, "deliver")
    wait_for_all(Status.SENT, 8)
    rows = NotificationLog.objects.order_by("pk")
    assert [row.event for row in rows] == list(order.events.values_list("transition", flat=True))
    assert gateway.texts(PHONE) == [row.message for row in rows]
    assert len(set(gateway.texts(PHONE))) == 8
    assert [row.attempts for row in rows] == [1] * 8
    assert all(row.celery_task_id for row in rows)


def test_the_text_is_that_of_the_moment_of_shipping(system: System, gateway: SandboxProcess) -> None:
    order = make_order(until="confirmed", delivery_method="correios_pac")
    apply_transition(order, "ship", tracking_code="AA123456785BR")
    assert statuses() == [Status.PENDING]
    order.customer.name = "Outra Pessoa"
    order.customer.save(update_fields=["name"])
    Order.objects.update(total="1.00", tracking_code="BB999999999BR")
    system.worker("whatsapp")
    wait_for_all(Status.SENT, 1)
    [text] = gateway.texts(PHONE)
    assert "Maria" in text
    assert "AA123456785BR" in text
    assert "Outra" not in text
    assert "BB999999999BR" not in text


def test_the_same_change_twice_at_one_instant_is_told_once(system: System, gateway: SandboxProcess) -> None:
    order = make_order()
    barrier = threading.Barrier(2)
    refused: list[str] = []

    def confirm() -> None:
        mine = Order.objects.get(pk=order.pk)
        barrier.wait()
        try:
            apply_transition(mine, "confirm")
        except TransitionNotAllowed as refusal:
            refused.append(str(refusal))
        finally:
            connection.close()

    threads = [threading.Thread(target=confirm) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    system.worker("whatsapp")
    wait_for_all(Status.SENT, 1)
    assert len(refused) == 1
    assert order.events.filter(transition="confirm").count() == 1
    assert len(gateway.messages()) == 1


def test_with_only_the_default_worker_nothing_is_sent(system: System, gateway: SandboxProcess) -> None:
    system.worker("default")
    system.beat()
    for number in range(3):
        make_order(notify=True, customer_phone=f"+551198765111{number}")
    lost = NotificationLog.objects.order_by("pk").first()
    assert lost
    NotificationLog.objects.filter(pk=lost.pk).update(woken_at=None)
    # The sweep has run on the default worker once its mark is on the row.
    wait_until(lambda: NotificationLog.objects.get(pk=lost.pk).wakes, "a sweep")
    assert statuses() == [Status.PENDING] * 3
    assert gateway.messages() == []
    system.worker("whatsapp")
    wait_for_all(Status.SENT, 3)
    assert len(gateway.messages()) == 3


def test_the_whatsapp_worker_takes_no_default_task(system: System) -> None:
    system.worker("whatsapp")
    app.send_task("orders.tasks.expire_pickups")
    make_order(notify=True)
    wait_for_all(Status.SENT, 1)
    assert [message.headers["task"] for message in take_all("default")] == ["orders.tasks.expire_pickups"]


def test_results_of_the_default_queue_are_kept_and_none_of_the_sends(system: System) -> None:
    from django_celery_results.models import TaskResult

    system.start_all()
    make_order(notify=True)
    wait_for_all(Status.SENT, 1)
    sent = app.send_task("orders.tasks.expire_pickups")
    wait_until(TaskResult.objects.filter(task_id=sent.id).exists, "the task's result")
    result = TaskResult.objects.get(task_id=sent.id)
    assert (result.status, result.task_name, result.result) == ("SUCCESS", "orders.tasks.expire_pickups", "0")
    assert set(TaskResult.objects.values_list("task_name", flat=True)) == {"orders.tasks.expire_pickups"}


def test_beat_expires_a_pickup_at_its_deadline_and_the_customer_is_told(
    system: System, gateway: SandboxProcess
) -> None:
    system.env["PICKUP_EXPIRY_INTERVAL"] = "1"
    order = make_order(until="ready_for_pickup")
    Order.objects.update(pickup_deadline=order.created_at)
    system.start_all()
    wait_for_all(Status.SENT, 1)
    order.refresh_from_db()
    assert order.delivery_status == "expired"
    assert "terminou" in gateway.texts(PHONE)[0]


def test_a_refused_transition_leaves_no_event_no_row_and_no_task(system: System) -> None:
    order = make_order()
    with pytest.raises(TransitionNotAllowed):
        apply_transition(order, "deliver")
    assert order.events.count() == 1
    assert statuses() == []
    assert take_all("whatsapp") == []


class TestBrokerTrouble:
    def test_a_message_of_the_time_without_broker_goes_out_by_itself(
        self, own_valkey: Valkey, system: System, gateway: SandboxProcess
    ) -> None:
        system.start_all()
        make_order(notify=True, customer_phone="+5511987651111")
        wait_for_all(Status.SENT, 1)
        own_valkey.stop()
        order = make_order(notify=True)
        apply_transition(order, "confirm")
        assert statuses(order=order) == [Status.PENDING] * 2
        own_valkey.start()
        wait_for_all(Status.SENT, 3)
        assert len(gateway.texts(PHONE)) == 2

    def test_flushall_with_messages_waiting_and_workers_running(
        self, own_valkey: Valkey, system: System, gateway: SandboxProcess
    ) -> None:
        orders = [make_order(notify=True, customer_phone=f"+55119876522{number:02}") for number in range(10)]
        client = redis.Redis.from_url(own_valkey.url)
        client.flushall()
        system.start_all()
        client.flushall()
        for order in orders:
            apply_transition(order, "confirm")
        client.flushall()
        wait_for_all(Status.SENT, 20)
        make_order(notify=True)
        wait_for_all(Status.SENT, 21)
        assert len(gateway.messages()) == 21
        client.close()

    @pytest.mark.parametrize("trouble", ["hanging", "down"])
    def test_the_admin_answers_and_the_change_is_committed(self, trouble: str, settings: Any) -> None:
        make_instance()
        order = make_order()
        client = client_of(make_staff())
        down = contextlib.nullcontext("redis://127.0.0.1:9/0")
        with hanging_server() if trouble == "hanging" else down as url, broker_at(url, settings):
            answer = client.post(f"/admin/orders/order/{order.pk}/transition/confirm/", {"notify": "on"})
        assert (answer.status_code, answer["Location"]) == (302, f"/admin/orders/order/{order.pk}/change/")
        assert Order.objects.get().status == "confirmed"
        assert list(NotificationLog.objects.values_list("status", "woken_at")) == [(Status.PENDING, None)]

    def test_publishing_gives_up_at_the_first_failure(self, system: System, settings: Any) -> None:
        orders = [make_order(notify=True) for _ in range(5)]
        rows = list(NotificationLog.objects.filter(order__in=orders))
        tried: list[object] = []
        original = Producer.publish

        def publish(*args: Any, **kwargs: Any) -> Any:
            tried.append(args)
            return original(*args, **kwargs)

        with broker_at("redis://127.0.0.1:9/0", settings), pytest.MonkeyPatch.context() as patch:
            patch.setattr(Producer, "publish", publish)
            assert wakeups.publish(rows) == 0
        assert len(tried) == 1
        assert set(NotificationLog.objects.values_list("woken_at", flat=True)) == {None}
