"""What a process needs of the database for a connection's webhook, once it has believed one of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection as default
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext

from integrations.models import CarrierConnection, CarrierNews, ShopConnection, ShopNews
from tests.integrations import parcels, shops

pytestmark = pytest.mark.django_db

OURS = {"id", "received_at", "due_at", "occurred_at"}


def send_order(connection: ShopConnection, secret: str = shops.SECRET, body: bytes = b"") -> int:
    body = body or shops.written(shops.order())
    headers = shops.headers(body, X_WC_Webhook_Signature=shops.sign(body, secret))
    path = f"/webhooks/orders/woocommerce/{connection.token}/"
    return Client().post(path, body, "application/json", headers=headers).status_code


def send_label(connection: CarrierConnection, secret: str = parcels.SECRET, body: bytes = b"") -> int:
    body = body or parcels.label()
    return parcels.send(connection, body, X_ME_Signature=parcels.sign(body, secret))


type Case = tuple[Callable[[], Any], Callable[..., int], type[Model]]
CASES: dict[str, Case] = {
    "shop": (shops.make_connection, send_order, ShopNews),
    "carrier": (parcels.make_connection, send_label, CarrierNews),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def known(case: Case) -> Any:
    """A connection that the process has believed."""
    connection = case[0]()
    assert case[1](connection) == 200
    return connection


def rows(news: type[Model]) -> list[dict[str, Any]]:
    return list(news._default_manager.order_by("pk").values())


@pytest.mark.parametrize("is_on", [True, False])
def test_what_is_stored_at_once_is_what_the_model_would_store(case: Case, is_on: bool) -> None:
    connection = known(case)
    type(connection).objects.update(is_on=is_on)
    case[2]._default_manager.all().delete()
    _make, send, news = case
    assert send(connection) == 200  # at once
    connection.keep({"secret": "novo"})
    connection.save(update_fields=["credentials"])
    assert send(connection, "novo") == 200  # by the model
    assert send(connection, "novo") == 200
    first, second, third = ({**row, "body": bytes(row["body"])} for row in rows(news))
    assert [{name: row[name] for name in row.keys() - OURS} for row in (first, third)] == [
        {name: second[name] for name in second.keys() - OURS}
    ] * 2
    assert [row["due_at"] is not None for row in (first, second, third)] == [is_on] * 3
    assert [row["due_at"] for row in (first, third)] == [
        row["received_at"] if is_on else None for row in (first, third)
    ]


def test_it_is_one_statement(case: Case) -> None:
    connection = known(case)
    with CaptureQueriesContext(default) as queries:
        assert case[1](connection) == 200
    assert len(queries) == 1
    assert len(rows(case[2])) == 2


@pytest.mark.django_db(transaction=True)
def test_it_is_stored_over_a_session_of_the_pool_as_well(case: Case) -> None:
    """As in the web server, where no request has one of its own before."""
    connection = known(case)
    default.close()
    with CaptureQueriesContext(default) as queries:
        default.close()
        assert case[1](connection) == 200
    assert len(queries) == 0
    first, second = ({**row, "body": bytes(row["body"])} for row in rows(case[2]))
    assert {name: first[name] for name in first.keys() - OURS} == {name: second[name] for name in second.keys() - OURS}
    assert second["due_at"] == second["received_at"]


def test_when_it_told_last_is_noted_every_ten_seconds(case: Case) -> None:
    connection = known(case)
    connection.refresh_from_db()
    noted = connection.last_news_at
    case[1](connection)
    connection.refresh_from_db()
    assert connection.last_news_at == noted
    type(connection).objects.update(last_news_at="2026-11-27T10:00:00Z")
    case[1](connection)
    connection.refresh_from_db()
    assert connection.last_news_at >= noted


class TestWhatIsKnownHoldsNoLonger:
    def test_than_the_secret(self, case: Case) -> None:
        _make, send, news = case
        connection = known(case)
        connection.keep({"secret": "novo"})
        connection.save(update_fields=["credentials"])
        assert [send(connection), send(connection, "novo"), send(connection)] == [403, 200, 403]
        connection.refresh_from_db()
        assert (connection.refused, len(rows(news))) == (2, 2)

    def test_than_the_connection(self, case: Case) -> None:
        _make, send, news = case
        connection = known(case)
        news._default_manager.all().delete()
        type(connection).objects.all().delete()
        assert (send(connection), rows(news)) == (404, [])

    def test_than_its_address(self, case: Case) -> None:
        _make, send, news = case
        connection = known(case)
        type(connection).objects.update(token="x" * 32)
        assert (send(connection), len(rows(news))) == (404, 1)

    def test_than_the_keys_that_read_it(self, case: Case) -> None:
        """A process without the key has seen it last, and this one says that it can be read."""
        connection = known(case)
        type(connection).objects.update(unreadable_since="2026-11-27T10:00:00Z")
        assert case[1](connection) == 200
        connection.refresh_from_db()
        assert connection.unreadable_since is None


def test_of_one_that_is_known_too_much_is_too_much(case: Case) -> None:
    connection = known(case)
    assert case[1](connection, body=b"x" * (1024 * 1024 + 1)) == 413
    connection.refresh_from_db()
    assert (connection.refused, connection.refused_why, len(rows(case[2]))) == (1, "too_large", 1)


def test_a_look_at_one_that_is_known_leaves_nothing(case: Case) -> None:
    connection = known(case)
    path = urlsplit(connection.address).path
    assert Client().get(path).status_code == 200
    type(connection).objects.update(token="x" * 32)
    assert Client().get(path).status_code == 404
    assert len(rows(case[2])) == 1


class TestTheShortWay:
    def test_it_passes_by_what_is_for_browsers(self, case: Case) -> None:
        answer = Client().get(urlsplit(known(case).address).path)
        assert set(answer.headers) == {"Content-Type", "Content-Length", "X-Request-ID"}
        assert answer.headers["Content-Length"] == "0"

    def test_a_host_that_is_not_ours_is_none(self, case: Case) -> None:
        answer = Client().get(urlsplit(known(case).address).path, headers={"host": "other.example.com"})
        assert answer.status_code == 400

    def test_an_address_that_there_is_not_is_answered_as_any_other(self) -> None:
        answer = Client().get("/webhooks/nothing/of/the/kind/")
        assert (answer.status_code, answer.headers["X-Frame-Options"]) == (404, "DENY")
