"""What the customer will read of an order that is being filled in, and what keeps it from going, said before."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils.html import strip_tags

from integrations.messages.formatting import to_html
from integrations.models import EvolutionInstance, NotificationLog
from orders import consent
from orders.models import Customer, Order, Store
from tests.notifications.test_previews import sent
from tests.shops import make_shop
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

ADD = "/admin/orders/order/add/"
EMPTY = "Escolha o cliente: o que ele vai ler aparece aqui."


@pytest.fixture
def client() -> Client:
    client = client_of(make_staff())
    EvolutionInstance.objects.update(messages_per_minute=0)
    return client


def customer(phone: str = "+5511987654321") -> Customer:
    return Customer.objects.create(store=Store.get_default(), name="Maria da Silva", phone=phone)


def filled_in(of: Customer | None, **changed: Any) -> dict[str, Any]:
    return {
        "store": Store.get_default().pk, "customer": of.pk if of else "", "delivery_method": "courier",
        "freight": "10,00", "discount": "", "tell_customer": "on", "items-TOTAL_FORMS": "1",
        "items-INITIAL_FORMS": "0", "items-0-description": "Caneca *azul*", "items-0-quantity": "2",
        "items-0-unit_price": "19,90",
    } | changed  # fmt: skip


def preview(client: Client, form: dict[str, Any]) -> str:
    answer = client.post(f"{ADD}preview/", form)
    assert answer.status_code == 200
    return answer.content.decode()


def words(html: str) -> str:
    return " ".join(unescape(strip_tags(html)).split())


def test_what_is_shown_is_what_is_sent(client: Client) -> None:
    form = filled_in(customer())
    shown = preview(client, form)
    assert not Order.objects.exists()
    assert client.post(ADD, form).status_code == 302
    order = Order.objects.get()
    # What is made when the order is saved is another then.
    drawn = re.search(r"<strong>([A-Z0-9]{6})</strong>.*/rastreio/([\w-]+)/", shown, re.DOTALL)
    assert drawn
    as_saved = shown.replace(drawn[1], order.code).replace(drawn[2], order.tracking_token)
    assert f'<div class="flowlog-bubble">{to_html(sent(order))}</div>' in as_saved
    assert "Para (11) 98765-4321" in words(shown)
    assert "o código e o endereço da página" in words(shown).lower()


def test_asking_stores_nothing_and_tells_nobody(client: Client) -> None:
    preview(client, filled_in(customer()))
    assert not Order.objects.exists()
    assert not NotificationLog.objects.exists()


def test_it_comes_with_the_form(client: Client) -> None:
    page = client.get(ADD).content.decode()
    form = page[page.index("<form", page.index('id="order_form"') - 900) : page.rindex("</form>")]
    assert f'data-preview="{ADD}preview/"' in form
    assert 'src="/static/flowlog/preview.js"' in page


@pytest.mark.parametrize(
    ("phone", "out", "said"),
    [
        ("", False, "O cliente não tem telefone: nenhuma mensagem será enviada."),
        ("+5511987654321", True, "O cliente não quer mensagens no WhatsApp: nenhuma será enviada."),
    ],
)
def test_what_keeps_it_from_going_is_said_before(client: Client, phone: str, out: bool, said: str) -> None:
    maria = customer(phone)
    if out:
        consent.opt_out([maria], "SAIR")
    assert said in words(preview(client, filled_in(maria)))


def test_without_a_message_it_says_so(client: Client) -> None:
    shown = preview(client, filled_in(customer(), tell_customer=""))
    assert "O cliente não será avisado: nenhuma mensagem será enviada." in words(shown)
    assert "flowlog-bubble" not in shown


def test_what_is_not_right_yet_is_named(client: Client) -> None:
    assert words(preview(client, {})) == EMPTY
    half = {"delivery_method": "", "items-0-unit_price": "", "discount": "99"}
    shown = words(preview(client, filled_in(customer(), **half)))
    assert "Olá, Maria! 😊 Recebemos seu pedido" in shown
    assert "Caneca" not in shown
    assert "Total: R$ 10,00" in shown
    assert shown.endswith("Ainda não está certo no formulário: Forma de entrega, Itens.")


def test_no_customer_of_another_store_is_previewed(client: Client) -> None:
    theirs = make_shop("Borboleta", digits="2222", tracking="AA200000008BR").order.customer
    make_staff("so-padrao")
    shown = preview(client, filled_in(theirs))
    assert words(shown) == EMPTY


def test_who_may_not_add_orders_gets_none(client: Client) -> None:
    nobody = client_of(make_staff("leo", group=""))
    assert nobody.post(f"{ADD}preview/", filled_in(customer())).status_code == 403
    assert client.get(f"{ADD}preview/").status_code == 405
