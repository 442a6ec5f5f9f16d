"""Nuvemshop: installed with a button, its orders fetched however it goes, and what it passes on about personal data."""

from __future__ import annotations

from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.contrib.admin.models import LogEntry
from django.db.models.functions import Now
from django.test import Client

from flowlog.staffpages.groups import MANAGEMENT_GROUP, SERVICE_GROUP
from integrations import tasks
from integrations.models import NotificationLog, ShopConnection, ShopNews
from integrations.shops import wishes
from integrations.shops.sources.nuvemshop import EVENTS
from notifications import claims
from orders.models import Erasure, Order, Store
from orders.services import create_order
from tests.factories import PHONE, make_instance, make_order
from tests.integrations import nuvemshop as there
from tests.integrations import shops
from tests.integrations.nuvemshop import CODE, SHOP, TOKEN, Nuvemshop, app, make_connection, order
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/admin/integrations/shopconnection/"


@pytest.fixture(autouse=True)
def without_an_instance(settings: Any) -> None:
    """`bootstrap`, which makes the groups, makes none."""
    settings.EVOLUTION_INSTANCE = ""


@pytest.fixture
def shop() -> Iterator[Nuvemshop]:
    with there.nuvemshop() as server:
        yield server


@pytest.fixture
def client() -> Client:
    return client_of(make_staff(group=MANAGEMENT_GROUP))


def said(answer: Any) -> str:
    return unescape(answer.content.decode())


def way() -> list[str]:
    return list(Order.objects.get().events.order_by("pk").values_list("transition", flat=True))


def messages() -> list[str]:
    return list(NotificationLog.objects.order_by("pk").values_list("event", flat=True))


def rows() -> list[tuple[str, str]]:
    return list(ShopNews.objects.order_by("pk").values_list("result", "reason"))


def work_off() -> None:
    tasks.work_off_shop_news()


# -- Orders --------------------------------------------------------------------------------------


def hinted(connection: ShopConnection, site: str) -> str:
    return f"{site}/webhooks/orders/nuvemshop/{connection.token}/"


def test_what_cannot_be_fetched_now_is_fetched_later(shop: Nuvemshop, live_server: Any) -> None:
    make_instance()
    connection = make_connection(shop.url)
    shop.answers = [("503 Service Unavailable", ""), ("429 Too Many Requests", "x-rate-limit-reset: 1500\r\n")]
    address = hinted(connection, live_server.url)
    assert there.send(address, {"store_id": 123, "event": "order/paid", "id": 456}) == 200
    assert (shop.calls, rows()) == ([], [("received", "")])
    shop.orders["456"] = order("456")
    for result, calls in (("waiting", 1), ("waiting", 2)):
        work_off()
        news = ShopNews.objects.annotate(now=Now()).get()
        assert (news.result, len(shop.calls), Order.objects.exists()) == (result, calls, False)
        work_off()
        assert len(shop.calls) == calls
        assert news.due_at is not None
        waits = (news.due_at - news.now).total_seconds()
        assert (4 < waits <= 5) if calls == 1 else (1 < waits <= 1.5)
        ShopNews.objects.update(due_at=Now())
        ShopConnection.objects.update(calls_from=None)
    work_off()
    assert (rows(), way(), messages()) == ([("applied", "")], ["create", "confirm", "pay"], ["pay"])
    assert shop.calls == [("GET", "/v1/123/orders/456")] * 3


def test_news_in_any_order_makes_one_order_and_tells_once(shop: Nuvemshop, live_server: Any) -> None:
    make_instance()
    connection = make_connection(shop.url)
    shop.orders["456"] = order("456")
    for event in ("order/paid", "order/created", "order/paid"):
        assert there.send(hinted(connection, live_server.url), {"store_id": 123, "event": event, "id": 456}) == 200
    work_off()
    assert [result for result, _reason in rows()] == ["applied", "nothing_new", "nothing_new"]
    assert (way(), messages(), str(Order.objects.get().total)) == (["create", "confirm", "pay"], ["pay"], "114.80")


# -- Installing ----------------------------------------------------------------------------------


def begin(client: Client, connection: ShopConnection) -> str:
    """The state with which the owner is sent to Nuvemshop."""
    answer = client.get(f"{PAGE}{connection.pk}/install/")
    assert answer.status_code == 302
    return parse_qs(urlsplit(answer.headers["Location"]).query)["state"][0]


def come_back(client: Client, state: str, code: str = CODE) -> str:
    answer = client.get(f"{PAGE}installed/", {"code": code, "state": state}, follow=True)
    assert answer.status_code == 200
    return said(answer)


def entered(url: str, **changed: str) -> ShopConnection:
    return make_connection(credentials=app(url, **changed) | {"store_id": "", "token": ""})


def test_a_press_installs_it_and_registers_its_webhooks(client: Client, shop: Nuvemshop, settings: Any) -> None:
    values = {"store": Store.get_default().pk, "source": "nuvemshop", "name": "Minha loja"}
    client.post(f"{PAGE}add/", values)
    connection = ShopConnection.objects.get()
    change = f"{PAGE}{connection.pk}/change/"
    assert "Instalar na Nuvemshop</a>" not in said(client.get(change)).replace("\n", "")
    page = said(client.post(f"{PAGE}{connection.pk}/credentials/", app(shop.url), follow=True))
    assert f'href="{PAGE}{connection.pk}/install/"' in page
    assert "Faltam credenciais" in page
    for address in ("", "lgpd/store-redact/", "lgpd/customers-redact/", "lgpd/customers-data-request/"):
        assert f'<code class="flowlog-file">{connection.address}{address}</code>' in page
    assert f'<code class="flowlog-file">{settings.SITE_URL}{PAGE}installed/</code>' in page
    answer = client.get(f"{PAGE}{connection.pk}/install/")
    state = parse_qs(urlsplit(answer.headers["Location"]).query)["state"][0]
    assert answer.headers["Location"] == f"{shop.url}/apps/77/authorize?state={state}"
    page = come_back(client, state)
    assert "Está instalado: a partir de agora os pedidos entram sozinhos." in page
    assert "Faltam credenciais" not in page
    grant = {"client_id": "77", "client_secret": there.SECRET, "grant_type": "authorization_code", "code": CODE}
    assert shop.exchanges == [grant]
    connection.refresh_from_db()
    assert connection.reveal() == app(shop.url) | {"store_id": SHOP, "token": TOKEN}
    assert shop.webhooks == [{"event": event, "url": connection.address} for event in EVENTS]
    assert TOKEN not in page
    assert LogEntry.objects.filter(change_message__contains="Instalado na loja.").count() == 1
    # The same once more registers nothing twice.
    come_back(client, begin(client, connection))
    assert len(shop.webhooks) == len(EVENTS)


def test_only_who_began_it_can_end_it_and_only_once(client: Client, shop: Nuvemshop) -> None:
    connection = entered(shop.url)
    words = "Esta instalação não começou aqui, ou começou há tempo demais"
    assert words in come_back(client, "")
    state = begin(client, connection)
    other = client_of(make_staff("bia", group=MANAGEMENT_GROUP))
    assert words in come_back(other, state)
    assert words in come_back(client, f"{state}x")
    assert words in come_back(client, state)
    state = begin(client, connection)
    session = client.session
    session["shop_install"] = session["shop_install"] | {"at": session["shop_install"]["at"] - 1801}
    session.save()
    assert words in come_back(client, state)
    assert (shop.calls, ShopConnection.objects.get().reveal().get("token")) == ([], None)


@pytest.mark.parametrize(
    ("code", "changed", "words"),
    [
        ("", {}, "A instalação não foi autorizada lá: nada mudou."),
        ("wrong", {}, "A Nuvemshop não dá o token (400)"),
        (CODE, {"secret": "outro"}, "A Nuvemshop não dá o token (400)"),
        (CODE, {"site": "http://127.0.0.1:9"}, "O sistema não responde."),
    ],
)
def test_what_goes_wrong_is_said(client: Client, shop: Nuvemshop, code: str, changed: Any, words: str) -> None:
    connection = entered(shop.url, **changed)
    assert words in come_back(client, begin(client, connection), code)
    assert "token" not in ShopConnection.objects.get().reveal()


def test_an_app_without_a_number_cannot_be_installed(client: Client) -> None:
    connection = make_connection(credentials={"app_id": ""})
    answer = client.get(f"{PAGE}{connection.pk}/install/", follow=True)
    assert "Informe antes o número do aplicativo e o segredo dele." in said(answer)
    assert client.get(f"{PAGE}{make_yampi().pk}/install/").status_code == 404


def make_yampi() -> ShopConnection:
    return shops.make_connection("yampi")


def test_webhooks_that_are_refused_are_said(client: Client, shop: Nuvemshop) -> None:
    connection = entered(shop.url)
    shop.refused = {"fulfillment_order/status_updated"}
    assert "Está instalado: a partir de agora" in come_back(client, begin(client, connection))
    shop.refused, shop.webhooks = {"order/updated"}, []
    page = come_back(client, begin(client, connection))
    assert "Está instalado, mas nada vai chegar: A Nuvemshop não aceita o webhook de order/updated (422)" in page


def test_who_may_not_change_it_installs_nothing(shop: Nuvemshop) -> None:
    connection = entered(shop.url)
    service = client_of(make_staff("ana", group=SERVICE_GROUP))
    assert service.get(f"{PAGE}{connection.pk}/install/").status_code == 403
    theirs = entered_elsewhere(shop.url)
    manager = make_staff("bia", group=MANAGEMENT_GROUP)
    assert client_of(manager).get(f"{PAGE}{theirs.pk}/install/").status_code == 404
    assert Client().get(f"{PAGE}installed/").status_code == 302
    assert shop.calls == []


def entered_elsewhere(url: str) -> ShopConnection:
    return make_connection(url, Store.objects.create(name="Outra"))


def test_an_installed_apps_secrets_go_to_no_other_server(client: Client, shop: Nuvemshop) -> None:
    connection = make_connection(shop.url)
    address = f"{PAGE}{connection.pk}/credentials/"
    assert TOKEN not in said(client.get(address))
    values = app(shop.url, secret="", site="https://evil.example") | {"store_id": SHOP}
    answer = client.post(address, values)
    assert set(answer.context["form"].errors) == {"secret"}
    answer = client.post(address, values | {"secret": there.SECRET})
    assert answer.status_code == 302
    connection.refresh_from_db()
    assert "token" not in connection.reveal()


# -- Personal data -------------------------------------------------------------------------------


def placed(number: str, phone: str = PHONE, store: Store | None = None, notify: bool = False) -> Order:
    return create_order(
        store=store or Store.get_default(), customer_name="Maria São José", customer_phone=phone,
        items=[{"description": "Camiseta", "quantity": 1, "unit_price": "49.90"}], delivery_method="courier",
        delivery_address="Rua das Flores, 12", source="nuvemshop", external_id=number, notify=notify,
    )  # fmt: skip


def wish(topic: str, connection: ShopConnection, site: str, secret: str = there.SECRET, **values: Any) -> int:
    address = f"{site}/webhooks/orders/nuvemshop/{connection.token}/lgpd/{topic}"
    return there.send(address, {"store_id": 123} | values, secret)


MARIA = {"id": 1, "email": "maria@example.com", "phone": "+5511987654321", "identification": "52998224725"}


def test_a_customer_is_erased_at_that_store_alone(live_server: Any, caplog: Any) -> None:
    make_instance()
    connection, other = make_connection(), Store.objects.create(name="Outra")
    mine = [placed("456"), placed("457")]
    theirs, bystander = placed("456", store=other), placed("458", "+5511912345678")
    caplog.set_level("DEBUG")
    redact: dict[str, Any] = {"customer": MARIA, "orders_to_redact": [456, 457]}
    assert wish("customers-redact", connection, live_server.url, **redact) == 200
    assert (rows(), Erasure.objects.exists()) == ([("received", "")], False)
    work_off()
    words = "Como o sistema da loja repassou (LGPD), os dados de 1 cliente foram apagados."
    assert rows() == [("applied", words)]
    for each in mine:
        each.refresh_from_db()
        assert (each.delivery_address, each.customer.phone, each.customer.name) == ("", "", "Cliente apagado")
    assert bytes(ShopNews.objects.get().body) == b""
    for each in (theirs, bystander):
        each.customer.refresh_from_db()
        assert (each.customer.name, each.customer.erased_at) == ("Maria São José", None)
    assert Erasure.objects.get().store == connection.store
    assert "987654321" not in caplog.text
    assert "maria@example.com" not in caplog.text
    # Nuvemshop repeats itself.
    assert wish("customers-redact", connection, live_server.url, **redact) == 200
    work_off()
    assert rows()[1][0] == "nothing_new"
    assert Erasure.objects.count() == 1


def test_wishes_of_one_person_at_the_same_time_are_all_carried_out(live_server: Any) -> None:
    """What one of them erases does not take along what the others say, though it has the same number in it."""
    make_instance()
    connection, orders = make_connection(), [placed("456"), placed("457", "+5511912345678")]
    for number in (456, 456, 457):
        wish("customers-redact", connection, live_server.url, customer=MARIA, orders_to_redact=[number])
    work_off()
    assert [result for result, _reason in rows()] == ["applied", "nothing_new", "applied"]
    for each in orders:
        each.customer.refresh_from_db()
        assert each.customer.phone == ""
    assert [bytes(body) for body in ShopNews.objects.values_list("body", flat=True)] == [b""] * 3


def test_without_orders_the_phone_tells_who_it_is(live_server: Any) -> None:
    make_instance()
    connection = make_connection()
    bought, typed = placed("456"), make_order(customer_phone="+5511912345678")
    for phone in ("+5511912345678", "não tem", "(11) 98765-4321"):
        wish("customers-redact", connection, live_server.url, customer={"phone": phone}, orders_to_redact=[])
    work_off()
    assert [result for result, _reason in rows()] == ["nothing_new", "nothing_new", "applied"]
    bought.customer.refresh_from_db()
    typed.customer.refresh_from_db()
    assert (bought.customer.erased_at is None, typed.customer.erased_at) == (False, None)


def test_a_message_that_is_leaving_makes_it_wait(live_server: Any) -> None:
    make_instance()
    connection, earlier, order = make_connection(), placed("455", "+5511912345678"), placed("456", notify=True)
    message = NotificationLog.objects.get()
    assert claims.claim(message.pk) is not None
    wish("customers-redact", connection, live_server.url, customer=MARIA, orders_to_redact=[455, 456])
    work_off()
    work_off()
    ((result, reason),) = rows()
    assert (result, "está sendo enviada" in reason, ShopNews.objects.get().attempts) == ("waiting", True, 1)
    earlier.customer.refresh_from_db()
    assert earlier.customer.erased_at is None
    NotificationLog.objects.update(status="cancelled", claim_token=None, lease_until=None)
    ShopNews.objects.update(due_at=Now())
    work_off()
    words = "Como o sistema da loja repassou (LGPD), os dados de 2 clientes foram apagados."
    assert rows() == [("applied", words)]
    for each in (earlier, order):
        each.customer.refresh_from_db()
        assert each.customer.phone == ""


def test_who_asks_what_is_kept_is_a_persons(live_server: Any, client: Client) -> None:
    make_instance()
    connection, order = make_connection(), placed("456")
    asked: dict[str, Any] = {"customer": MARIA, "orders_requested": [456], "data_request": {"id": 5}}
    assert wish("customers-data-request", connection, live_server.url, **asked) == 200
    assert wish("customers-data-request", connection, live_server.url, customer={}, orders_requested=[9]) == 200
    work_off()
    words = (
        "Um cliente pergunta o que está guardado sobre ele (LGPD; em até 15 dias): na página do cliente baixe o "
        f"arquivo e envie a ele. Pedidos dele: {order.code}."
    )
    nothing = "Não há nada guardado do cliente que pergunta o que há (LGPD)."
    assert rows() == [("staff", words), ("nothing_new", nothing)]
    page = said(client.get(f"/admin/integrations/shopnews/{ShopNews.objects.earliest('pk').pk}/change/"))
    assert f'href="/admin/orders/customer/{order.customer_id}/change/">Página do cliente</a>' in page
    file = client.post(f"/admin/orders/customer/{order.customer_id}/data/")
    assert (file.status_code, file.headers["Content-Type"]) == (200, "application/zip")


def test_a_shop_that_leaves_is_erased_also_when_switched_off(live_server: Any, monkeypatch: Any) -> None:
    make_instance()
    monkeypatch.setattr(wishes, "_BATCH", 2)
    connection = make_connection(is_on=False)
    there.send(hinted(connection, live_server.url), {"store_id": 123, "event": "order/paid", "id": 456})
    gone = [placed(str(456 + number), f"+55119876543{number:02d}") for number in range(3)]
    both, typed = placed("470", "+5511912345678"), make_order(customer_phone="+5511912345678")
    assert typed.customer == both.customer
    elsewhere = placed("456", store=Store.objects.create(name="Outra"))
    assert wish("store-redact", connection, live_server.url) == 200
    for _turn in range(3):
        work_off()
    assert [each for each in rows() if each[0] != "off"] == [
        (
            "staff",
            "Tudo o que veio só da loja está apagado (LGPD). 1 cliente tem outros pedidos aqui: providencie.",
        )
    ]
    for each in (*gone, both, elsewhere):
        each.customer.refresh_from_db()
    assert all(each.customer.erased_at for each in gone)
    assert (both.customer.erased_at, elsewhere.customer.erased_at) == (None, None)
    connection.refresh_from_db()
    assert (connection.is_on, "token" in connection.reveal(), connection.reveal()["secret"]) == (
        False, False, there.SECRET,
    )  # fmt: skip
    assert not ShopNews.objects.exclude(body=b"").exists()
    # What is signed by the app still counts.
    assert wish("customers-redact", connection, live_server.url, customer=MARIA, orders_to_redact=[1]) == 200


def test_nothing_is_done_that_the_app_did_not_sign(live_server: Any) -> None:
    connection = make_connection()
    placed("456")
    for topic in wishes.TOPICS:
        assert wish(topic, connection, live_server.url, "outro", customer=MARIA, orders_to_redact=[456]) == 403
        path = f"/webhooks/orders/nuvemshop/{connection.token}/lgpd/{topic}"
        assert [Client().get(f"{path}{slash}").status_code for slash in ("", "/")] == [200, 200]
    for path in (f"{connection.token}/lgpd/other", f"x{connection.token}/lgpd/store-redact"):
        assert Client().post(f"/webhooks/orders/nuvemshop/{path}").status_code == 404
    yampi = make_yampi()
    assert Client().post(f"/webhooks/orders/yampi/{yampi.token}/lgpd/store-redact").status_code == 404
    connection.refresh_from_db()
    assert (connection.refused, ShopNews.objects.exists()) == (3, False)


def test_an_apps_address_serves_all_of_its_shops(live_server: Any) -> None:
    make_instance()
    first = make_connection()
    other = Store.objects.create(name="Outra")
    second = make_connection(store=other, credentials={"store_id": "124"})
    third = Store.objects.create(name="De outro aplicativo")
    make_connection(store=third, credentials={"store_id": "125", "secret": "de outro"})
    for store in (first.store, other, third):
        placed("456", store=store)
    redact: dict[str, Any] = {"customer": MARIA, "orders_to_redact": [456]}
    assert wish("customers-redact", first, live_server.url, **redact | {"store_id": 124}) == 200
    assert wish("customers-redact", first, live_server.url, **redact | {"store_id": 125}) == 200
    assert wish("store-redact", first, live_server.url, store_id=999) == 200
    work_off()
    assert list(ShopNews.objects.values_list("connection", "result")) == [(second.pk, "applied")]
    assert [proof.store for proof in Erasure.objects.all()] == [other]


def test_what_came_as_an_order_is_never_taken_for_a_wish(live_server: Any) -> None:
    connection = make_connection()
    placed("456")
    body = b'{"store_id":123,"event":"app/resumed"}'
    address = hinted(connection, live_server.url)
    headers = {"x-linkedstore-hmac-sha256": there.sign(body), "Flowlog-Wish": "store-redact"}
    assert requests.post(address, body, headers=headers, timeout=10).status_code == 200
    work_off()
    assert (rows()[0][0], Erasure.objects.exists()) == ("not_an_order", False)
