"""The desk's day: views of the list, the next step, the counter, paper, notes, an order once more, customers."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orders.admin.next_steps import next_step
from orders.desk_models import OrderNote
from orders.erasure import erase
from orders.models import Customer, Order, OrderEvent
from orders.services import apply_transition
from tests.factories import make_order
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

LIST = "/admin/orders/order/"
COUNTER = f"{LIST}counter/"


@pytest.fixture
def client() -> Client:
    return client_of(make_staff())


def words(body: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def page(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def shown(client: Client, view: str) -> set[str]:
    return {order.code for order in client.get(LIST, {"view": view}).context["cl"].result_list}


def another(number: int, **values: Any) -> Order:
    return make_order(customer_phone=f"+551198765{number:04}", **values)


class TestViews:
    def test_show_what_they_say_with_how_many(self, client: Client) -> None:
        orders = {
            "to_confirm": another(1), "to_ship": another(2, until="confirmed"), "shipped": another(3, until="shipped"),
            "ready": another(4, until="ready_for_pickup"), "overdue": another(5, until="ready_for_pickup"),
            "old": another(6), "failed": another(7, until="shipped"), "done": another(8, until="delivered"),
        }  # fmt: skip
        apply_transition(orders["failed"], "fail_delivery", notify=False)
        Order.objects.filter(pk=orders["overdue"].pk).update(pickup_deadline=Now() - timedelta(minutes=1))
        Order.objects.filter(pk__in=[orders["old"].pk, orders["done"].pk]).update(created_at=Now() - timedelta(days=3))

        def names(view: str) -> set[str]:
            codes = shown(client, view)
            return {name for name, order in orders.items() if order.code in codes}

        assert names("to_confirm") == {"to_confirm", "old"}
        assert names("to_ship") == {"to_ship"}
        assert names("ready") == {"ready", "overdue"}
        assert names("late") == {"overdue", "old"}
        assert names("problems") == {"failed"}
        assert names("answered") == set()
        body = words(page(client, LIST))
        assert "Todos A confirmar 2 A enviar 1 Prontos 2 Atrasados 2 Com problema 1 Respondeu" in body

    def test_cost_the_same_however_many_orders_there_are(self, client: Client) -> None:
        client.get(LIST)
        counts = []
        for number in (1, 6):
            for each in range(number):
                another(number * 100 + each)
            with CaptureQueriesContext(connection) as queries:
                client.get(LIST, {"view": "to_confirm"})
            counts.append(len(queries))
        assert counts == [12, 12]


class TestNextStep:
    @pytest.mark.parametrize(
        ("until", "method", "step"),
        [
            ("", "courier", "confirm"), ("confirmed", "courier", "ship"), ("confirmed", "pickup", "ready_for_pickup"),
            ("shipped", "courier", "out_for_delivery"), ("shipped", "correios_pac", "deliver"),
            ("out_for_delivery", "courier", "deliver"), ("ready_for_pickup", "pickup", "pick_up"),
            ("delivered", "courier", "pay"),
        ],
    )  # fmt: skip
    def test_is_what_one_hopes_for(self, until: str, method: str, step: str) -> None:
        found = next_step(make_order(until=until, delivery_method=method))
        assert found
        assert found.name == step

    def test_is_none_where_nothing_is_left(self) -> None:
        order = make_order(until="delivered")
        apply_transition(order, "pay", notify=False)
        assert next_step(order) is None

    def test_is_done_from_the_list_where_it_takes_nothing(self, client: Client) -> None:
        order = make_order()
        body = page(client, f"{LIST}?view=to_confirm")
        button = re.search(
            r'<button type="submit" class="flowlog-step" form="flowlog-step" formaction="([^"]*)">', body
        )
        assert button
        form = re.search(r'<form id="flowlog-step".*?</form>', body, re.DOTALL)
        assert form
        assert 'name="csrfmiddlewaretoken"' in form[0]
        done = client.post(html.unescape(button[1]), {"notify": "on"})
        assert done.headers["Location"] == f"{LIST}?view=to_confirm"
        order.refresh_from_db()
        assert (order.status, order.events.latest("pk").actor.username) == ("confirmed", "ana")  # type: ignore[union-attr]

    def test_asks_for_what_it_takes_and_leads_back(self, client: Client) -> None:
        order = make_order(until="confirmed", delivery_method="correios_pac")
        link = re.search(r'<a class="flowlog-step" href="([^"]*)">', page(client, LIST))
        assert link
        address = html.unescape(link[1])
        assert "Código de rastreio" in page(client, address)
        assert client.post(address, {"tracking_code": "AA123456785BR"}).headers["Location"] == LIST
        order.refresh_from_db()
        assert order.delivery_status == "shipped"

    def test_is_not_offered_nor_done_without_the_permission(self) -> None:
        order, nobody = make_order(), client_of(make_staff("eva", group=""))
        assert nobody.post(f"{LIST}{order.pk}/step/confirm/", {}).status_code == 403
        order.refresh_from_db()
        assert order.status == "pending"


class TestCounter:
    @pytest.mark.parametrize(
        "written", ["{0}", " #{0} ", "pedido {0}", "{1}", "código de retirada {1}", "http://x/?q={0}"]
    )
    def test_finds_by_either_code_however_it_is_written(self, client: Client, written: str) -> None:
        order = make_order(until="ready_for_pickup")
        another(1, until="ready_for_pickup")
        typed = written.format(order.code, order.pickup_code.lower())
        body = client.get(COUNTER, {"q": typed}).content.decode()
        assert order.code in body
        assert body.count("flowlog-large") == 1
        assert ("O código confere." in body) == ("{1}" in written)
        assert "Entregar e receber R$\xa0119,80" in body

    def test_hands_over_and_receives_with_one_message(self, client: Client) -> None:
        order = make_order(until="ready_for_pickup")
        done = client.post(f"{COUNTER}{order.pk}/", {"code": order.pickup_code, "pay": "1"})
        assert done.headers["Location"] == COUNTER
        order.refresh_from_db()
        assert (order.delivery_status, order.payment_status) == ("picked_up", "paid")
        assert [row.event for row in order.notifications.all()] == ["pick_up"]
        assert f"Pedido {order.code}: entregue e pago." in page(client, COUNTER)

    def test_a_wrong_code_changes_nothing_not_even_the_payment(self, client: Client) -> None:
        order = make_order(until="ready_for_pickup")
        client.post(f"{COUNTER}{order.pk}/", {"code": "XXXX", "pay": "1"})
        order.refresh_from_db()
        assert (order.delivery_status, order.payment_status) == ("ready_for_pickup", "pending")
        assert "não é o do pedido" in page(client, COUNTER)

    def test_a_pickup_code_is_of_what_waits_alone(self, client: Client) -> None:
        order = make_order(until="confirmed", delivery_method="pickup")
        assert "Nenhum pedido tem o código" in page(client, f"{COUNTER}?q={order.pickup_code}")
        assert "Pronto para retirada" in page(client, f"{COUNTER}?q={order.code}")

    def test_guesses_are_throttled_for_the_person_alone(self, client: Client, settings: Any) -> None:
        settings.COUNTER_GUESSES_PER_MINUTE = 2
        order = make_order(until="ready_for_pickup")
        said = ["Espere um minuto." in page(client, f"{COUNTER}?q=AAA{number}") for number in range(2, 5)]
        assert said == [False, False, True]
        assert order.code in page(client, f"{COUNTER}?q={order.code}")

    def test_needs_the_permission(self) -> None:
        order, nobody = make_order(until="ready_for_pickup"), client_of(make_staff("eva", group=""))
        assert nobody.get(COUNTER).status_code == 403
        assert nobody.post(f"{COUNTER}{order.pk}/", {}).status_code == 403

    def test_costs_the_same_for_any_order(self, client: Client) -> None:
        order = make_order(until="ready_for_pickup")
        client.get(COUNTER)
        with CaptureQueriesContext(connection) as queries:
            client.get(COUNTER, {"q": order.code})
        assert len(queries) == 9


class TestPaper:
    def test_each_chosen_order_has_a_sheet_escaped_and_with_its_code(self, client: Client) -> None:
        one = make_order(
            customer_name="Zélia <b>", items=[{"description": "Chá <i>", "quantity": 3, "unit_price": "1"}]
        )
        two = another(2, until="ready_for_pickup")
        chosen = {"_selected_action": [one.pk, two.pk]}
        answer = client.post(LIST, {"action": "print_slip", **chosen})
        assert answer.status_code == 302
        body = page(client, answer.headers["Location"])
        assert body.count('<article class="sheet">') == body.count("<svg") == 2
        for said in (one.code, two.code, "Zélia &lt;b&gt;", "3× Chá &lt;i&gt;"):
            assert said in body
        assert two.pickup_code not in body
        assert "print-a4.css" in body
        labels = page(client, client.post(LIST, {"action": "print_label", **chosen}).headers["Location"])
        assert "print-10x15.css" in labels
        assert "Chá" not in labels
        roll = page(client, f"{LIST}print/label/?ids={one.pk}&size=80mm")
        assert "print-80mm.css" in roll

    def test_nothing_chosen_odd_ids_or_kinds(self, client: Client) -> None:
        assert "Não há o que imprimir" in page(client, f"{LIST}print/slip/?ids=x,-1,{9**30}")
        assert client.get(f"{LIST}print/poster/").status_code == 404
        assert client_of(make_staff("eva", group="")).get(f"{LIST}print/slip/").status_code == 403

    def test_costs_the_same_for_many(self, client: Client) -> None:
        pks = [str(another(each).pk) for each in range(4)]
        counts = []
        for chosen in (pks[:1], pks):
            with CaptureQueriesContext(connection) as queries:
                client.get(f"{LIST}print/slip/?ids={','.join(chosen)}")
            counts.append(len(queries))
        assert counts == [7, 7]


class TestNotes:
    def test_are_kept_with_who_and_when_and_told_to_nobody(self, client: Client) -> None:
        order = make_order()
        client.post(f"{LIST}{order.pk}/note/", {"note": "Embrulhar <b>para presente</b>"})
        note = OrderNote.objects.get()
        assert (note.order, note.text, note.author.username) == (order, "Embrulhar <b>para presente</b>", "ana")  # type: ignore[union-attr]
        body = page(client, order.get_admin_url())
        assert "Embrulhar &lt;b&gt;para presente&lt;/b&gt;" in body
        assert order.notifications.count() == 0

    def test_an_empty_or_too_long_one_is_refused_and_kept_in_the_form(self, client: Client) -> None:
        order = make_order()
        assert "Escreva a anotação." in client.post(f"{LIST}{order.pk}/note/", {"note": " "}).content.decode()
        refused = client.post(f"{LIST}{order.pk}/note/", {"note": "x" * 1001})
        assert "x" * 1001 in refused.content.decode()
        assert OrderNote.objects.count() == 0

    def test_go_with_the_customers_data(self) -> None:
        order = make_order()
        OrderNote.objects.create(order=order, text="Ligar para a Maria")
        erase(order.customer)
        assert OrderNote.objects.count() == 0

    def test_need_the_permission(self) -> None:
        order = make_order()
        assert client_of(make_staff("eva", group="")).post(f"{LIST}{order.pk}/note/", {"note": "x"}).status_code == 403


class TestDuplicate:
    def test_fills_the_form_in_and_makes_another_order(self, client: Client) -> None:
        items = [{"description": name, "quantity": "1.5", "unit_price": "10.00"} for name in ("Pão", "Queijo", "Doce")]
        order = make_order(items=items, freight="7.50", delivery_address="Rua A, 1", notes="segredo")
        body = page(client, f"{LIST}add/?copy={order.pk}")
        assert f"Preenchido com os dados do pedido {order.code}." in words(body)
        for each in ("Pão", "Queijo", "Doce", "Rua A, 1", "7,50"):
            assert each in body
        assert "segredo" not in body
        assert 'name="items-TOTAL_FORMS" value="3"' in body
        assert Order.objects.count() == 1

    def test_of_what_is_not_there_is_an_empty_form(self, client: Client) -> None:
        for written in ("999", "x", "9" * 40, "-1"):
            assert client.get(f"{LIST}add/?copy={written}").status_code == 200


class TestPages:
    def test_a_customers_page_has_their_orders_and_messages(self, client: Client) -> None:
        first, second = make_order(notify=True), make_order(until="delivered")
        other = another(1)
        body = page(client, f"/admin/orders/customer/{first.customer_id}/change/")
        assert body.index(second.code) < body.index(first.code)
        assert other.code not in body
        assert "entregue" in body
        assert "Últimas mensagens" in body
        assert "https://wa.me/" not in page(client, "/admin/orders/customer/add/")

    def test_a_customers_page_costs_the_same_however_many_orders(self, client: Client) -> None:
        address = f"/admin/orders/customer/{make_order(notify=True).customer_id}/change/"
        client.get(address)
        counts = []
        for number in (1, 5):
            for _each in range(number):
                make_order(notify=True)
            with CaptureQueriesContext(connection) as queries:
                client.get(address)
            counts.append(len(queries))
        assert counts == [12, 12]
        assert Customer.objects.count() == 1
        assert OrderEvent.objects.filter(created_at__lte=timezone.now()).exists()
