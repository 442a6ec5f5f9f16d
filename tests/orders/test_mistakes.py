"""What keeps a mistake of the staff from the customers: questions before, corrections afterwards."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from integrations.models import NotificationLog
from notifications import texts
from orders.audience import Audience, audience
from orders.models import Customer, Order, OrderEvent, Store
from orders.services import apply_transition, apply_transition_bulk
from orders.wording import spoken_moment
from tests.factories import make_order
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

LIST = "/admin/orders/order/"


@pytest.fixture
def client() -> Client:
    return client_of(make_staff())


def history(order: Order) -> list[str]:
    return list(OrderEvent.objects.filter(order=order).order_by("pk").values_list("transition", flat=True))


def told(order: Order) -> list[tuple[str, str]]:
    return list(NotificationLog.objects.filter(order=order).order_by("pk").values_list("event", "status"))


def words(response: Any) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", response.content.decode())).split())


def said(response: Any) -> list[str]:
    return [str(each) for each in response.context["messages"]]


class TestReceivingAtTheHandOver:
    def address(self, order: Order, name: str) -> str:
        return reverse("admin:orders_order_transition", args=[order.pk, name])

    @pytest.mark.parametrize(("until", "name"), [("shipped", "deliver"), ("ready_for_pickup", "pick_up")])
    def test_both_at_once_and_the_customer_is_told_of_the_last(self, client: Client, until: str, name: str) -> None:
        order = make_order(until=until)
        page = words(client.get(self.address(order, name)))
        assert "O pedido está aguardando pagamento: vai receber R$ 119,80 agora?" in page.replace("\xa0", " ")
        response = client.post(self.address(order, name), {"notify": "on", "receive": "on"}, follow=True)
        order.refresh_from_db()
        assert (order.status, order.payment_status) == ("completed", "paid")
        assert history(order)[-2:] == ["pay", name]
        assert told(order) == [(name, "pending")]
        assert said(response)[0].startswith(f"{order.code}: Pagamento recebido · ")
        text = texts.render(name, NotificationLog.objects.get().parsed_snapshot)
        assert "Pagamento recebido: R$ 119,80." in text

    def test_without_receiving_nothing_is_said_of_a_payment(self, client: Client) -> None:
        order = make_order(until="shipped")
        client.post(self.address(order, "deliver"), {"notify": "on"})
        assert history(order)[-1] == "deliver"
        assert "agamento" not in texts.render("deliver", NotificationLog.objects.get().parsed_snapshot)

    def test_a_refused_hand_over_takes_no_payment(self, client: Client) -> None:
        order = make_order(until="ready_for_pickup")
        response = client.post(self.address(order, "pick_up"), {"pickup_code": "????", "receive": "on"})
        assert response.status_code == 200
        assert history(order)[-1] == "ready_for_pickup"

    def test_who_has_paid_is_not_asked(self, client: Client) -> None:
        order = make_order(until="shipped")
        apply_transition(order, "pay", notify=False)
        assert "receber" not in words(client.get(self.address(order, "deliver")))


class TestManyAtOnce:
    def start(self, client: Client, name: str, orders: list[Order]) -> Any:
        return client.post(LIST, {"action": f"transition_{name}", "_selected_action": [order.pk for order in orders]})

    def finish(self, client: Client, name: str, orders: list[Order], **data: Any) -> Any:
        values = {"orders": ",".join(str(order.pk) for order in orders), "notify": "on", **data}
        return client.post(reverse("admin:orders_order_bulk_transition", args=[name]), values, follow=True)

    def test_a_final_step_lists_the_orders_and_wants_their_number(self, client: Client) -> None:
        orders = [make_order() for _ in range(3)]
        Customer.objects.filter(pk=orders[0].customer_id).update(opted_out_at=Now(), opted_out_how="x")
        response = self.start(client, "cancel", orders)
        page = words(response)
        assert all(f"{order.code} · Maria da Silva · pendente" in page for order in orders)
        assert "0 clientes serão avisados. Sem aviso: 3 não querem mensagens." in page
        assert "bg-red-600" in response.content.decode()
        for typed in ("", "2", "x"):
            response = self.finish(client, "cancel", orders, count=typed, reason="Loja em reforma")
            assert response.context["form"].errors["count"]
            assert 'value="Loja em reforma"' in response.content.decode() or "Loja em reforma" in words(response)
        assert not OrderEvent.objects.filter(transition="cancel").exists()
        self.finish(client, "cancel", orders, count="3")
        assert OrderEvent.objects.filter(transition="cancel").count() == 3

    def test_many_of_any_step_do_too(self, client: Client) -> None:
        orders = [make_order() for _ in range(21)]
        response = self.start(client, "confirm", orders)
        assert "count" in response.context["form"].fields
        assert "… e mais 1." in words(response)
        assert "21 clientes serão avisados." in words(response)
        assert self.finish(client, "confirm", orders, count="20").context["form"].errors["count"] == [
            "Digite o número de pedidos que mudam: 21."
        ]
        self.finish(client, "confirm", orders, count="21")
        assert OrderEvent.objects.filter(transition="confirm").count() == 21

    def test_a_few_of_an_ordinary_step_do_not(self, client: Client) -> None:
        orders = [make_order(), make_order()]
        assert "count" not in self.start(client, "confirm", orders).context["form"].fields
        assert said(self.finish(client, "confirm", orders)) == ["Confirmar: 2 pedidos alterados."]

    def test_the_page_costs_the_same_for_many(self, client: Client) -> None:
        counts = []
        for size in (21, 60):
            orders = [make_order() for _ in range(size)]
            with CaptureQueriesContext(connection) as queries:
                self.start(client, "cancel", orders)
            counts.append(len(queries))
        assert counts[0] == counts[1]

    def test_says_of_whom_it_tells_nobody_and_why(self) -> None:
        phoneless = make_order(customer_phone="", customer_name="Zé")
        orders = Order.objects.all()
        make_order()
        assert audience(orders, "confirm") == Audience(1, ["1 sem telefone"])
        store = phoneless.store
        store.silent_transitions = ["confirm"]
        store.save()
        assert audience(orders, "confirm") == Audience(0, ["1 sem telefone", "1 de loja que não dá este aviso"])
        assert audience(orders, "cancel") == Audience(1, ["1 sem telefone"])

    def test_a_code_for_a_couriers_order_is_asked_about(self, client: Client) -> None:
        courier = make_order(until="confirmed")
        pac = make_order(until="confirmed", delivery_method="correios_pac")
        lines = f"{pac.code};AA123456785BR\n{courier.code}\tAA987654325BR"
        response = self.finish(client, "ship", [courier, pac], codes=lines)
        [asked] = response.context["form"].errors["codes"]
        assert (
            f"O pedido {courier.code} vai por Motoboy e não precisa de código de rastreio: “AA987654325BR”."
            in unescape(asked)
        )
        assert lines in unescape(response.content.decode())
        assert not OrderEvent.objects.filter(transition="ship").exists()

    def test_one_page_for_all_of_them_is_asked_about(self, client: Client) -> None:
        orders = [make_order(until="confirmed") for _ in range(2)]
        page = "https://loggi.example/1"
        response = self.finish(client, "ship", orders, tracking_url=page)
        [asked] = response.context["form"].errors["tracking_url"]
        assert "Os 2 pedidos recebem esta mesma página: ela não é a de um pacote só?" in asked
        assert not OrderEvent.objects.filter(transition="ship").exists()
        [sure] = re.findall(r'name="sure" value="([^"]*)"', asked)
        self.finish(client, "ship", orders, tracking_url=page, sure=unescape(sure))
        assert OrderEvent.objects.filter(transition="ship").count() == 2

    @pytest.mark.parametrize("sign", [";", ",", "\t", " ", ": "])
    def test_a_list_of_two_columns_is_read_with_any_sign(self, client: Client, sign: str) -> None:
        orders = [make_order(until="confirmed", delivery_method="correios_pac") for _ in range(2)]
        codes = ["AA123456785BR", "AA323456785BR"]
        lines = "\n".join(f"{order.code}{sign}{code}" for order, code in zip(orders, codes, strict=True))
        self.finish(client, "ship", orders, codes=lines)
        assert list(Order.objects.order_by("pk").values_list("tracking_code", flat=True)) == codes


def test_a_courier_is_not_asked_for_a_code_on_its_own_page(client: Client) -> None:
    order = make_order(until="confirmed")
    form = client.get(reverse("admin:orders_order_transition", args=[order.pk, "ship"])).context["form"]
    assert list(form.fields) == ["tracking_url", "notify"]


class TestWhatTheCustomerHolds:
    def edit(self, client: Client, order: Order, **values: Any) -> Any:
        return client.post(order.get_admin_url(), {"notes": "", **values}, follow=True)

    def deadline(self, days: int) -> tuple[Any, dict[str, str]]:
        when = (timezone.localtime() + timedelta(days=days)).replace(hour=19, minute=0, second=0, microsecond=0)
        return when, {"pickup_deadline_0": f"{when:%d/%m/%Y}", "pickup_deadline_1": "19:00"}

    def test_a_moved_deadline_is_told_if_that_is_wanted(self, client: Client) -> None:
        order = make_order(until="ready_for_pickup")
        when, typed = self.deadline(9)
        self.edit(client, order, **typed, tell_change="on")
        order.refresh_from_db()
        assert order.pickup_deadline == when
        assert history(order)[-1] == "move_deadline"
        assert told(order) == [("move_deadline", "pending")]
        text = texts.render("move_deadline", NotificationLog.objects.get().parsed_snapshot)
        assert f"Retire até {spoken_moment(when)}." in text

    def test_it_is_typed_and_told_by_the_clock_where_the_store_is(self, client: Client) -> None:
        zone = ZoneInfo("America/Manaus")
        Store.objects.update(time_zone=zone.key, pickup_until="18:00")
        order = make_order(until="ready_for_pickup")
        page = client.get(order.get_admin_url()).content.decode()
        assert re.search(r'name="pickup_deadline_1" value="18:00(:00)?"', page)
        when = (timezone.localtime(timezone=zone) + timedelta(days=9)).replace(
            hour=19, minute=0, second=0, microsecond=0
        )
        typed = {"pickup_deadline_0": f"{when:%d/%m/%Y}", "pickup_deadline_1": "19:00"}
        self.edit(client, order, **typed, tell_change="on")
        order.refresh_from_db()
        assert order.pickup_deadline == when
        text = texts.render("move_deadline", NotificationLog.objects.get().parsed_snapshot)
        assert f"Retire até {spoken_moment(when, zone)}." in text
        assert ", às 19h." in text

    def test_else_it_is_asked_about_and_kept_when_sure(self, client: Client) -> None:
        order = make_order(until="ready_for_pickup")
        when, typed = self.deadline(9)
        response = self.edit(client, order, **typed)
        [asked] = response.context["adminform"].form.errors["pickup_deadline"]
        assert "O cliente conhece o anterior" in asked
        [sure] = re.findall(r'name="sure" value="([^"]*)"', asked)
        self.edit(client, order, **typed, sure=unescape(sure))
        order.refresh_from_db()
        assert (order.pickup_deadline, history(order)[-1], told(order)) == (when, "ready_for_pickup", [])

    def test_a_new_address_on_the_way_is_told(self, client: Client) -> None:
        order = make_order(until="shipped", delivery_address="Rua A, 1")
        assert (
            "delivery_address" in self.edit(client, order, delivery_address="Rua B, 2").context["adminform"].form.errors
        )
        self.edit(client, order, delivery_address="Rua B, 2", tell_change="on")
        order.refresh_from_db()
        assert (order.delivery_address, told(order)) == ("Rua B, 2", [("change_address", "pending")])
        text = texts.render("change_address", NotificationLog.objects.get().parsed_snapshot)
        assert "Ele vai para: Rua B, 2\n" in text

    def test_before_it_has_left_nobody_is_asked(self, client: Client) -> None:
        order = make_order(until="confirmed", delivery_address="Rua A, 1")
        self.edit(client, order, delivery_method="courier", delivery_address="Rua B, 2")
        order.refresh_from_db()
        assert (order.delivery_address, told(order)) == ("Rua B, 2", [])


class TestGoingBack:
    def delivered(self, status: str) -> Order:
        """An order whose delivery was told, as far as `status` says."""
        order = make_order(until="shipped")
        apply_transition(order, "deliver")
        values = {"sent_at": Now()} if status == "sent" else {}
        NotificationLog.objects.update(status=status, error_code="x" if status == "failed" else "", **values)
        return order

    @pytest.mark.parametrize("status", ["sent", "unknown"])
    def test_who_was_told_wrong_is_told_right(self, status: str) -> None:
        order = self.delivered(status)
        apply_transition(order, "back_to_shipped")
        assert (order.status, order.delivery_status) == ("confirmed", "shipped")
        assert told(order) == [("deliver", status), ("back_to_shipped", "pending")]
        text = texts.render("back_to_shipped", NotificationLog.objects.latest("pk").parsed_snapshot)
        assert f"desculpe, nosso aviso anterior sobre o pedido *{order.code}* foi um engano." in text
        assert "O pedido ainda está a caminho e não foi entregue." in text

    @pytest.mark.parametrize(
        ("status", "ended"), [("pending", "cancelled"), ("cancelled", "cancelled"), ("failed", "failed")]
    )
    def test_who_was_not_told_reads_nothing(self, status: str, ended: str) -> None:
        order = self.delivered(status)
        apply_transition(order, "back_to_shipped")
        assert told(order) == [("deliver", ended)]

    def test_what_was_corrected_before_counts_no_more(self) -> None:
        order = self.delivered("sent")
        apply_transition(order, "back_to_shipped")
        NotificationLog.objects.update(status="sent", sent_at=Now())
        apply_transition(order, "deliver")
        apply_transition(order, "back_to_shipped")
        assert told(order) == [("deliver", "sent"), ("back_to_shipped", "sent"), ("deliver", "cancelled")]

    @pytest.mark.parametrize(
        ("paid", "status", "is_told"),
        [(True, "sent", True), (True, "pending", True), (True, "failed", False), (False, "sent", False)],
    )
    def test_who_read_of_a_payment_at_the_hand_over_is_told(self, paid: bool, status: str, is_told: bool) -> None:
        order = make_order(until="shipped")
        for name in ("pay", "deliver") if paid else ("deliver", "pay"):
            apply_transition(order, name, notify=name == "deliver")
        values = {"sent_at": Now()} if status == "sent" else {}
        NotificationLog.objects.update(status=status, error_code="expired" if status == "failed" else "", **values)
        apply_transition(order, "unpay")
        assert told(order) == [("deliver", status)] + [("unpay", "pending")] * is_told

    @pytest.mark.parametrize("is_sent", [False, True])
    @pytest.mark.parametrize("step", ["move_deadline", "correct_tracking"])
    def test_what_was_said_of_the_step_later_goes_with_it(self, step: str, is_sent: bool) -> None:
        if step == "move_deadline":
            order = make_order(until="ready_for_pickup")
            apply_transition(order, step, pickup_deadline=(timezone.now() + timedelta(days=9)).isoformat())
        else:
            order = make_order(until="shipped", delivery_method="correios_pac")
            apply_transition(order, step, tracking_code="AA323456781BR")
        if is_sent:
            NotificationLog.objects.update(status="sent", sent_at=Now())
        apply_transition(order, "back_to_preparation")
        said = [(step, "sent"), ("back_to_preparation", "pending")]
        assert told(order) == (said if is_sent else [(step, "cancelled")])

    def test_many_cost_no_more_than_one(self) -> None:
        counts = []
        for size in (2, 20):
            orders = [make_order(until="shipped") for _ in range(size)]
            apply_transition_bulk(orders, "deliver")
            with CaptureQueriesContext(connection) as queries:
                assert len(apply_transition_bulk(orders, "back_to_shipped").applied) == size
            counts.append(len(queries))
        assert counts[0] == counts[1]

    @pytest.mark.parametrize(
        ("until", "step", "back", "ended"),
        [
            ("confirmed", "ship", "back_to_preparation", ("confirmed", "pending")),
            ("ready_for_pickup", "pick_up", "back_to_counter", ("confirmed", "ready_for_pickup")),
            ("shipped", "cancel", "reopen", ("confirmed", "shipped")),
        ],
    )
    def test_each_step_has_its_way_back(
        self, client: Client, until: str, step: str, back: str, ended: tuple[str, str]
    ) -> None:
        order = make_order(until=until)
        apply_transition(order, step, notify=False)
        address = reverse("admin:orders_order_transition", args=[order.pk, back])
        assert f'href="{address}"' in client.get(order.get_admin_url()).content.decode()
        assert "Só se o aviso errado pode ter chegado a ele" in words(client.get(address))
        client.post(address, {"notify": "on"})
        order.refresh_from_db()
        assert (order.status, order.delivery_status) == ended
        assert told(order) == []

    @pytest.mark.parametrize("is_told", [False, True])
    def test_the_page_says_that_the_customer_is_told_only_if(
        self, client: Client, settings: Any, is_told: bool
    ) -> None:
        settings.STAFF_UNDO_SECONDS = 30
        order = self.delivered("sent" if is_told else "failed")
        address = reverse("admin:orders_order_transition", args=[order.pk, "back_to_shipped"])
        [message] = said(client.post(address, {"notify": "on"}, follow=True))
        assert ("O cliente é avisado em 30 segundos." in message) is is_told
        assert told(order)[1:] == [("back_to_shipped", "pending")] * is_told
        assert "Desfazer" in message

    def test_of_many_it_says_so_of_those_who_are_told(self, client: Client, settings: Any) -> None:
        settings.STAFF_UNDO_SECONDS = 30
        orders = [self.delivered("failed"), make_order(until="shipped")]
        apply_transition(orders[1], "deliver", notify=False)
        values = {"orders": f"{orders[0].pk},{orders[1].pk}", "notify": "on"}
        address = reverse("admin:orders_order_bulk_transition", args=["back_to_shipped"])
        [message] = said(client.post(address, values, follow=True))
        assert "avisado" not in message
        for order in orders:
            apply_transition(order, "deliver")
        NotificationLog.objects.filter(status="pending").update(status="sent", sent_at=Now())
        [message] = said(client.post(address, values, follow=True))
        assert "Os clientes são avisados em 30 segundos." in message

    def test_they_are_no_actions_of_the_list(self, client: Client) -> None:
        make_order()
        choices = client.get(LIST).context["action_form"].fields["action"].choices
        assert not [name for name, _words in choices if "back_to" in name or "reopen" in name]
