"""The very message that a customer will get, shown before the step is taken, and what keeps it from going."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import strip_tags

from integrations.instances import connections
from integrations.messages.formatting import to_html
from integrations.models import EvolutionInstance, NotificationLog
from notifications import claims, own_texts
from orders import consent
from orders.models import Order, OrderEvent, Store
from orders.services import apply_transition
from orders.transitions import TRANSITIONS, possible_transitions
from tests.factories import WAY, make_order
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    ana = make_staff()
    EvolutionInstance.objects.update(messages_per_minute=0)
    return client_of(ana)


def form(client: Client, order: Order, name: str) -> str:
    response = client.get(f"/admin/orders/order/{order.pk}/transition/{name}/")
    assert response.status_code == 200
    return response.content.decode()


def preview(client: Client, order: Order, name: str, **data: str) -> str:
    response = client.post(f"/admin/orders/order/{order.pk}/transition/{name}/preview/", data)
    assert response.status_code == 200
    return response.content.decode()


def words(html: str) -> str:
    return " ".join(unescape(strip_tags(html)).split())


def sent(order: Order) -> str:
    """The text of the latest message, as its worker makes it."""
    row = NotificationLog.objects.filter(order=order).latest("pk")
    NotificationLog.objects.exclude(pk=row.pk).update(status="cancelled", lease_until=None)
    claim = claims.claim(row.pk)
    assert claim is not None
    claims.release_slot(claim)
    return claim.notification.message


@pytest.mark.parametrize("until", ["", *WAY])
def test_what_is_shown_is_what_is_sent(client: Client, until: str) -> None:
    for transition in possible_transitions(make_order(until=until)):
        order = make_order(until=until)
        data: dict[str, Any] = {"reason": "Ninguém em casa"} if "reason" in transition.takes else {}
        shown = preview(client, order, transition.name, notify="on", **data)
        apply_transition(order, transition.name, **data)
        assert f'<div class="flowlog-bubble">{to_html(sent(order))}</div>' in shown, transition.name


def test_the_form_shows_it_at_once_and_asking_changes_nothing(client: Client) -> None:
    order = make_order(until="confirmed", delivery_method="correios_pac")
    found = words(form(client, order, "ship"))
    assert f"Para (11) 98765-4321 Boa notícia, Maria! 📦 Seu pedido {order.code} foi enviado pelos Correios" in found
    before = Order.objects.values().get()
    assert "Código de rastreio: <strong>AA123456785BR</strong>" in preview(
        client, order, "ship", tracking_code=" aa 123456785 br", notify="on"
    )
    assert Order.objects.values().get() == before
    assert list(OrderEvent.objects.values_list("transition", flat=True)) == ["create", "confirm"]
    assert not NotificationLog.objects.exists()


def test_it_is_in_the_stores_own_words(client: Client) -> None:
    order = make_order()
    own_texts.write(order.store, "confirm", "Fechado, *{nome}*! {código}", actor=None)
    assert f"Fechado, <strong>Maria</strong>! {order.code}</div>" in form(client, order, "confirm")


@pytest.mark.parametrize("typed", ["x" * 400, "\x00", "A" * 61])
def test_what_cannot_be_written_down_is_left_out(client: Client, typed: str) -> None:
    order = make_order(until="confirmed")
    assert "Código de rastreio" not in preview(client, order, "ship", tracking_code=typed, notify="on")
    assert "Motivo" not in preview(client, order, "cancel", reason="\x00", notify="on")


def test_what_people_typed_is_escaped(client: Client) -> None:
    order = make_order()
    shown = preview(client, order, "cancel", reason="<script>x</script> *já*", notify="on")
    assert "Motivo: &lt;script&gt;x&lt;/script&gt; \u2060*\u2060já\u2060*\u2060." in shown


def test_without_a_message_it_says_so(client: Client) -> None:
    shown = words(preview(client, make_order(), "confirm"))
    assert shown == "O que o cliente vai ler O cliente não será avisado: nenhuma mensagem será enviada."


def opted_out(order: Order) -> None:
    consent.opt_out([order.customer], "SAIR")


def without_phone(order: Order) -> None:
    order.customer.phone = ""
    order.customer.save()


def silent_store(_order: Order) -> None:
    Store.objects.update(tells_customers=False)


def silent_kind(order: Order) -> None:
    own_texts.switch(order.store, "confirm", on=False)


def no_instance(_order: Order) -> None:
    EvolutionInstance.objects.all().delete()


@pytest.mark.parametrize(
    ("happens", "why"),
    [
        (opted_out, "O cliente não quer mensagens no WhatsApp: nenhuma será enviada."),
        (without_phone, "O cliente não tem telefone: nenhuma mensagem será enviada."),
        (silent_store, "Nenhuma mensagem será enviada: As mensagens desta loja estão desligadas."),
        (silent_kind, "Nenhuma mensagem será enviada: Este tipo de mensagem está desligado nesta loja."),
        (no_instance, "Nenhuma mensagem será enviada: "),
    ],
)
def test_what_keeps_it_from_going_is_said_before(client: Client, happens: Any, why: str) -> None:
    order = make_order()
    happens(order)
    shown = form(client, order, "confirm")
    assert why in words(shown)
    assert "flowlog-unsent" in shown
    # It is not sent then either.
    apply_transition(order, "confirm")
    row = NotificationLog.objects.get()
    claim = claims.claim(row.pk)
    row.refresh_from_db()
    assert claim is not None
    assert (claim.over, row.status) == (True, "skipped")


def test_a_held_number_is_said_to_keep_it_waiting(client: Client) -> None:
    order = make_order()
    connections.hold(EvolutionInstance.objects.get().pk, "connection_closed")
    shown = form(client, order, "confirm")
    assert "Ela vai esperar, porque o WhatsApp da loja está sem enviar no momento: " in words(shown)
    assert "flowlog-unsent" not in shown


def test_a_test_installation_says_whom_it_reaches(client: Client, settings: Any) -> None:
    settings.NOTIFICATIONS_OVERRIDE_RECIPIENT = "+5511900000001"
    shown = words(form(client, make_order(), "confirm"))
    assert "toda mensagem vai para um só número" in shown
    assert "Para (11) 90000-0001" in shown
    assert django_settings.NOTIFICATIONS_OVERRIDE_RECIPIENT == "+5511900000001"


def test_it_costs_the_same_for_any_order(client: Client, django_assert_num_queries: Any) -> None:
    one = {"description": "Caneca", "quantity": 1, "unit_price": "1.00"}
    orders = [make_order(items=[one] * number, customer_phone=f"+551198765000{number}") for number in (1, 9)]
    preview(client, orders[0], "confirm", notify="on")
    for order in orders:
        with django_assert_num_queries(10):
            preview(client, order, "confirm", notify="on")


class TestOfMany:
    def ask(self, client: Client, name: str, *orders: Order) -> str:
        data = {"action": f"transition_{name}", "_selected_action": [order.pk for order in orders]}
        response = client.post("/admin/orders/order/", data)
        assert response.status_code == 200
        return response.content.decode()

    def test_says_how_many_are_told_and_why_the_others_are_not(self, client: Client) -> None:
        orders = [make_order(customer_phone=f"+551198765000{number}") for number in range(4)]
        without_phone(orders[0])
        opted_out(orders[1])
        done = make_order(until="confirmed", customer_phone="+5511987650009")
        found = words(self.ask(client, "confirm", *orders, done))
        assert (
            "Se os clientes forem avisados 2 mensagens serão enviadas. 1 cliente não tem telefone e não será avisado. "
            "1 cliente não quer mensagens no WhatsApp. "
            f"O que vai ler o cliente do pedido {orders[2].code}, e os outros de modo igual: Maria, seu pedido "
            f"{orders[2].code} está confirmado! ✅"
        ) in found
        assert not NotificationLog.objects.exists()

    def test_of_none_that_is_told_it_shows_no_message(self, client: Client) -> None:
        order = make_order()
        silent_kind(order)
        found = self.ask(client, "confirm", order)
        assert "Nenhuma mensagem será enviada. Em 1 pedido esta mensagem está desligada." in words(found)
        assert "flowlog-bubble" not in found

    def test_costs_the_same_for_any_number(self, client: Client) -> None:
        orders = [make_order(customer_phone=f"+551198765000{number}") for number in range(6)]
        counts = []
        for number in (1, 1, 6):
            with CaptureQueriesContext(connection) as queries:
                self.ask(client, "confirm", *orders[:number])
            counts.append(len(queries))
        assert counts[1] == counts[2]

    @pytest.mark.parametrize("chosen", ["x", "", "99999999999999999999", "1,,2", "²"])
    def test_bad_ids_are_told_by_the_form(self, client: Client, chosen: str) -> None:
        response = client.post("/admin/orders/order/transition/confirm/", {"orders": chosen, "notify": "on"})
        assert response.status_code in {200, 302}
        assert not NotificationLog.objects.exists()


def test_only_for_who_may_take_the_step(client: Client) -> None:
    order = make_order()
    address = f"/admin/orders/order/{order.pk}/transition/confirm/preview/"
    assert client.get(address).status_code == 405
    assert client.post("/admin/orders/order/0/transition/confirm/preview/").status_code == 404
    for name in ("expire_pickup", "create", "nothing"):
        assert client.post(f"/admin/orders/order/{order.pk}/transition/{name}/preview/").status_code == 404
    stranger = client_of(make_staff("eva", group=""))
    assert stranger.post(address, {"notify": "on"}).status_code == 403
    assert Client().post(address, {"notify": "on"}).status_code == 302
    assert all(entry.notifies_customer for entry in TRANSITIONS.values())
