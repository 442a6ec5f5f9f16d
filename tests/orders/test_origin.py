"""An order that was made elsewhere is made here once, however often and whenever it is told of."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from integrations.models import NotificationLog
from orders import search
from orders.models import Customer, Order, OrderEvent, Store
from orders.services import apply_transition, create_order
from tests.factories import make_instance
from tests.processes import wait_until
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

ORIGIN = {"source": "nuvemshop", "external_id": "871254203", "external_number": "PED-1042"}


def create(**values: Any) -> Order:
    arguments: dict[str, Any] = {
        "store": Store.get_default(),
        "customer_name": "João Souza",
        "customer_phone": "(11) 98765-4321",
        "items": [{"description": "Caneca", "quantity": 3, "unit_price": "19.90"}],
        "delivery_method": "pickup",
    }
    return create_order(**arguments | ORIGIN | values)


def everything() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (Order, OrderEvent, Customer, NotificationLog))


def test_the_second_call_gets_the_first_order_and_changes_nothing() -> None:
    make_instance()
    order = create(freight="10", discount="5.00")
    assert (order.source, order.external_id, order.external_number) == tuple(ORIGIN.values())
    assert str(order.total) == "64.70"
    apply_transition(order, "confirm")
    there = everything()
    with CaptureQueriesContext(connection) as queries:
        again = create(
            customer_name="Maria",
            customer_phone="(21) 99999-4321",
            freight="99",
            external_number="",
            external_id=" 871254203 ",
        )
    assert len([entry for entry in queries if "SAVEPOINT" not in entry["sql"]]) == 3  # the store, the lock, the order
    assert (again, again.status, again.customer.name) == (order, "confirmed", "João Souza")
    order.refresh_from_db()
    assert (str(order.freight), order.external_number) == ("10.00", "PED-1042")
    assert everything() == there == (1, 2, 1, 2)


def test_another_id_source_or_store_and_none_at_all_is_another_order() -> None:
    other = Store.objects.create(name="Outra loja")
    changes: list[dict[str, Any]] = [
        {}, {"external_id": "2"}, {"source": "tray"}, {"store": other}, {"external_id": ""}, {"external_id": ""},
        dict.fromkeys(ORIGIN, ""), dict.fromkeys(ORIGIN, ""),
    ]  # fmt: skip
    assert len({create(**values).pk for values in changes}) == len(changes)
    assert Order.objects.filter(source="").count() == 2
    twice = Order.objects.filter(external_id="2")
    with pytest.raises(IntegrityError, match="order_once_per_origin"), transaction.atomic():
        twice.update(external_id=ORIGIN["external_id"])


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"source": ""}, "nome da origem"),
        ({"source": " ", "external_id": ""}, "nome da origem"),
        ({"source": "x" * 31}, "“source” tem mais de 30 caracteres."),
        ({"external_id": "1" * 101}, "“external_id” tem mais de 100 caracteres."),
        ({"external_number": "1" * 61}, "“external_number” tem mais de 60 caracteres."),
        ({"external_id": "1\n2"}, "“external_id” tem caracteres que não se veem."),
        ({"external_number": "1\0"}, "“external_number” tem caracteres que não se veem."),
        ({"source": "nuvem\u202eshop"}, "“source” tem caracteres que não se veem."),
        ({"external_id": "\ud800"}, "“external_id” tem caracteres que não se veem."),
    ],
)
def test_what_cannot_be_an_origin_is_refused_and_nothing_stored(values: dict[str, Any], error: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        create(**values)
    assert error in refusal.value.messages[0]
    assert everything() == (0, 0, 0, 0)


def test_an_id_that_is_no_text_is_a_mistake_of_the_program() -> None:
    with pytest.raises(TypeError, match="external_id must be a str, not int"):
        create(external_id=871254203)
    assert everything() == (0, 0, 0, 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("breaks_off", [False, True])
def test_two_at_the_same_moment_are_one_order(breaks_off: bool) -> None:
    """The second begins while the first is not committed, on a connection of its own, and waits for it."""
    make_instance()
    store = Store.get_default()
    made: list[Order] = []

    def second() -> None:
        try:
            made.append(create(store=store, customer_name="Maria", customer_phone="(21) 99999-4321"))
        finally:
            connection.close()

    thread = threading.Thread(target=second)
    with transaction.atomic():
        first = create(store=store)
        thread.start()
        wait_until(somebody_waits, "the second")
        transaction.set_rollback(breaks_off)
    thread.join()
    assert [order.customer.name for order in made] == ["Maria" if breaks_off else "João Souza"]
    assert (made[0].pk == first.pk) is not breaks_off
    assert everything() == (1, 1, 1, 1)


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)")
        return bool(cursor.fetchone()[0])


@pytest.mark.usefixtures("new_tables")
def test_staff_find_it_by_its_number_and_see_that_on_its_page() -> None:
    order, other = create(), create(external_id="9", external_number="")
    create(**dict.fromkeys(ORIGIN, ""))
    for term in ("PED-1042", "ped 1042", "1042", "ped1042", "pedido 1042", "871254203", "joão 1042"):
        assert [row["pk"] for row in search.orders(term)] == [order.pk], term
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "order_origin_words" in search.orders("1042").explain()
    client = client_of(make_staff())
    page = client.get(order.get_admin_url()).content.decode()
    assert "feito em nuvemshop com o número PED-1042" in page
    assert "feito em nuvemshop com o número 9" in client.get(other.get_admin_url()).content.decode()
    assert order.code in client.get("/admin/orders/order/?q=PED-1042").content.decode()
