"""The shop and the carrier that the sandbox plays, connected as `manage.py dev` does: what comes of each button."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.db.models.functions import Now

from flowlog.devtools.console import Console
from flowlog.devtools.prepare import connect_outside
from integrations.carriers import intake as carriers
from integrations.carriers import polling as carriers_polling
from integrations.models import CarrierConnection, CarrierNews, NotificationLog, ShopConnection, ShopNews
from integrations.shops import intake, polling
from orders.models import Order
from tests.factories import make_instance
from tests.integrations.sandbox import SandboxProcess, sandbox
from tests.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

KEY = {"apikey": "test-key"}


@pytest.fixture(scope="module")
def playing() -> Iterator[SandboxProcess]:
    with sandbox("flowlog") as process:
        yield process


class Outside:
    """The sandbox's buttons, each once its webhooks have been answered and worked off."""

    def __init__(self, process: SandboxProcess) -> None:
        self.process = process
        self.order = ""
        self.tracking = ""
        self._before = 0

    def place(self, **values: str) -> None:
        told = self.process.act("place", **values)
        self.order, self.tracking = str(told["order"]), told["tracking"]
        self._work_off()

    def press(self, action: str, to: str) -> None:
        self.process.act(action, order=self.order, to=to)
        self._work_off()

    def fault(self, fault: str) -> None:
        self.process.options(news_fault=fault)

    def release(self) -> None:
        self.process.act("release")
        self._work_off()

    def news(self) -> dict[str, Any]:
        answer = requests.get(f"{self.process.base_url}/sandbox/news", headers=KEY, timeout=10)
        found: dict[str, Any] = answer.json()
        return found

    def statuses(self) -> list[int]:
        """How what was told of the present order was answered."""
        return [status for what, status in self.news()["answered"] if self.order in what]

    def page(self) -> str:
        return requests.get(f"{self.process.base_url}/phone/shop", timeout=10).text

    def _work_off(self) -> None:
        wait_until(lambda: self.news()["pending"] == 0, "the webhooks to be answered")
        intake.process()
        carriers.process()


def connect(process: SandboxProcess, settings: Any, site: str) -> Outside:
    settings.EVOLUTION_API_URL, settings.EVOLUTION_API_KEY = process.base_url, process.api_key
    make_instance()
    connect_outside(site, Console(io.StringIO()))
    process.options(news_fault="none", news_hold_seconds=600)
    return Outside(process)


@pytest.fixture
def outside(playing: SandboxProcess, settings: Any, live_server: Any) -> Iterator[Outside]:
    yield connect(playing, settings, live_server.url)
    playing.act("release")


@pytest.fixture
def new_shop(settings: Any, live_server: Any) -> Iterator[Outside]:
    """One without orders of other tests."""
    with sandbox("flowlog") as process:
        yield connect(process, settings, live_server.url)


def found(outside: Outside) -> Order:
    return Order.objects.get(external_id=outside.order)


def way(outside: Outside) -> list[str]:
    return list(found(outside).events.order_by("pk").values_list("transition", flat=True))


def messages() -> list[str]:
    return list(NotificationLog.objects.order_by("pk").values_list("event", flat=True))


def results() -> list[str]:
    return list(ShopNews.objects.order_by("pk").values_list("result", flat=True))


def carried() -> list[str]:
    return list(CarrierNews.objects.order_by("pk").values_list("result", flat=True))


def test_an_order_comes_in_and_its_parcel_is_carried(outside: Outside) -> None:
    outside.place(customer="Maria São José", phone="(11) 98765-4321")
    order = found(outside)
    assert (order.customer.name, order.customer.phone, str(order.total)) == (
        "Maria São José",
        "+5511987654321",
        "114.80",
    )
    assert (order.source, order.delivery_method, messages()) == ("woocommerce", "correios_pac", ["create"])
    outside.press("change", "paid")
    assert (found(outside).payment_status, messages()) == ("paid", ["create", "pay"])
    for to in ("posted", "out_for_delivery", "delivered"):
        outside.press("carry", to)
    order = found(outside)
    assert (order.status, order.delivery_status, order.tracking_code) == ("completed", "delivered", outside.tracking)
    assert way(outside) == ["create", "confirm", "pay", "ship", "out_for_delivery", "deliver"]
    assert messages() == ["create", "pay", "ship", "out_for_delivery", "deliver"]
    assert outside.statuses() == [200] * 5
    assert (results(), carried()) == (["applied"] * 2, ["applied"] * 3)


def test_what_the_shop_calls_sent_is_told_once_whoever_tells_it(outside: Outside) -> None:
    outside.place()
    outside.press("change", "paid")
    outside.press("change", "shipped")
    outside.press("carry", "posted")
    assert (found(outside).delivery_status, found(outside).tracking_code) == ("shipped", outside.tracking)
    assert (messages(), carried()) == (["create", "pay", "ship"], ["repeated"])


def test_a_parcel_that_goes_back_is_a_persons(outside: Outside) -> None:
    outside.place()
    outside.press("carry", "posted")
    outside.press("carry", "back")
    assert (carried(), messages()) == (["applied", "staff"], ["create", "ship"])


def test_a_cancelled_order_is_cancelled(outside: Outside) -> None:
    outside.place()
    outside.press("change", "cancelled")
    assert (found(outside).status, messages()) == ("cancelled", ["create", "cancel"])


def test_twice_is_once(outside: Outside) -> None:
    outside.place()
    outside.fault("duplicate")
    outside.press("change", "paid")
    outside.press("carry", "posted")
    assert outside.statuses() == [200] * 5
    assert (results(), carried()) == (["applied", "applied", "nothing_new"], ["applied", "repeated"])
    assert messages() == ["create", "pay", "ship"]


def test_a_wrong_signature_is_refused_and_counted(outside: Outside) -> None:
    outside.place()
    outside.fault("wrong_signature")
    outside.press("change", "paid")
    outside.press("carry", "posted")
    assert outside.statuses() == [200, 403, 403]
    assert (ShopConnection.objects.get().refused, CarrierConnection.objects.get().refused) == (1, 1)
    assert (results(), carried(), messages()) == (["applied"], [], ["create"])
    assert found(outside).payment_status == "pending"


def test_seven_failures_switch_the_shops_webhook_off(outside: Outside) -> None:
    outside.place()
    outside.fault("wrong_signature")
    for _time in range(6):
        outside.press("change", "paid")
    outside.fault("none")
    assert "Ligar de novo" not in outside.page()
    outside.fault("wrong_signature")
    outside.press("change", "paid")
    outside.fault("none")
    outside.press("change", "paid")
    assert outside.statuses() == [200, *[403] * 7]
    assert "Ligar de novo" in outside.page()
    outside.process.act("enable")
    outside.press("change", "paid")
    assert (found(outside).payment_status, ShopConnection.objects.get().refused) == ("paid", 7)


def test_what_comes_late_changes_nothing(outside: Outside) -> None:
    outside.place()
    outside.fault("late")
    outside.press("change", "paid")
    assert (outside.news()["held"], results()) == (1, ["applied"])
    outside.fault("none")
    outside.press("change", "shipped")
    outside.release()
    assert (results(), messages()) == (["applied", "applied", "late"], ["create", "ship"])
    assert found(outside).delivery_status == "shipped"


def test_the_newest_first_ends_at_the_newest(outside: Outside) -> None:
    outside.fault("reordered")
    outside.place()
    outside.press("change", "paid")
    outside.press("change", "shipped")
    assert (outside.news()["held"], Order.objects.exists()) == (3, False)
    outside.release()
    assert (results(), messages()) == (["applied", "late", "late"], ["ship"])
    order = found(outside)
    assert (order.status, order.payment_status, order.delivery_status) == ("confirmed", "paid", "shipped")


def test_several_changes_in_one_tell_the_last(outside: Outside) -> None:
    outside.fault("coalesced")
    outside.place()
    outside.press("change", "paid")
    outside.press("change", "shipped")
    assert outside.news()["held"] == 1
    outside.release()
    assert (results(), messages(), found(outside).delivery_status) == (["applied"], ["ship"], "shipped")


def test_what_is_held_leaves_by_itself(outside: Outside) -> None:
    outside.process.options(news_hold_seconds=0)
    outside.fault("late")
    outside.place()
    wait_until(lambda: outside.statuses() == [200], "the order to be told")
    intake.process()
    assert messages() == ["create"]


def test_what_was_not_told_is_there_for_who_asks(new_shop: Outside) -> None:
    outside = new_shop
    outside.place()
    outside.fault("coalesced")
    outside.press("change", "paid")
    outside.press("change", "shipped")
    shop = ShopConnection.objects.get()
    assert (polling.ask(shop), polling.can_poll(shop)) == (1, True)
    intake.process()
    assert (found(outside).delivery_status, messages()) == ("shipped", ["create", "ship"])
    assert polling.ask(shop) == 0
    # The carrier tells no fractions of seconds, and of what was before the connection nobody is told.
    CarrierConnection.objects.update(created_at=Now() - timedelta(minutes=1))
    outside.press("carry", "delivered")
    carrier = CarrierConnection.objects.get()
    assert carriers_polling.ask(carrier) == 2
    carriers.process()
    assert (found(outside).delivery_status, messages()) == ("delivered", ["create", "ship", "deliver"])
    assert carriers_polling.ask(carrier) == 0
    shop.keep(shop.reveal() | {"consumer_secret": "another"})
    shop.save()
    assert polling.ask(shop) is None


def test_the_page_has_a_button_for_each(new_shop: Outside) -> None:
    outside = new_shop
    assert "Ainda não há pedidos" in outside.page()
    assert 'href="/phone/shop"' in requests.get(f"{outside.process.base_url}/phone", timeout=10).text

    def post(path: str, **body: str) -> int:
        url = f"{outside.process.base_url}/phone/shop{path}"
        return requests.post(url, data=body, timeout=10, allow_redirects=False).status_code

    assert post("/place", customer="Ana <b>", phone="(11) 90000-1004") == 303
    wait_until(lambda: outside.news()["pending"] == 0, "the webhook to be answered")
    intake.process()
    order = Order.objects.get()
    assert (order.customer.name, order.customer.phone) == ("Ana <b>", "+5511900001004")
    page = outside.page()
    for words in (
        "Ana &lt;b&gt;",
        "aguarda o Pix",
        "/phone/5511900001004",
        f'/phone/shop/{order.external_id}/change/paid"',
    ):
        assert words in page
    for label in (
        "Pago",
        "Enviado",
        "Cancelado",
        "Etiqueta postada",
        "Saiu para entrega",
        "Entregue",
        "Volta ao remetente",
    ):
        assert f"<button>{label}</button>" in page
    assert post(f"/{order.external_id}/change/paid") == 303
    assert post("/fault/late") == 303
    assert outside.process.options()["news_fault"] == "late"
    for path in ("/fault/other", "/nothing", f"/{order.external_id}/delete/it"):
        assert post(path) == 404
    assert post("/1/change/paid") == post(f"/{order.external_id}/change/eaten") == 303
    elsewhere = {"Origin": "https://evil.example"}
    assert (
        requests.post(f"{outside.process.base_url}/phone/shop/place", headers=elsewhere, timeout=10).status_code == 403
    )


@pytest.mark.parametrize(
    ("action", "body", "why"),
    [
        ("change", {"order": "1", "to": "paid"}, "order must be"),
        ("change", {"order": "x", "to": "paid"}, "order must be"),
        ("carry", {"to": "posted"}, "order must be"),
        ("place", {"quantity": 0.5}, "quantity must be"),
        ("place", {"quantity": 100}, "quantity must be"),
    ],
)
def test_what_cannot_be_done_says_why(outside: Outside, action: str, body: dict[str, Any], why: str) -> None:
    with pytest.raises(RuntimeError, match=why):
        outside.process.act(action, **body)


def test_nobody_asks_without_the_key(outside: Outside) -> None:
    base = outside.process.base_url
    basic = ("ck_sandbox", "cs_sandbox")
    orders = f"{base}/wp-json/wc/v3/orders"
    assert requests.get(orders, timeout=10).status_code == 401
    assert requests.get(orders, auth=basic, timeout=10).status_code == 200
    assert requests.get(orders, {"page": "x"}, auth=basic, timeout=10).status_code == 400
    assert requests.get(f"{base}/wp-json/wc/v3/products", auth=basic, timeout=10).status_code == 404
    assert requests.get(f"{base}/api/v2/me/orders/search", timeout=10).status_code == 401
    assert (
        requests.get(f"{base}/api/v2/me", headers={"Authorization": "Bearer token-do-sandbox"}, timeout=10).status_code
        == 404
    )


def test_what_is_connected_already_stays_as_it_is(outside: Outside, live_server: Any) -> None:
    connection = ShopConnection.objects.get()
    connection.keep({"secret": "a minha", "address": "https://loja.example.com"})
    connection.save()
    connect_outside(live_server.url, Console(io.StringIO()))
    kept = ShopConnection.objects.get()
    assert (kept.pk, kept.token) == (connection.pk, connection.token)
    assert kept.reveal() == {"secret": "a minha", "address": "https://loja.example.com"}
    outside.place()
    assert outside.statuses() == [200]
    assert messages() == ["create"]
