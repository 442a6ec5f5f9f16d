"""Working off shops' news: what is only hinted at is fetched, what fails is tried again, and nothing is done twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import DataError
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from integrations import retention, tasks
from integrations.models import NotificationLog, ShopConnection, ShopNews
from integrations.shops import SHOPS, intake, polled, polling
from integrations.shops.news import Hint, Item, Nothing, OrderNews, Placed
from integrations.sources import RefusedError, worklist
from integrations.sources.calls import AwayError, TooOftenError, call
from orders import disclosure, erasure
from orders.models import Customer, Order, Store
from tests.factories import PHONE, make_instance
from tests.integrations.raw_server import Connection, RawServer, raw_server
from tests.integrations.shops import make_connection, order

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 27, 10, 58, 42, tzinfo=UTC)
MEANINGS = {"new": "placed", "paid": "paid", "done": "shipped_if_tracked", "left": "shipped", "back": "staff"}


def news(number: str = "7", *statuses: str, at: datetime = AT, **values: Any) -> OrderNews:
    placed = Placed(
        customer_name="Maria", phones=("(11) 98765-4321",), document="", delivery_method="courier", address="Rua A, 1",
        items=(Item("Camisa", Decimal(1), Decimal("59.90")),), freight=Decimal("10.00"), discount=Decimal(0),
    )  # fmt: skip
    told: dict[str, Any] = {
        "external_id": number, "external_number": f"#{number}", "statuses": statuses or ("paid",), "changed_at": at,
        "placed": placed,
    }  # fmt: skip
    return OrderNews(**(told | values))


class Acme:
    """A source of the kind of Nuvemshop: its webhook names an order, which is fetched; it can be asked as well."""

    TITLE = "Acme"
    MEANINGS = MEANINGS
    CREDENTIALS = (
        SimpleNamespace(name="secret", label="Segredo", help="", secret=True, required=True),
        SimpleNamespace(name="url", label="Endereço", help="", secret=False, required=False),
    )
    NEEDED_TO_ASK = ("url",)

    def is_probe(self, method: str, headers: Mapping[str, str], body: bytes) -> bool:
        return body == b"ping"

    def verify(self, headers: Mapping[str, str], body: bytes, credentials: Mapping[str, str]) -> None:
        if not credentials["secret"] or headers.get("X-Acme-Key") != credentials["secret"]:
            raise RefusedError(HTTPStatus.FORBIDDEN, "X-Acme-Key is wrong.")

    def read(self, headers: Mapping[str, str], body: bytes) -> OrderNews | Hint | Nothing:
        told = json.loads(body)
        if "nothing" in told:
            return Nothing(told["nothing"], trouble=True)
        return Hint(told["id"], headers["x-acme-event"])

    def fetch(self, hint: Hint, credentials: Mapping[str, str], call: Callable[..., Any]) -> OrderNews | Nothing:
        status, _headers, found = call("GET", f"{credentials['url']}/orders/{hint.external_id}", {"X-Key": "k"}, None)
        if status == 401:
            return Nothing("Check the keys.", trouble=True)
        return news(hint.external_id, found["status"]) if status == 200 else Nothing("There is no such order.")

    def poll(self, credentials: Mapping[str, str], since: datetime, call: Callable[..., Any]) -> Iterator[OrderNews]:
        _status, _headers, found = call("GET", f"{credentials['url']}/orders", None, {"since": since.isoformat()})
        for told in found:
            yield news(told["id"], told["status"], at=datetime.fromisoformat(told["at"]))


@pytest.fixture(autouse=True)
def acme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SHOPS, "acme", Acme())
    make_instance()


@contextmanager
def shop(*answers: tuple[str, Any, str]) -> Iterator[RawServer]:
    """A shop that gives these answers one after the other: status, JSON, headers; then the last one again."""
    left = list(answers)

    def talk(connection: Connection) -> None:
        while request := connection.request():
            server.requests.append(request)
            status, body, headers = left.pop(0) if len(left) > 1 else left[0]
            connection.answer(json.dumps(body).encode(), status, headers)

    with raw_server(talk) as server:
        yield server


@contextmanager
def slow_pages(page: list[dict[str, Any]]) -> Iterator[tuple[list[bytes], ShopConnection]]:
    """A shop on WooCommerce that gives this page again and again, and takes its time for each."""
    asked: list[bytes] = []

    def talk(connection: Connection) -> None:
        while request := connection.request():
            asked.append(request)
            connection.stopped.wait(0.2)
            connection.answer(json.dumps(page).encode(), "200 OK")

    with raw_server(talk) as server:
        keys = {"address": server.url, "consumer_key": "ck_1", "consumer_secret": "cs_1"}
        yield asked, make_connection(credentials={"secret": "chave"} | keys, created_at=Now())


@contextmanager
def two_slow_shops() -> Iterator[tuple[list[str], ShopConnection, ShopConnection]]:
    """Two shops that take longer for an answer than a turn lasts here; what they were asked for, and both."""
    asked: list[str] = []

    def talk(connection: Connection) -> None:
        while request := connection.request():
            shop_, _orders, number = request.split()[1].decode().strip("/").split("/")
            asked.append(f"{shop_}/{number}")
            connection.stopped.wait(0.3)
            connection.answer(b'{"status": "paid"}', "200 OK")

    with raw_server(talk) as server:
        elsewhere = Store.objects.create(name="Outra")
        yield asked, connect(f"{server.url}/slow"), connect(f"{server.url}/other", store=elsewhere)


def connect(url: str = "http://127.0.0.1:9", **values: Any) -> ShopConnection:
    return make_connection("acme", credentials={"secret": "chave", "url": url}, **values)


def hint(connection: ShopConnection, number: str = "7", **values: Any) -> int:
    return (
        Client()
        .post(
            f"/webhooks/orders/acme/{connection.token}",
            json.dumps({"id": number} | values),
            content_type="application/json",
            headers={"X-Acme-Key": "chave", "X-Acme-Event": "order/paid", "X-Forwarded-For": "1.2.3.4"},
        )
        .status_code
    )


def result() -> tuple[str, int, bool]:
    """Of the only row: the result, how often it failed, whether it is still to be worked off."""
    row = ShopNews.objects.get()
    return row.result, row.attempts, row.due_at is not None


def make_due() -> None:
    ShopNews.objects.filter(due_at__isnull=False).update(due_at=Now())
    ShopConnection.objects.update(calls_from=None)


class TestFetching:
    def test_what_is_hinted_at_is_fetched_and_taken_in(self) -> None:
        with shop(("200 OK", {"status": "paid"}, "")) as server:
            assert hint(connect(server.url)) == 200
            assert intake.process() == 1
        assert ShopNews.objects.get().reason == ""
        assert server.requests[0].startswith(b"GET /orders/7 HTTP/1.1\r\n")
        assert result() == ("applied", 0, False)
        assert list(NotificationLog.objects.values_list("event", flat=True)) == ["pay"]
        row = ShopNews.objects.get()
        assert row.headers == {"X-Acme-Event": "order/paid"}
        assert (row.external_number, row.statuses, row.changed_at) == ("#7", ["paid"], AT)

    def test_a_shop_that_is_away_is_asked_again_later(self) -> None:
        connection = connect()
        assert hint(connection) == 200
        assert intake.process() == 1
        assert result() == ("waiting", 1, True)
        connection.refresh_from_db()
        assert connection.last_error == "O sistema não responde."
        assert intake.process() == 0  # it is not due yet
        with shop(("503 Service Unavailable", {}, ""), ("200 OK", {"status": "paid"}, "")) as server:
            connection.keep({"secret": "chave", "url": server.url})
            connection.save()
            make_due()
            intake.process()
            assert result() == ("waiting", 2, True)
            make_due()
            intake.process()
        assert result() == ("applied", 2, False)
        connection.refresh_from_db()
        assert connection.last_error == ""

    def test_it_gives_up_in_the_end_and_asks_a_person(self) -> None:
        hint(connect())
        ShopNews.objects.update(attempts=len(intake.RETRIES))
        intake.process()
        assert result() == ("error", len(intake.RETRIES) + 1, False)

    @pytest.mark.parametrize(
        ("header", "soonest", "latest"),
        [("Retry-After: 120\r\n", 115, 121), ("x-rate-limit-reset: 1500\r\n", 1, 1.6), ("", 25, 31)],
    )
    def test_a_shop_that_wants_rest_gets_it(self, header: str, soonest: float, latest: float) -> None:
        with shop(("429 Too Many Requests", {}, header)) as server:
            connection = connect(server.url)
            hint(connection)
            hint(connection, "8")
            intake.process()
            assert len(server.requests) == 1
        for row in ShopNews.objects.annotate(wait=F("due_at") - Now()):
            assert (row.result, row.attempts) == ("waiting", 0)
            assert soonest - 1 <= row.wait.total_seconds() <= latest

    def test_what_the_shop_does_not_let_us_read_waits_until_it_does(self) -> None:
        with shop(("401 Unauthorized", {}, ""), ("200 OK", {"status": "paid"}, "")) as server:
            connection = connect(server.url)
            hint(connection)
            intake.process()
            connection.refresh_from_db()
            assert (result(), connection.last_error) == (("waiting", 1, True), "Check the keys.")
            make_due()
            intake.process()
        assert result() == ("applied", 1, False)

    def test_an_order_that_is_not_there_is_no_trouble(self) -> None:
        with shop(("404 Not Found", {}, "")) as server:
            hint(connect(server.url))
            intake.process()
        assert result() == ("not_an_order", 0, False)

    def test_no_redirect_is_followed_and_no_flood_is_read(self) -> None:
        with shop(("302 Found", {}, "Location: http://127.0.0.1:1/\r\n")) as server:
            assert call("GET", server.url)[0] == 302
        with shop(("200 OK", "x" * (8 * 1024 * 1024), "")) as server, pytest.raises(AwayError):
            call("GET", server.url)

    @pytest.mark.parametrize("url", ["ftp://loja.example.com", "loja.example.com", "http://loja.example.com"])
    def test_a_shop_is_called_by_https_alone(self, url: str, settings: Any) -> None:
        settings.SITE_URL = "https://pedidos.example.com"
        with pytest.raises(AwayError):
            call("GET", url)

    def test_no_date_of_a_header_makes_it_wait_for_ever(self) -> None:
        for value in ("Fri, 27 Nov 2099 10:00:00 GMT", "nan", "99999999999999999999", "morgen"):
            with (
                shop(("429 Wait", {}, f"Retry-After: {value}\r\n")) as server,
                pytest.raises(TooOftenError) as wait,
            ):
                call("GET", server.url)
            assert 0 < wait.value.seconds <= 3600


class TestOnceAndInOrder:
    def test_a_connection_is_worked_off_by_one_at_a_time(self) -> None:
        with shop(("200 OK", {"status": "paid"}, "")) as server:
            connection = connect(server.url)
            hint(connection)
            ShopConnection.objects.update(busy_until=Now() + timedelta(seconds=60))
            assert intake.process() == 0
            # Whoever had it died; its lease is over.
            ShopConnection.objects.update(busy_until=Now())
            assert intake.process() == 1
        connection.refresh_from_db()
        assert result() == ("applied", 0, False)
        # It is given back: the next one need not wait for a lease to end.
        hint(connection, "8")
        assert intake.process() == 1

    def test_one_that_is_slow_keeps_others_waiting_for_a_turn(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(worklist, "TURN", 0.1)
        with two_slow_shops() as (asked, slow, other):
            for number in ("1", "2", "3"):
                hint(slow, number)
            hint(other, "4")
            assert intake.process() == 4
        assert asked == ["slow/1", "other/4", "slow/2", "slow/3"]

    def test_the_next_turn_is_of_who_waits_longest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(worklist, "TIME_BUDGET", 0.1)
        with two_slow_shops() as (asked, slow, other):
            for connection, number in ((slow, "1"), (slow, "2"), (slow, "3"), (other, "4"), (other, "5")):
                hint(connection, number)
            assert [intake.process() for _ in range(5)] == [1] * 5
        assert asked == ["slow/1", "other/4", "slow/2", "other/5", "slow/3"]

    def test_what_waits_when_a_connection_is_switched_off_waits_on(self) -> None:
        polling.store(connect(), [news()])
        ShopConnection.objects.update(is_on=False)
        assert intake.process() == 0
        ShopConnection.objects.update(is_on=True)
        assert intake.process() == 1
        assert result() == ("applied", 0, False)

    def test_idle_it_costs_one_statement(self, django_assert_num_queries: Any) -> None:
        connect()
        with django_assert_num_queries(1):
            assert intake.process() == 0

    def test_what_failed_unforeseen_made_nothing_and_is_tried_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        connection = connect()
        polling.store(connection, [news()])

        def broken(*_args: Any, **_kwargs: Any) -> None:
            raise DataError("no")

        with monkeypatch.context() as patched:
            patched.setattr("integrations.shops.orders.bring_to", broken)
            assert intake.process() == 1
        assert (result(), Order.objects.count()) == (("waiting", 1, True), 0)
        make_due()
        intake.process()
        assert (result(), Order.objects.count()) == (("applied", 1, False), 1)

    def test_what_cannot_be_an_order_says_why(self) -> None:
        nothing = news(placed=Placed("Maria", (), "", "courier", "", (), Decimal(0), Decimal(0)))
        polling.store(connect(), [nothing])
        intake.process()
        assert result() == ("error", 0, False)
        assert ShopNews.objects.get().reason == "Um pedido precisa de pelo menos um item."

    def test_an_address_too_long_and_a_wrong_cpf_stand_in_the_notes(self) -> None:
        placed = Placed(
            customer_name="", phones=(), document="111", delivery_method="?", address="Rua " * 100,
            items=(Item("", Decimal(1), Decimal("1.005")),), freight=Decimal(0), discount=Decimal(0), notes="Azul",
        )  # fmt: skip
        polling.store(connect(), [news(placed=placed)])
        intake.process()
        made = Order.objects.get()
        assert made.notes.splitlines() == [
            "Azul",
            f"Endereço completo: {' '.join(['Rua'] * 100)}",
            "CPF ou CNPJ como está na loja, que não é válido: 111",
        ]
        assert (made.customer.name, made.delivery_method, len(made.delivery_address)) == (
            "Cliente da loja", "carrier", 299,
        )  # fmt: skip


class TestMeanings:
    @pytest.mark.parametrize(
        ("statuses", "way", "outcome"),
        [
            (("new",), ["create"], "applied"),
            (("paid", "left"), ["create", "confirm", "pay", "ship"], "applied"),
            (("done",), ["create", "confirm"], "staff"),
            (("back",), ["create"], "staff"),
        ],
    )
    def test_several_statuses_mean_one_state(self, statuses: tuple[str, ...], way: list[str], outcome: str) -> None:
        polling.store(connect(), [news("7", *statuses)])
        intake.process()
        assert result()[0] == outcome
        assert list(Order.objects.get().events.order_by("pk").values_list("transition", flat=True)) == way

    def test_the_connections_own_mapping_goes_before_the_usual_one(self) -> None:
        polling.store(connect(mapping={"paid": "silent"}), [news()])
        intake.process()
        assert list(Order.objects.get().events.values_list("transition", flat=True)) == ["create"]
        assert not NotificationLog.objects.exists()

    def test_what_the_order_cannot_take_is_refused_with_a_sentence(self) -> None:
        connection = connect()
        ShopConnection.objects.update(mapping={"there": "delivered", "gone": "cancelled"})
        polling.store(connection, [news("7", "there")])
        intake.process()
        polling.store(connection, [news("7", "gone", at=AT + timedelta(minutes=1))])
        intake.process()
        row = ShopNews.objects.latest("pk")
        assert row.result == "refused"
        assert row.reason != ""
        assert Order.objects.get().delivery_status == "delivered"


class TestPolling:
    def test_it_asks_for_what_changed_and_takes_in_what_is_new(self) -> None:
        told = {"id": "7", "status": "paid", "at": timezone.now().isoformat()}
        with shop(("200 OK", [told], "")) as server:
            connection = connect(server.url, created_at=Now())
            tasks.poll_shops()
            intake.process()
            assert result() == ("applied", 0, False)
            # Not again before it is its turn; then what is known already is no row.
            tasks.poll_shops()
            assert len(server.requests) == 1
            ShopConnection.objects.update(poll_due_at=Now())
            tasks.poll_shops()
            assert len(server.requests) == 2
            assert ShopNews.objects.count() == 1
        connection.refresh_from_db()
        assert connection.polled_at is not None
        since = (connection.created_at - polling.OVERLAP).isoformat().replace("+", "%2B").replace(":", "%3A")
        assert f"since={since}".encode() in server.requests[0]

    def test_what_changed_before_is_nobodys_news(self) -> None:
        """Some shops know no such parameter, and give all that they have."""
        old = {"id": "7", "status": "paid", "at": "2026-10-01T10:00:00+00:00"}
        with shop(("200 OK", [old], "")) as server:
            connection = connect(server.url, created_at=Now())
            tasks.poll_shops()
        connection.refresh_from_db()
        assert connection.polled_at is not None
        assert not ShopNews.objects.exists()

    def test_a_shop_that_is_away_is_told_of_and_asked_from_there(self) -> None:
        connection = connect()
        tasks.poll_shops()
        connection.refresh_from_db()
        assert (connection.last_error, connection.polled_at) == ("O sistema não responde.", None)

    def test_one_that_goes_on_and_on_is_cut_off_and_told_of(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One that knows no such parameter gives all that it ever sold, each page as slowly as it likes."""
        monkeypatch.setattr(polling, "TIME_BUDGET", 0.3)
        old = order(date_modified_gmt="2026-10-01T10:00:00")
        with slow_pages([old] * 100) as (asked, connection):
            tasks.poll_shops()
        connection.refresh_from_db()
        assert (connection.last_error, connection.polled_at) == ("O sistema responde devagar demais.", None)
        assert 1 <= len(asked) <= 2

    def test_what_there_was_no_time_for_is_asked_for_the_next_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(polling, "TIME_BUDGET", 0.3)
        now = timezone.now().replace(microsecond=0)
        told = [
            order(id=number, date_modified_gmt=(now + timedelta(seconds=number)).isoformat()) for number in range(100)
        ]
        with slow_pages(told) as (asked, connection):
            tasks.poll_shops()
        connection.refresh_from_db()
        assert connection.polled_at == now + timedelta(seconds=99) + polling.OVERLAP
        assert (connection.last_error, ShopNews.objects.filter(external_id="99").exists()) == ("", True)
        assert 1 <= len(asked) <= 2

    def test_who_has_waited_longest_is_asked_first(self) -> None:
        ago = {"Primeira": 1, "Segunda": 3, "Terceira": 2}
        for name, minutes in ago.items():
            elsewhere = Store.objects.create(name=name)
            connect(store=elsewhere, poll_due_at=timezone.now() - timedelta(minutes=minutes))
        assert [each.store.name for each in polling.due()] == ["Segunda", "Terceira", "Primeira"]

    def test_without_its_keys_or_switched_off_it_is_not_asked(self) -> None:
        make_connection("acme", credentials={"secret": "chave"})
        connect(is_on=False, store=Store.objects.create(name="Outra"))
        assert polling.due() == []

    def test_what_was_asked_for_is_written_down_whole(self) -> None:
        told = news("7", "paid", "left", tracking_code="AA1", cancel_reason="ç")
        assert polled.read(polled.write(told)) == told


class TestForgetting:
    def test_old_news_is_forgotten_but_when_it_moved_an_order(self) -> None:
        connection = connect()
        polling.store(connection, [news("7"), news("8", "unheard")])
        intake.process()
        polling.store(connection, [news("9")])
        ShopNews.objects.update(received_at=Now() - timedelta(days=31))
        assert retention.due().shop_news == 1
        ShopNews.objects.filter(external_id="8").update(seen_at=Now())
        assert retention.due().shop_news == 2
        assert retention.purge().shop_news == 2
        assert [(row.external_id, bytes(row.body) == b"") for row in ShopNews.objects.order_by("pk")] == [
            ("7", True), ("9", False),
        ]  # fmt: skip
        assert retention.due().shop_news == 0
        assert intake.again(ShopNews.objects.filter(external_id="7")) == 0

    def test_an_erasure_takes_what_was_sent_of_the_orders_and_of_the_number(self) -> None:
        connection = connect()
        polling.store(connection, [news("7"), news("8", "unheard"), news("9", "unheard", placed=other())])
        intake.process()
        of_order = Order.objects.get()
        assert of_order.customer.phone == PHONE
        told = disclosure.collect(of_order.customer)["O que o sistema da loja informou"]
        assert [(each["sistema"], "98765-4321" in each["como foi enviado"]) for each in told] == [
            ("Loja virtual", True)
        ]
        proof = erasure.erase(of_order.customer)
        assert proof.counts["shop_news"] == 2
        left = {row.external_id: bytes(row.body) for row in ShopNews.objects.all()}
        assert (left["7"], left["8"]) == (b"", b"")
        assert b"3333" in left["9"]

    def test_what_nobody_has_seen_to_waits_for_them_but_not_for_ever(self) -> None:
        polling.store(connect(), [news("8", "unheard")])
        intake.process()
        for days, kept in ((31, 1), (119, 1), (121, 0)):
            ShopNews.objects.update(received_at=Now() - timedelta(days=days))
            retention.purge()
            assert ShopNews.objects.count() == kept

    def test_what_waits_for_a_connection_that_is_off_is_not_kept_for_ever(self) -> None:
        connection = connect()
        polling.store(connection, [news("7")])
        for is_on, days, kept in ((False, 29, 1), (True, 31, 1), (False, 31, 0)):
            ShopConnection.objects.update(is_on=is_on)
            ShopNews.objects.update(received_at=Now() - timedelta(days=days))
            retention.purge()
            assert ShopNews.objects.count() == kept

    @pytest.mark.parametrize("is_known", [True, False])
    def test_what_is_read_is_not_written_back_after_an_erasure(
        self, is_known: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The worker has the body in its hands when the erasure takes it."""
        connection = connect()
        of = news("7" if is_known else "8")
        polling.store(connection, [of])
        intake.process()
        customer = Order.objects.get().customer
        row = ShopNews.objects.create(connection=connection, body=b'{"phone": "11 98765-4321"}')
        told = news("7", "off", cancel_reason="Maria, da Rua A, 1", at=AT + timedelta(minutes=1))

        def erased_meanwhile(_headers: Mapping[str, str], _body: bytes) -> OrderNews:
            erasure.erase(customer)
            return told

        monkeypatch.setitem(MEANINGS, "off", "cancelled")
        monkeypatch.setattr(SHOPS["acme"], "read", erased_meanwhile)
        assert intake.process() == 1
        row.refresh_from_db()
        assert (bytes(row.body), row.due_at, row.result, row.order) == (b"", None, "received", None)
        made = Order.objects.get()
        assert (made.status, made.customer.phone, Customer.objects.count()) == ("confirmed", "", 1)
        assert not made.events.exclude(note="").exists()
        assert intake.process() == 0

    def test_what_another_worker_was_through_with_is_not_done_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its lease was over, and it did not know."""
        row = ShopNews.objects.create(connection=connect(), body=b"{}")

        def done_meanwhile(_headers: Mapping[str, str], _body: bytes) -> OrderNews:
            ShopNews.objects.filter(pk=row.pk).update(due_at=None, result="applied")
            return news()

        monkeypatch.setattr(SHOPS["acme"], "read", done_meanwhile)
        assert intake.process() == 1
        assert (result(), Order.objects.count()) == (("applied", 0, False), 0)


def other() -> Placed:
    return Placed(
        customer_name="Ana", phones=("11 91234-3333",), document="", delivery_method="courier", address="",
        freight=Decimal(0), items=(Item("Camisa", Decimal(1), Decimal(1)),), discount=Decimal(0),
    )  # fmt: skip


def test_other_stores_orders_are_not_moved_by_the_same_number() -> None:
    mine, theirs = connect(), connect(store=Store.objects.create(name="Outra"))
    polling.store(mine, [news()])
    polling.store(theirs, [news("7", "new")])
    intake.process()
    assert [(each.store_id, each.payment_status) for each in Order.objects.order_by("pk")] == [
        (mine.store_id, "paid"), (theirs.store_id, "pending"),
    ]  # fmt: skip
