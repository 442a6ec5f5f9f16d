"""The column of the order list that says what became of an order's latest message."""

from __future__ import annotations

from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import strip_tags

from integrations.models import CustomerReply, EvolutionInstance, NotificationLog
from orders.models import Order
from orders.services import apply_transition
from tests.factories import make_instance, make_order
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

LIST = "/admin/orders/order/"
NOW = timezone.now()


@pytest.fixture
def instance() -> EvolutionInstance:
    return make_instance()


@pytest.fixture
def client(instance: EvolutionInstance) -> Client:
    return client_of(make_staff())


def cells(client: Client) -> dict[str, str]:
    """The words of the column, by the order's code."""
    orders = client.get(LIST).context["cl"].result_list
    return {order.code: " ".join(unescape(strip_tags(order._column_whatsapp)).split()) for order in orders}


def settle(order: Order, **values: Any) -> None:
    """Let the order's latest message have come to this."""
    row = NotificationLog.objects.filter(order=order).latest("pk")
    NotificationLog.objects.filter(pk=row.pk).update(**values)


def answer(order: Order, instance: EvolutionInstance, **values: Any) -> None:
    values = {"kind": "text", "text": "Obrigada!", "received_at": NOW} | values
    number = CustomerReply.objects.count()
    CustomerReply.objects.create(
        instance=instance, customer=order.customer, order=order, provider_message_id=f"A{number}", **values
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "pendente"),
        ({"status": "sent", "sent_at": NOW}, "enviada"),
        ({"status": "sent", "sent_at": NOW, "receipt": "server_ack"}, "enviada"),
        ({"status": "sent", "sent_at": NOW, "receipt": "delivery_ack", "delivered_at": NOW}, "entregue"),
        ({"status": "sent", "sent_at": NOW, "receipt": "read", "read_at": NOW}, "lida"),
        ({"status": "sent", "sent_at": NOW, "receipt": "error"}, "não entregue"),
        ({"status": "failed", "error_code": "not_on_whatsapp"}, "falhou"),
        ({"status": "skipped", "error_code": "opted_out"}, "descartada"),
    ],
)
def test_says_what_became_of_the_message(client: Client, values: dict[str, Any], words: str) -> None:
    order = make_order(notify=True)
    settle(order, **values)
    assert cells(client) == {order.code: words}


def test_tells_of_the_latest_message_only(client: Client) -> None:
    order = make_order(notify=True)
    settle(order, status="failed", error_code="expired")
    apply_transition(order, "confirm")
    settle(order, status="sent", sent_at=NOW)
    silent = make_order(customer_phone="(21) 99999-0000")
    assert cells(client) == {order.code: "enviada", silent.code: ""}


def test_shows_an_answer_until_somebody_has_handled_it(client: Client, instance: EvolutionInstance) -> None:
    order = make_order(notify=True)
    settle(order, status="sent", sent_at=NOW)
    answer(order, instance, received_at=NOW - timedelta(minutes=1))
    assert cells(client) == {order.code: "enviada respondeu"}
    apply_transition(order, "confirm")
    settle(order, status="sent", sent_at=NOW + timedelta(minutes=2))
    assert cells(client) == {order.code: "enviada respondeu"}
    CustomerReply.objects.update(handled_at=NOW)
    assert cells(client) == {order.code: "enviada"}


@pytest.mark.parametrize(
    ("reply", "shown"),
    [
        ({"text": "Sair!", "wish": "out"}, False),
        ({"text": "voltar", "wish": "in"}, False),
        ({"text": ""}, False),
        ({"text": "Sair para onde?"}, True),
        ({"text": "👍"}, True),
        ({"kind": "image", "text": "Sair?", "wish": "unsure"}, True),
        ({"kind": "audio", "text": ""}, True),
    ],
)
def test_a_command_that_was_obeyed_is_no_answer(
    client: Client, instance: EvolutionInstance, reply: dict[str, str], shown: bool
) -> None:
    order = make_order(notify=True)
    settle(order, status="sent", sent_at=NOW)
    answer(order, instance, received_at=NOW + timedelta(minutes=1), **reply)
    assert cells(client) == {order.code: "enviada respondeu" if shown else "enviada"}


def test_a_command_hides_no_earlier_answer(client: Client, instance: EvolutionInstance) -> None:
    order = make_order(notify=True)
    settle(order, status="sent", sent_at=NOW)
    answer(order, instance, received_at=NOW + timedelta(minutes=1))
    answer(order, instance, received_at=NOW + timedelta(minutes=2), text="SAIR", wish="out")
    assert cells(client) == {order.code: "enviada respondeu"}


def test_costs_three_statements_whatever_the_length_of_the_list(client: Client, instance: EvolutionInstance) -> None:
    for number in range(12):
        answer(make_order(notify=True, customer_phone=f"(11) 98765-43{number:02}"), instance)
    client.get(LIST)
    with CaptureQueriesContext(connection) as queries:
        assert len(cells(client)) == 12
    asked = [query["sql"] for query in queries if "notificationlog" in query["sql"] or "customerreply" in query["sql"]]
    assert len([sql for sql in asked if "order_id" in sql]) == 3  # one of them for the views


def test_who_may_not_see_the_log_has_no_such_column() -> None:
    bia = make_staff("bia", group="")
    bia.user_permissions.add(Permission.objects.get(codename="view_order"))
    make_order(notify=True)
    with CaptureQueriesContext(connection) as queries:
        response = client_of(bia).get(LIST)
    assert response.status_code == 200
    assert b"WhatsApp" not in response.content
    assert not [query for query in queries if "notificationlog" in query["sql"]]
