"""Transitions in the admin: one order's confirmation page, and the actions of the list."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from integrations.models import NotificationLog
from orders.models import Order, OrderEvent
from orders.services import apply_transition
from orders.transitions import TRANSITIONS
from tests.factories import make_order
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

LIST = "/admin/orders/order/"
SURE = re.compile(r'name="sure" value="([^"]*)"')


@pytest.fixture
def ana() -> User:
    return make_staff()


@pytest.fixture
def client(ana: User) -> Client:
    return client_of(ana)


def address(order: Order, name: str) -> str:
    return reverse("admin:orders_order_transition", args=[order.pk, name])


def history(order: Order) -> list[str]:
    return list(OrderEvent.objects.filter(order=order).order_by("pk").values_list("transition", flat=True))


def text(response: Any) -> str:
    return unescape(response.content.decode())


class TestOnOneOrder:
    def test_page_asks_before_anything_changes(self, client: Client) -> None:
        order = make_order(until="confirmed", delivery_method="correios_pac")
        response = client.get(address(order, "ship"))
        assert response.status_code == 200
        assert list(response.context["form"].fields) == ["tracking_code", "tracking_url", "notify"]
        assert response.context["form"].fields["tracking_code"].required is True
        assert "Avisar o cliente pelo WhatsApp" in text(response)
        assert history(order) == ["create", "confirm"]

    def test_post_applies_it_in_the_name_of_the_person_and_tells_the_customer(self, client: Client, ana: User) -> None:
        order = make_order(until="confirmed", delivery_method="correios_pac")
        response = client.post(address(order, "ship"), {"tracking_code": "aa123456785br", "notify": "on"}, follow=True)
        order.refresh_from_db()
        assert (order.delivery_status, order.tracking_code) == ("shipped", "AA123456785BR")
        event = OrderEvent.objects.get(order=order, transition="ship")
        assert event.actor == ana
        assert NotificationLog.objects.get().order_event == event
        assert response.redirect_chain == [(order.get_admin_url(), 302)]
        assert [str(message) for message in response.context["messages"]] == [f"{order.code}: Pedido enviado."]

    @pytest.mark.parametrize(
        ("method", "code", "doubt"),
        [
            ("correios_sedex", "LOGGI-1", "“LOGGI-1” não parece um código dos Correios (como AA123456785BR)."),
            ("correios_pac", "aa123456789br", "Os dígitos de “AA123456789BR” não conferem: veja se algum foi digitado"),
            ("correios_pac", "AA123456785BR", "“AA123456785BR” é o código de mais de um pedido: {code}, {other}."),
            ("carrier", "loggi 1", "“LOGGI 1” é o código de mais de um pedido: {code}, {other}."),
        ],
    )
    def test_a_doubtful_code_is_asked_about_before_anything_is_told(
        self, client: Client, method: str, code: str, doubt: str
    ) -> None:
        order = make_order(until="confirmed", delivery_method=method)
        other = make_order(until="confirmed", delivery_method="carrier")
        apply_transition(other, "ship", tracking_code="LOGGI 1" if "1" in code[-1:] else code, notify=False)
        if "mais de um" not in doubt:
            Order.objects.filter(pk=other.pk).update(tracking_code="X")
        sent = {"tracking_code": code, "notify": "on"}
        response = client.post(address(order, "ship"), sent)
        [asked] = response.context["form"].errors["tracking_code"]
        assert doubt.format(code=order.code, other=other.code) in unescape(asked)
        assert (history(order), NotificationLog.objects.count()) == (["create", "confirm"], 0)
        [sure] = SURE.findall(response.content.decode())
        if method != "carrier":  # ticked for another code it counts for nothing
            client.post(address(order, "ship"), {**sent, "tracking_code": "AA123456780BR", "sure": unescape(sure)})
            assert (history(order), NotificationLog.objects.count()) == (["create", "confirm"], 0)
        client.post(address(order, "ship"), {**sent, "sure": unescape(sure)})
        assert (history(order), NotificationLog.objects.count()) == (["create", "confirm", "ship"], 1)

    @pytest.mark.parametrize(
        ("method", "code"),
        [("correios_pac", "Objeto: AA 123 456 785 BR"), ("carrier", "LOGGI-1"), ("courier", "")],
    )
    def test_a_good_code_is_not_asked_about(self, client: Client, method: str, code: str) -> None:
        order = make_order(until="confirmed", delivery_method=method)
        response = client.post(address(order, "ship"), {"tracking_code": code}, follow=True)
        assert [str(message) for message in response.context["messages"]] == [f"{order.code}: Pedido enviado."]

    def test_a_code_in_the_question_is_text(self, client: Client) -> None:
        order = make_order(until="confirmed", delivery_method="correios_pac")
        response = client.post(address(order, "ship"), {"tracking_code": '"><script>alert(1)</script>'})
        assert b"<script>alert(1)" not in response.content
        assert "&lt;script&gt;alert(1)" in response.content.decode().lower()

    def test_unticked_box_tells_nobody(self, client: Client) -> None:
        order = make_order()
        client.post(address(order, "confirm"))
        order.refresh_from_db()
        assert order.status == "confirmed"
        assert NotificationLog.objects.count() == 0

    def test_missing_tracking_code_is_an_error_of_the_field(self, client: Client) -> None:
        order = make_order(until="confirmed", delivery_method="carrier")
        response = client.post(address(order, "ship"), {"tracking_code": " "})
        assert response.context["form"].errors == {"tracking_code": ["Este campo é obrigatório."]}
        assert history(order) == ["create", "confirm"]

    def test_courier_needs_no_tracking_code(self, client: Client) -> None:
        order = make_order(until="confirmed", delivery_method="courier")
        assert client.post(address(order, "ship")).status_code == 302
        assert history(order) == ["create", "confirm", "ship"]

    def test_transition_that_became_impossible_is_refused_with_the_sentence(self, client: Client) -> None:
        order = make_order()
        apply_transition(order, "cancel", notify=False)
        response = client.post(address(order, "confirm"), {"notify": "on"})
        assert response.status_code == 200
        assert response.context["form"].non_field_errors() == [
            f"“Confirmar” não é possível para o pedido {order.code}: a situação está como “cancelado”."
        ]
        assert history(order) == ["create", "cancel"]
        assert NotificationLog.objects.count() == 0

    def test_page_of_an_impossible_transition_leads_back_with_the_sentence(self, client: Client) -> None:
        order = make_order()
        response = client.get(address(order, "deliver"), follow=True)
        assert response.redirect_chain == [(order.get_admin_url(), 302)]
        assert [str(message) for message in response.context["messages"]] == [
            f"“Marcar como entregue” não é possível para o pedido {order.code}: a situação está como “pendente”."
        ]

    def test_wrong_pickup_code_is_refused(self, client: Client) -> None:
        order = make_order(until="ready_for_pickup")
        response = client.post(address(order, "pick_up"), {"pickup_code": "????"})
        assert response.context["form"].non_field_errors() == [
            f"O código que o cliente mostrou não é o do pedido {order.code}."
        ]
        order.refresh_from_db()
        assert order.delivery_status == "ready_for_pickup"

    def test_pickup_code_may_be_left_empty(self, client: Client) -> None:
        order = make_order(until="ready_for_pickup")
        client.post(address(order, "pick_up"), {"pickup_code": ""})
        order.refresh_from_db()
        assert order.status == "completed"

    @pytest.mark.parametrize("name", ["create", "expire_pickup", "fly"])
    def test_what_staff_may_not_apply_does_not_exist(self, client: Client, name: str) -> None:
        order = make_order()
        assert client.post(address(order, name)).status_code == 404
        assert history(order) == ["create"]

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_needs_the_permission_to_change_orders(self, method: str) -> None:
        bia = make_staff("bia", group="")
        bia.user_permissions.add(Permission.objects.get(codename="view_order"))
        order = make_order()
        assert getattr(client_of(bia), method)(address(order, "confirm")).status_code == 403
        assert history(order) == ["create"]

    def test_post_without_csrf_token_is_refused(self, ana: User) -> None:
        order = make_order()
        client = Client(enforce_csrf_checks=True)
        client.force_login(ana)
        assert client.post(address(order, "confirm")).status_code == 403
        assert history(order) == ["create"]

    def test_stranger_is_sent_to_the_login(self) -> None:
        order = make_order()
        response = Client().post(address(order, "confirm"))
        assert (response.status_code, response["Location"].startswith("/admin/login/")) == (302, True)
        assert history(order) == ["create"]

    def test_name_with_markup_is_shown_as_text(self, client: Client) -> None:
        order = make_order(customer_name="<script>alert(1)</script>")
        body = client.get(address(order, "confirm")).content.decode()
        assert "<script>alert(1)" not in body
        assert "&lt;script&gt;alert(1)" in body


class TestOnManyOrders:
    @pytest.fixture
    def start(self, client: Client) -> Callable[..., Any]:
        def post(name: str, orders: list[Order], query: str = "", **data: Any) -> Any:
            chosen = {"action": f"transition_{name}", "_selected_action": [order.pk for order in orders]}
            return client.post(LIST + query, {**chosen, **data})

        return post

    @pytest.fixture
    def finish(self, client: Client) -> Callable[..., Any]:
        def post(name: str, orders: list[Order], query: str = "", **data: Any) -> Any:
            values = {"orders": ",".join(str(order.pk) for order in orders), "notify": "on", **data}
            return client.post(reverse("admin:orders_order_bulk_transition", args=[name]) + query, values, follow=True)

        return post

    def test_every_staff_transition_is_an_action(self, client: Client) -> None:
        make_order()
        choices = client.get(LIST).context["action_form"].fields["action"].choices
        by_staff = [f"transition_{entry.name}" for entry in TRANSITIONS.values() if entry.by_staff]
        assert [name for name, _words in choices if name.startswith("transition_")] == by_staff
        not_by_staff = ("transition_create", "transition_correct_tracking", "transition_expire_pickup")
        assert not set(not_by_staff).intersection(by_staff)

    def test_asks_first_and_says_how_many_cannot(self, start: Callable[..., Any]) -> None:
        orders = [make_order(), make_order(), make_order(until="confirmed")]
        response = start("confirm", orders)
        assert response.status_code == 200
        body = " ".join(text(response).split())
        assert "3 pedidos escolhidos." in body
        assert "1 não pode passar por isso agora e ficará como está." in body
        assert OrderEvent.objects.filter(transition="confirm").count() == 1

    @pytest.mark.parametrize(
        ("number", "words"),
        [
            (1, "O pedido não pode passar por isso agora."),
            (3, "Nenhum dos 3 pedidos pode passar por isso agora."),
        ],
    )
    def test_asks_nothing_where_none_can(self, start: Callable[..., Any], number: int, words: str) -> None:
        response = start("fail_delivery", [make_order() for _ in range(number)])
        assert words in text(response)
        for useless in ("escolhido", "Motivo", "Avisar o cliente"):
            assert useless not in text(response)

    def test_applies_and_lists_the_refused(self, finish: Callable[..., Any], ana: User) -> None:
        done, refused = make_order(), make_order(until="confirmed")
        response = finish("confirm", [done, refused])
        reason = f"“Confirmar” não é possível para o pedido {refused.code}: a situação está como “confirmado”."
        assert [str(message) for message in response.context["messages"]] == [
            "Confirmar: 1 pedido alterado.",
            f'1 pedido ficou como estava:<ul class="flowlog-refusals"><li>{reason}</li></ul>',
        ]
        assert history(done) == ["create", "confirm"]
        assert history(refused) == ["create", "confirm"]
        assert OrderEvent.objects.get(order=done, transition="confirm").actor == ana
        assert list(NotificationLog.objects.values_list("order", flat=True)) == [done.pk]

    def test_each_order_gets_the_code_in_its_line(self, start: Callable[..., Any], finish: Callable[..., Any]) -> None:
        pac, sedex, carrier = (
            make_order(until="confirmed", delivery_method=method)
            for method in ("correios_pac", "correios_sedex", "carrier")
        )
        courier = make_order(until="confirmed")
        Order.objects.filter(pk=carrier.pk).update(tracking_code="LOGGI-1")
        orders = [pac, sedex, carrier, courier]
        form = start("ship", orders).context["form"]
        assert form["codes"].value() == f"{pac.code};\n{sedex.code};\n{carrier.code};LOGGI-1"
        assert "tracking_code" not in form.fields
        lines = f"{pac.code};AA 323 456 785 BR\n\n #{sedex.code.lower()}\taa523456786br\n{sedex.code} AA523456790BR\n"
        response = finish("ship", orders, codes=lines + f"{carrier.code};")
        assert [str(message) for message in response.context["messages"]] == [
            "Marcar como enviado: 4 pedidos alterados."
        ]
        assert dict(Order.objects.values_list("pk", "tracking_code")) == {
            pac.pk: "AA323456785BR",
            sedex.pk: "AA523456786BR, AA523456790BR",
            carrier.pk: "LOGGI-1",
            courier.pk: "",
        }
        assert NotificationLog.objects.count() == 4

    def test_one_code_for_several_orders_is_asked_about(self, client: Client, finish: Callable[..., Any]) -> None:
        orders = [make_order(until="confirmed", delivery_method="correios_pac") for _ in range(2)]
        lines = "\n".join(f"{order.code};AA123456785BR" for order in orders)
        response = finish("ship", orders, codes=lines)
        [asked] = response.context["form"].errors["codes"]
        codes = ", ".join(order.code for order in orders)
        assert f"“AA123456785BR” é o código de mais de um pedido: {codes}." in unescape(asked)
        assert not OrderEvent.objects.filter(transition="ship").exists()
        assert NotificationLog.objects.count() == 0
        [sure] = SURE.findall(response.content.decode())
        finish("ship", orders, codes=lines, sure=unescape(sure))
        assert OrderEvent.objects.filter(transition="ship").count() == 2

    def test_a_code_meant_for_all_of_them_is_nobodys(self, finish: Callable[..., Any]) -> None:
        orders = [make_order(until="confirmed", delivery_method="correios_pac") for _ in range(2)]
        finish("ship", orders, tracking_code="AA123456785BR")
        assert not OrderEvent.objects.filter(transition="ship").exists()

    def test_a_line_that_names_no_chosen_order_is_an_error(self, finish: Callable[..., Any]) -> None:
        order, other = (make_order(until="confirmed", delivery_method="carrier") for _ in range(2))
        for line in (f"{other.code};X1", "AA123456785BR", ";X1"):
            response = finish("ship", [order], codes=f"{order.code};X2\n{line}")
            assert f"“{line}” não diz de qual dos pedidos escolhidos é" in text(response)
        assert not OrderEvent.objects.filter(transition="ship").exists()

    def test_a_courier_is_never_asked_for_a_code(self, start: Callable[..., Any], finish: Callable[..., Any]) -> None:
        order = make_order(until="confirmed")
        assert "codes" not in start("ship", [order]).context["form"].fields
        finish("ship", [order])
        assert history(order) == ["create", "confirm", "ship"]

    def test_many_refusals_are_cut(self, finish: Callable[..., Any]) -> None:
        orders = [make_order() for _ in range(12)]
        response = finish("deliver", orders)
        [message] = [str(message) for message in response.context["messages"]]
        assert message.count("<li>") == 11
        assert "<li>… e mais 2.</li>" in message
        assert message.startswith("12 pedidos ficaram como estavam:")

    def test_takes_the_data_for_all_of_them(self, start: Callable[..., Any], finish: Callable[..., Any]) -> None:
        orders = [make_order(), make_order()]
        assert list(start("cancel", orders).context["form"].fields) == ["orders", "reason", "notify", "count"]
        finish("cancel", orders, reason="Loja em reforma", count="2")
        notes = OrderEvent.objects.filter(transition="cancel").values_list("note", flat=True)
        assert list(notes) == ["Loja em reforma", "Loja em reforma"]

    def test_pickup_code_is_never_asked_for_many(self, start: Callable[..., Any]) -> None:
        response = start("pick_up", [make_order(until="ready_for_pickup")])
        assert list(response.context["form"].fields) == ["orders", "notify"]

    def test_all_pages_of_the_filtered_list(self, start: Callable[..., Any], finish: Callable[..., Any]) -> None:
        orders = [make_order() for _ in range(60)]
        make_order(until="confirmed")
        response = start("confirm", orders[:1], "?status__exact=pending", select_across="1")
        assert response.context["chosen"] == 60
        assert response.context["form"].initial["orders"] == ",".join(str(order.pk) for order in orders)
        finish("confirm", orders, count="60")
        assert OrderEvent.objects.filter(transition="confirm").count() == 61

    def test_leads_back_to_the_filtered_list(self, start: Callable[..., Any], finish: Callable[..., Any]) -> None:
        order = make_order()
        response = start("confirm", [order], "?status__exact=pending")
        query = "?_changelist_filters=status__exact%3Dpending"
        assert response.context["action"].endswith(f"/transition/confirm/{query}")
        response = finish("confirm", [order], query)
        assert response.redirect_chain == [(f"{LIST}?status__exact=pending", 302)]

    @pytest.mark.parametrize("orders", ["", "1,x", "1;2"])
    def test_broken_list_of_orders_changes_nothing(self, client: Client, orders: str) -> None:
        order = make_order()
        response = client.post(reverse("admin:orders_order_bulk_transition", args=["confirm"]), {"orders": orders})
        assert response.status_code == 200
        assert response.context["form"].errors["orders"]
        assert "Nenhum dos" not in text(response)
        assert history(order) == ["create"]

    def test_get_changes_nothing(self, client: Client) -> None:
        order = make_order()
        response = client.get(
            reverse("admin:orders_order_bulk_transition", args=["confirm"]), {"orders": str(order.pk)}
        )
        assert (response.status_code, response["Location"]) == (302, LIST)
        assert history(order) == ["create"]

    def test_needs_the_permission_to_change_orders(self) -> None:
        bia = make_staff("bia", group="")
        bia.user_permissions.add(Permission.objects.get(codename="view_order"))
        order = make_order()
        client = client_of(bia)
        response = client.post(
            reverse("admin:orders_order_bulk_transition", args=["confirm"]), {"orders": str(order.pk)}
        )
        assert response.status_code == 403
        client.post(LIST, {"action": "transition_confirm", "_selected_action": [order.pk]})
        assert history(order) == ["create"]
