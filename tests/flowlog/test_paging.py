"""A list is counted as far as anybody leafs through it, and what comes first of a long one is found by an index."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from flowlog.staffpages import paging
from orders.models import Customer, Order, Store
from tests.factories import make_order
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

CUSTOMERS, ORDERS = "/admin/orders/customer/", "/admin/orders/order/"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    """Of somebody for whom a list is long with five rows, of which a page shows two."""
    monkeypatch.setattr(paging, "MOST", 4)
    monkeypatch.setattr("orders.admin.customers.CustomerAdmin.list_per_page", 2)
    monkeypatch.setattr("orders.admin.orders.OrderAdmin.list_per_page", 2)
    return client_of(make_staff())


def customers(number: int) -> None:
    store = Store.get_default()
    Customer.objects.bulk_create(Customer(store=store, name=f"Ana {each}") for each in range(number))


def names(page: Any) -> list[str]:
    return [row.name for row in page.context["cl"].result_list]


def text(page: Any) -> str:
    return " ".join(page.content.decode().split())


def test_a_short_list_is_counted_and_sorted(client: Client) -> None:
    customers(4)
    page = client.get(CUSTOMERS)
    assert "4 clientes" in text(page)
    assert names(client.get(CUSTOMERS, {"p": 2})) == ["Ana 2", "Ana 3"]
    assert names(client.get(CUSTOMERS, {"o": "-1"})) == ["Ana 3", "Ana 2"]


def test_of_a_long_one_the_first_pages_are_offered(client: Client) -> None:
    customers(5)
    page = client.get(CUSTOMERS)
    assert "mais de 4 clientes" in text(page)
    assert list(page.context["cl"].paginator.page_range) == [1, 2]
    assert names(client.get(CUSTOMERS, {"p": 2})) == ["Ana 2", "Ana 3"]
    beyond = client.get(CUSTOMERS, {"p": 3})
    assert (beyond.status_code, beyond.headers["location"]) == (302, f"{CUSTOMERS}?e=1")


def test_a_long_one_stays_in_its_own_order(client: Client) -> None:
    customers(5)
    page = client.get(CUSTOMERS, {"o": "-1"})
    assert names(page) == ["Ana 0", "Ana 1"]
    assert page.context["cl"].sortable_by == ()
    # What is narrowed down is short again.
    assert names(client.get(CUSTOMERS, {"o": "-1", "opted_out_at__isempty": "0"})) == []


def test_a_search_that_finds_many_says_so_and_is_not_counted(client: Client) -> None:
    customers(5)
    with CaptureQueriesContext(connection) as asked:
        page = client.get(CUSTOMERS, {"q": "ana"})
    assert "mais de 4" in text(page)
    assert [
        each["sql"] for each in list(asked) if "COUNT(*)" in each["sql"] and '"orders_customer"' in each["sql"]
    ] == []


def test_what_is_chosen_of_a_long_one_is_all_of_it(client: Client) -> None:
    for _ in range(6):
        make_order()
    assert "Selecionar todos (mais de 4 pedidos)" in text(client.get(ORDERS))
    chosen = Order.objects.values_list("pk", flat=True)[:1]
    pressed = {"action": "transition_confirm", "select_across": "1", "_selected_action": list(chosen)}
    assert client.post(ORDERS, pressed).context["chosen"] == 6


PLANS = {
    f"{ORDERS}?status__exact=cancelled": "order_few_by_status",
    f"{ORDERS}?payment_status__exact=refunded": "order_few_by_payment",
    f"{ORDERS}?delivery_status__exact=shipped": "order_few_by_delivery",
    ORDERS: "order_newest_first",
    CUSTOMERS: "customer_by_name",
    "/admin/integrations/notificationlog/?status__exact=skipped": "notification_not_sent",
    "/admin/integrations/notificationlog/": "notification_newest_first",
}
FILL = """
    INSERT INTO orders_customer (store_id, name, phone, cpf, opted_out_how)
        SELECT %(store)s, md5(n::text), '', '', '' FROM generate_series(1, 6000) n;
    INSERT INTO orders_order (store_id, customer_id, code, status, payment_status, delivery_status, delivery_method,
            delivery_address, delivery_attempts, tracking_code, tracking_url, tracking_token, pickup_code, total, notes,
            created_at)
        SELECT store_id, id, 'Z' || id, 'completed', 'paid', 'delivered', 'courier', '', 0, '', '', 'token' || id, '',
            1, '', now() - id * interval '1 minute' FROM orders_customer;
    INSERT INTO integrations_notificationlog (status, event, order_id, dedupe_key, recipient, snapshot, message,
            provider_message_id, attempts, expires_at, error_code, error_message, celery_task_id, sent_at, created_at)
        SELECT 'sent', 'create', id, id, '', '{}', '', '', 1, now(), '', '', '', now(), created_at FROM orders_order;
    ANALYZE orders_customer, orders_order, integrations_notificationlog;
"""


def test_a_list_and_its_filters_are_led_by_an_index(new_tables: None) -> None:
    with connection.cursor() as cursor:
        for statement in FILL.split(";\n"):
            if statement.strip():
                cursor.execute(statement, {"store": Store.get_default().pk})
    client = client_of(make_staff())
    used = {}
    for address, wanted in PLANS.items():
        with CaptureQueriesContext(connection) as asked:
            assert client.get(address).status_code == 200
        used[address] = wanted if any(wanted in _plan(each["sql"]) for each in list(asked)) else "another"
    assert used == PLANS


def _plan(statement: str) -> str:
    with connection.cursor() as cursor:
        # Whatever does no more than read: of what a page writes there is no plan to look at.
        cursor.execute(f"EXPLAIN {statement}" if statement.startswith(("SELECT", "(")) else "SELECT ''")
        return "\n".join(line for (line,) in cursor.fetchall())
