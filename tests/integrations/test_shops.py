"""A shop's orders come in by themselves: from the signed request to the order and its one message."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
import requests
from django.db import connection as default
from django.db import connections
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import override_settings

from flowlog.logs.masking import Masker
from integrations import tasks
from integrations.models import NotificationLog, ShopConnection, ShopNews
from integrations.shops import intake
from integrations.shops.placing import usable_phone
from integrations.shops.views import waker
from notifications import delivery
from notifications.sweep import sweep
from orders import services
from orders.models import Customer, Order, Store
from tests.broker import purge, take_all
from tests.embedded import BASE_DIR
from tests.factories import make_instance
from tests.integrations import shops
from tests.integrations.raw_server import answering, raw_server
from tests.integrations.shops import TRACKING, make_connection, order, written
from tests.processes import wait_until, worker

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def connection() -> ShopConnection:
    make_instance()
    return make_connection()


@pytest.fixture
def address(connection: ShopConnection, live_server: Any) -> str:
    return f"{live_server.url}/webhooks/orders/woocommerce/{connection.token}/"


def tell(address: str, values: Any, topic: str = "order.updated") -> str:
    """Send it, have it worked off as the task does; what became of it."""
    assert shops.send(address, values, topic) == 200
    tasks.work_off_shop_news()
    news = ShopNews.objects.latest("pk")
    assert news.due_at is None
    return news.result


def way(number: str = "1011") -> list[str]:
    events = Order.objects.get(external_number=number).events.order_by("pk")
    return list(events.values_list("transition", flat=True))


def messages() -> list[str]:
    return list(NotificationLog.objects.order_by("pk").values_list("event", flat=True))


class TestWhatIsTold:
    def test_a_paid_order_is_made_and_told_once(self, address: str) -> None:
        assert tell(address, order(), "order.created") == "applied"
        made = Order.objects.get()
        assert (made.source, made.external_id, made.external_number) == ("woocommerce", "11", "1011")
        assert (str(made.total), made.delivery_method) == ("114.80", "correios_pac")
        assert (made.customer.name, made.customer.phone) == ("Maria São José", "+5511987654321")
        assert way() == ["create", "confirm", "pay"]
        assert messages() == ["pay"]
        assert NotificationLog.objects.get().snapshot["order"]["total"] == "114.80"

    def test_the_same_again_says_nothing_new(self, address: str) -> None:
        tell(address, order(), "order.created")
        assert tell(address, order(), "order.created") == "nothing_new"
        assert tell(address, order(), "order.updated") == "nothing_new"
        assert (Order.objects.count(), messages(), way()) == (1, ["pay"], ["create", "confirm", "pay"])

    def test_what_comes_late_changes_nothing(self, address: str) -> None:
        tell(address, order("on-hold", "2026-11-27T10:58:42"))
        assert tell(address, order("cancelled", "2026-11-27T11:05:00")) == "applied"
        before = way()
        assert tell(address, order("processing", "2026-11-27T11:00:00")) == "late"
        assert (way(), Order.objects.get().status) == (before, "cancelled")
        assert messages() == ["create", "cancel"]

    def test_done_before_paid_is_late_as_well(self, address: str) -> None:
        tell(address, order("completed", "2026-11-27T11:05:00", meta_data=[TRACKING]))
        assert tell(address, order("processing", "2026-11-27T11:00:00")) == "late"
        assert messages() == ["ship"]

    def test_an_order_first_heard_of_when_posted_is_told_that_alone(self, address: str) -> None:
        assert tell(address, order("completed", meta_data=[TRACKING])) == "applied"
        made = Order.objects.get()
        assert (made.delivery_status, made.tracking_code) == ("shipped", "AA123456785BR")
        assert way()[0] == "create"
        assert way()[-1] == "ship"
        assert messages() == ["ship"]

    def test_two_orders_of_one_second_with_one_delivery_id_are_both_made(self, address: str) -> None:
        tell(address, order())
        tell(address, order(id=12, number="1012"))
        assert set(Order.objects.values_list("external_id", flat=True)) == {"11", "12"}

    def test_one_never_paid_and_never_told_of_goes_quietly(self, address: str) -> None:
        tell(address, order("pending"))
        assert messages() == []
        assert tell(address, order("cancelled", "2026-11-27T12:00:00")) == "applied"
        assert (Order.objects.get().status, messages()) == ("cancelled", [])

    def test_one_that_came_in_quietly_is_told_of_once_it_is_placed(self, address: str) -> None:
        tell(address, order("pending"), "order.created")
        assert messages() == []
        assert tell(address, order("on-hold", "2026-11-27T11:00:00")) == "applied"
        assert (way(), messages()) == (["create"], ["create"])
        assert NotificationLog.objects.get().snapshot["order"]["total"] == "114.80"
        assert tell(address, order("on-hold", "2026-11-27T11:01:00")) == "nothing_new"
        tell(address, order("pending", "2026-11-27T11:02:00"))
        assert tell(address, order("on-hold", "2026-11-27T11:03:00")) == "nothing_new"
        tell(address, order("processing", "2026-11-27T11:04:00"))
        assert messages() == ["create", "pay"]

    def test_one_that_has_gone_on_is_not_told_of_as_placed(self, address: str) -> None:
        tell(address, order("pending"), "order.created")
        services.apply_transition(Order.objects.get(), "confirm", notify=False)
        assert tell(address, order("on-hold", "2026-11-27T11:00:00")) == "nothing_new"
        assert messages() == []

    def test_one_from_before_the_connection_is_not_told_of_as_placed(self, address: str) -> None:
        long_ago = {"date_created_gmt": "2026-10-01T10:00:00"}
        tell(address, order("pending", **long_ago), "order.created")
        assert tell(address, order("on-hold", "2026-11-27T11:00:00", **long_ago)) == "nothing_new"
        assert messages() == []


class TestWhatIsNoOrder:
    def test_it_is_answered_200_and_tells_nobody(self, address: str) -> None:
        error = {"code": "woocommerce_rest_shop_order_invalid_id", "message": "Invalid ID.", "data": {"status": 404}}
        assert tell(address, {"id": 11}, "order.deleted") == "not_an_order"
        assert tell(address, error, "order.restored") == "not_an_order"
        assert tell(address, order("checkout-draft"), "order.created") == "not_an_order"
        assert (Order.objects.count(), messages()) == (0, [])

    def test_that_the_webhook_lost_its_user_is_said_on_its_page(self, address: str, connection: ShopConnection) -> None:
        error = {"code": "woocommerce_rest_cannot_view", "message": "Sorry.", "data": {"status": 401}}
        assert tell(address, error) == "staff"
        connection.refresh_from_db()
        assert connection.last_error != ""
        assert (Order.objects.count(), messages()) == (0, [])

    def test_an_unknown_status_waits_for_its_meaning(self, address: str, connection: ShopConnection) -> None:
        assert tell(address, order("enviado-parcial")) == "unknown_status"
        assert ShopNews.objects.get().reason == "Diga o que significa: enviado-parcial."
        assert (Order.objects.count(), messages()) == (0, [])
        connection.mapping = {"enviado-parcial": "paid"}
        connection.save()
        assert intake.again(ShopNews.objects.all()) == 1
        assert intake.process() == 1
        assert (ShopNews.objects.get().result, messages()) == ("applied", ["pay"])

    def test_what_is_broken_is_kept(self, address: str) -> None:
        for body in (b"", b"[", b"[]", b"null", b'{"id": {}}', b"\xff\x00", b'{"id":"\\ud800","status":"processing"}'):
            assert shops.send(address, body) == 200
        tasks.work_off_shop_news()
        assert set(ShopNews.objects.values_list("result", flat=True)) <= {"not_an_order", "staff"}
        assert (ShopNews.objects.count(), Order.objects.count()) == (7, 0)


class TestWhoIsBelieved:
    def test_what_is_not_signed_as_it_should_be_is_refused_and_counted(
        self, address: str, connection: ShopConnection
    ) -> None:
        body = written(order())
        right = shops.sign(body)
        hexed = base64.b64decode(right).hex()
        tries: list[tuple[bytes, str]] = [
            (body.replace(b"1011", b"1012"), right), (body, ""), (body, hexed), (body, shops.sign(body, "")),
            (body, shops.sign(body, "outro")),
        ]  # fmt: skip
        for sent, signature in tries:
            assert shops.send(address, sent, **{"X-WC-Webhook-Signature": signature}) == 403
        without = shops.headers(body)
        del without["X-WC-Webhook-Signature"]
        assert requests.post(address, body, headers=without, timeout=10).status_code == 403
        assert not ShopNews.objects.exists()
        connection.refresh_from_db()
        assert (connection.refused, connection.last_news_at) == (6, None)

    def test_an_empty_secret_never_verifies(self, live_server: Any) -> None:
        connection = make_connection(credentials={})
        body = written(order())
        address = f"{live_server.url}/webhooks/orders/woocommerce/{connection.token}/"
        assert shops.send(address, body, **{"X-WC-Webhook-Signature": shops.sign(body, "")}) == 403
        assert not ShopNews.objects.exists()

    def test_the_secret_of_one_store_opens_no_other(self, address: str, live_server: Any) -> None:
        another = Store.objects.create(name="Outra")
        other = make_connection(store=another, credentials=dict.fromkeys(shops.required(), "outro segredo"))
        body = written(order())
        assert shops.send(f"{live_server.url}/webhooks/orders/woocommerce/{other.token}/", body) == 403
        assert shops.send(f"{live_server.url}/webhooks/orders/yampi/{other.token}/", body) == 404
        assert shops.send(f"{live_server.url}/webhooks/orders/woocommerce/{other.token}x/", body) == 404
        assert shops.send(f"{live_server.url}/webhooks/orders/nada/{other.token}/", body) == 404

    def test_probes_are_answered_and_leave_nothing(self, address: str) -> None:
        for url in (address, address.rstrip("/")):
            assert requests.get(url, timeout=10, allow_redirects=False).status_code == 200
            assert requests.head(url, timeout=10, allow_redirects=False).status_code == 200
            ping = requests.post(url, {"webhook_id": "7"}, timeout=10, allow_redirects=False)
            assert ping.status_code == 200
        assert not ShopNews.objects.exists()
        assert requests.put(address, timeout=10).status_code == 405

    def test_an_address_without_slash_is_as_good(self, address: str) -> None:
        assert tell(address.rstrip("/"), order()) == "applied"

    def test_plain_http_is_not_redirected_by_us(self, connection: ShopConnection) -> None:
        path = f"/webhooks/orders/woocommerce/{connection.token}"
        with override_settings(SECURE_SSL_REDIRECT=True):
            assert Client().post(path, b"{}", content_type="application/json").status_code == 403
            assert Client().get("/admin/").status_code == 301

    def test_a_mebibyte_is_taken_and_no_more(self, address: str, connection: ShopConnection) -> None:
        body = written(order(customer_note="x"))
        padded = written(order(customer_note="x" * (1024 * 1024 - len(body) + 1)))
        assert len(padded) == 1024 * 1024
        assert tell(address, padded) == "applied"
        assert shops.send(address, padded + b" ") == 413
        connection.refresh_from_db()
        assert (connection.refused, connection.refused_why) == (1, "too_large")

    def test_switched_off_it_is_kept_and_nothing_made_of_it(self, address: str, connection: ShopConnection) -> None:
        ShopConnection.objects.update(is_on=False)
        assert shops.send(address, order()) == 200
        tasks.work_off_shop_news()
        assert (ShopNews.objects.get().result, Order.objects.count()) == ("off", 0)
        ShopConnection.objects.update(is_on=True)
        assert intake.again(ShopNews.objects.all()) == 1
        tasks.work_off_shop_news()
        assert (ShopNews.objects.get().result, Order.objects.count()) == ("applied", 1)


class TestPhones:
    @pytest.mark.parametrize(
        ("phone", "kept", "noted"),
        [
            ("não tem", "", "não tem"),
            ("(11) 8765-4321", "+551187654321", ""),
            ("+351 912 345 678", "+351912345678", ""),
            ("", "", ""),
        ],
    )
    def test_the_order_is_made_whatever_the_phone(self, address: str, phone: str, kept: str, noted: str) -> None:
        values = order()
        values["billing"]["phone"] = phone
        assert tell(address, values) == "applied"
        made = Order.objects.get()
        assert made.customer.phone == kept
        assert noted in made.notes
        message = NotificationLog.objects.get()
        assert message.recipient == kept
        if not kept:
            delivery.deliver(message.pk)
            message.refresh_from_db()
            assert (message.status, message.error_code) == ("skipped", "no_phone")

    def test_the_mobile_goes_before_the_landline(self, address: str) -> None:
        mobile = {"id": 3, "key": "_billing_cellphone", "value": "(11) 98765-4321"}
        values = order(meta_data=[mobile])
        values["billing"]["phone"] = "(11) 3456-7890"
        tell(address, values)
        assert Customer.objects.get().phone == "+5511987654321"

    @pytest.mark.parametrize(
        ("typed", "phone"),
        [
            ("+31 98765-4321", ""),  # Belo Horizonte, or the Netherlands
            ("351 912 345 678", ""),
            ("0800 123 4567", ""),
            ("11 99999-9999", ""),
            ("+55 11 98765-4321", "+5511987654321"),
        ],
    )
    def test_a_number_that_may_be_anothers_is_not_written_to(self, typed: str, phone: str) -> None:
        assert usable_phone(typed) == phone


class TestNothingIsLost:
    def test_a_worker_takes_it_in_within_seconds(self, address: str) -> None:
        purge("default")
        with worker("default"):
            assert shops.send(address, order()) == 200
            wait_until(lambda: Order.objects.filter(payment_status="paid").exists(), "the order")
        assert messages() == ["pay"]

    def test_the_sweep_finds_what_a_lost_wake_up_left(self, address: str) -> None:
        assert [shops.send(address, order(id=each, number=str(each))) for each in range(1, 4)] == [200] * 3
        purge("default")
        assert ShopNews.objects.filter(due_at__isnull=False).count() == 3
        sweep()
        [message] = take_all("default")
        assert message.headers["task"] == "integrations.tasks.work_off_shop_news"
        tasks.work_off_shop_news()
        assert (Order.objects.count(), messages()) == (3, ["pay"] * 3)

    def test_what_cannot_be_stored_is_answered_503_and_taken_the_next_time(self, connection: ShopConnection) -> None:
        body, path = written(order()), f"/webhooks/orders/woocommerce/{connection.token}"

        def post() -> int:
            return Client().post(path, body, content_type="application/json", headers=shops.headers(body)).status_code

        other = connections.create_connection("default")
        try:
            with other.cursor() as holder, default.cursor() as cursor:
                cursor.execute("SET lock_timeout = '50ms'")
                holder.execute("BEGIN")
                holder.execute("LOCK TABLE integrations_shopnews IN ACCESS EXCLUSIVE MODE")
                assert post() == 503
                holder.execute("ROLLBACK")
                cursor.execute("RESET lock_timeout")
        finally:
            other.close()
        assert post() == 200
        assert ShopNews.objects.count() == 1

    def test_a_worker_that_is_killed_in_the_middle_loses_and_doubles_nothing(self, address: str) -> None:
        for number in range(40):
            assert shops.send(address, order(id=number + 1, number=str(number + 1))) == 200
        purge("default")
        with worker("default") as process:
            waker.pause.end()
            waker.wake()
            wait_until(Order.objects.exists, "the first order")
            process.kill()
        # Whoever had the connection is dead, and its lease over.
        ShopConnection.objects.update(busy_until=Now())
        tasks.work_off_shop_news()
        assert set(ShopNews.objects.values_list("result", "due_at")) == {("applied", None)}
        assert (Order.objects.count(), Order.objects.filter(payment_status="paid").count()) == (40, 40)
        assert messages() == ["pay"] * 40

    def test_what_the_webhook_did_not_tell_is_asked_for(self, address: str, connection: ShopConnection) -> None:
        asked: list[bytes] = []
        with raw_server(answering(asked, written([order(), order(id=12, number="1012")]), "200 OK")) as shop:
            connection.keep(
                {"secret": shops.SECRET, "address": shop.url, "consumer_key": "ck_1", "consumer_secret": "cs_1"}
            )
            connection.save()
            assert tell(address, order()) == "applied"
            tasks.poll_shops()
        assert asked[0].startswith(b"GET /wp-json/wc/v3/orders?modified_after=")
        assert b"Authorization: Basic Y2tfMTpjc18x" in asked[0]
        # The one that was told before is no row a second time.
        assert ShopNews.objects.filter(due_at__isnull=False).count() == 1
        tasks.work_off_shop_news()
        assert (way("1012"), messages()) == (["create", "confirm", "pay"], ["pay", "pay"])
        assert tell(address, order(id=12, number="1012")) == "nothing_new"


def test_the_address_is_in_no_log(connection: ShopConnection) -> None:
    path = f"/webhooks/orders/woocommerce/{connection.token}"
    assert Masker()(f"Forbidden: {path}/") == "Forbidden: /webhooks/orders/woocommerce/***/"
    assert Masker()(f"POST {path}?x=1") == "POST /webhooks/orders/woocommerce/***?x=1"


def test_nginx_keeps_it_out_of_its_log_and_redirects_no_webhook() -> None:
    plain, tls = (BASE_DIR / "deploy" / "nginx" / "flowlog.conf").read_text().split("\nserver {")[1:]

    def location(server: str, path: str) -> str:
        [found] = re.findall(rf"(?ms)^    location {re.escape(path)} {{\n(.*?)^    }}", server)
        return str(found)

    assert re.findall(r"(?m)^\s+(\w[^;]*);", location(plain, "/webhooks/")) == ["access_log off", "return 403"]
    of_shops = location(tls, "/webhooks/orders/")
    assert "access_log off;" in of_shops
    assert "client_max_body_size 8m;" in of_shops
    assert "proxy_pass http://flowlog;" in of_shops
