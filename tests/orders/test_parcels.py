"""The parcels of an order: their links, whose a code is, and codes that were stored as they had been pasted."""

from __future__ import annotations

import importlib

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orders.models import Order
from orders.parcels import doubts, having, parcels_of
from tests.factories import make_order

PAGE = "https://rastreamento.correios.com.br/app/index.php?objetos="


def shipped_with(code: str, method: str = "correios_pac") -> Order:
    """An order whose code is stored just so, as the release before did."""
    order = make_order(until="shipped", delivery_method=method)
    Order.objects.filter(pk=order.pk).update(tracking_code=code)
    order.refresh_from_db()
    return order


@pytest.mark.parametrize(
    ("method", "code", "url", "expected"),
    [
        ("correios_pac", "AA123456785BR", "", [("AA123456785BR", f"{PAGE}AA123456785BR")]),
        (
            "correios_sedex",
            "AA523456786BR, AA523456790BR",
            "",
            [("AA523456786BR", f"{PAGE}AA523456786BR"), ("AA523456790BR", f"{PAGE}AA523456790BR")],
        ),
        ("correios_pac", "A B&c=/d", "", [("A B&c=/d", f"{PAGE}A%20B%26c%3D%2Fd")]),
        ("carrier", "X1", "https://c.example/x?y=ã b", [("X1", "https://c.example/x?y=%C3%A3%20b")]),
        ("carrier", "X1", "https://c.example/%20?y=1&z=2#3", [("X1", "https://c.example/%20?y=1&z=2#3")]),
        ("carrier", "X1", "https://transportação.example/ã", [("X1", "https://transportação.example/%C3%A3")]),
        ("carrier", "X1", "", [("X1", "")]),
        ("courier", "", "", []),
    ],
)
def test_each_parcel_has_a_link_that_no_phone_breaks(
    method: str, code: str, url: str, expected: list[tuple[str, str]]
) -> None:
    assert parcels_of(method, code, url) == expected


@pytest.mark.django_db
def test_a_code_finds_its_orders() -> None:
    alone, both, other = shipped_with("loggi-1", "carrier"), shipped_with("AA523456786BR, AA523456790BR"), make_order()
    Order.objects.filter(pk=other.pk).update(tracking_code="X, Y")
    assert list(having(Order.objects.all(), ["LOGGI-1"])) == [alone]
    for code in ("aa 523 456 786 br", "AA523456790BR\u200b"):
        assert list(having(Order.objects.all(), [code])) == [both]
    assert not having(Order.objects.all(), ["AA523456786B", ""]).exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("new_tables")
def test_each_way_of_having_a_code_has_its_index() -> None:
    shipped_with("AA523456786BR, AA523456790BR")
    with CaptureQueriesContext(connection) as queries:
        having(Order.objects.all(), ["AA523456790BR"])
    [query] = [entry["sql"] for entry in queries]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {query}")
        plan = "".join(row[0] for row in cursor.fetchall())
    assert "order_tracking_code" in plan
    assert "order_several_parcels" in plan
    assert "Seq Scan" not in plan


@pytest.mark.django_db
def test_doubts_are_of_the_mistyped_and_of_what_another_order_has() -> None:
    first, second = (make_order(until="confirmed", delivery_method="correios_pac") for _ in range(2))
    other = shipped_with("AA523456786BR, AA523456790BR")
    assert doubts({first: "AA123456785BR", second: "AA323456785BR"}) == []
    assert doubts({first: "AA123456780BR, AA523456790BR", second: ""}) == [
        "Os dígitos de “AA123456780BR” não conferem: veja se algum foi digitado errado.",
        f"“AA523456790BR” é o código de mais de um pedido: {first.code}, {other.code}.",
    ]
    assert doubts({other: other.tracking_code}) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("stored", "tidied"),
    [
        ("AA 323 456 785 BR", "AA323456785BR"),
        ("WWW.CORREIOS.COM.BR/RASTREIO?OBJETOS=AA123456785BR", "AA123456785BR"),
        ("AA523456786BR/AA523456790BR", "AA523456786BR, AA523456790BR"),
        ("AA423456784BR\u200b", "AA423456784BR"),
        ("Loggi 1", "Loggi 1"),
        ("AA123456785BR", "AA123456785BR"),
    ],
)
def test_what_was_stored_as_pasted_is_tidied(stored: str, tidied: str) -> None:
    order = shipped_with(stored)
    migration = importlib.import_module("orders.migrations.0010_tidy_tracking_codes")
    with connection.schema_editor() as editor:
        migration.tidy(apps, editor)
    order.refresh_from_db()
    assert order.tracking_code == tidied
