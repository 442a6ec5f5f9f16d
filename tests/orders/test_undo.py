"""Taking a step back: as if it had never been, once, by whoever did it, and only while it is the last."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from flowlog.env import Env
from integrations.models import NotificationLog
from notifications.actions.resend import never_again
from orders import journey
from orders.erasure import erase
from orders.models import Order, OrderEvent
from orders.services import apply_transition, apply_transition_bulk
from orders.undo import undo
from tests.factories import make_order
from tests.orders.test_transitions import statuses
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

UNDO = "/admin/orders/order/undo/"
BUTTON = re.compile(r'form="flowlog-undo" name="events" value="([^"]*)"')


@pytest.fixture
def ana() -> User:
    return make_staff()


@pytest.fixture
def client(ana: User, settings: Any) -> Client:
    settings.STAFF_UNDO_SECONDS = 30
    return client_of(ana)


def history(order: Order) -> list[str]:
    return list(OrderEvent.objects.filter(order=order).order_by("pk").values_list("transition", flat=True))


def last(order: Order) -> int:
    return OrderEvent.objects.filter(order=order).latest("pk").pk


def fields(order: Order) -> tuple[Any, ...]:
    order.refresh_from_db()
    return *statuses(order), order.tracking_code, order.tracking_url, order.pickup_deadline, order.delivery_attempts


class TestTheService:
    @pytest.mark.parametrize(
        ("until", "method", "name", "data"),
        [
            ("confirmed", "carrier", "ship", {"tracking_code": "X-1", "tracking_url": "https://example.com/1"}),
            ("confirmed", "pickup", "ready_for_pickup", {}),
            ("out_for_delivery", "courier", "fail_delivery", {"reason": "ninguém"}),
            ("shipped", "correios_pac", "correct_tracking", {"tracking_code": "AA323456781BR"}),
            ("shipped", "courier", "deliver", {}),
            ("", "courier", "pay", {}),
            ("shipped", "courier", "cancel", {}),
        ],
    )
    def test_gives_back_all_that_the_step_replaced(
        self, ana: User, until: str, method: str, name: str, data: dict[str, Any]
    ) -> None:
        order = make_order(until=until, delivery_method=method)
        before = fields(order)
        way = history(order)
        apply_transition(order, name, actor=ana, notify=False, **data)
        assert fields(order) != before
        result = undo([last(order)], actor=ana)
        assert ([each.pk for each in result.applied], result.refused) == ([order.pk], [])
        assert fields(order) == before
        assert history(order) == [*way, name, "undo"]
        event = OrderEvent.objects.latest("pk")
        assert (event.actor, event.replaced) == (ana, {"undone": [event.pk - 1]})

    def test_two_steps_made_as_one_are_taken_back_as_one(self, ana: User) -> None:
        order = make_order(until="shipped")
        before = fields(order)
        for name in ("pay", "deliver"):
            apply_transition(order, name, actor=ana, notify=False)
        pks = list(order.events.order_by("-pk").values_list("pk", flat=True)[:2])
        undo(pks, actor=ana)
        assert fields(order) == before
        assert history(order)[-3:] == ["pay", "deliver", "undo"]

    def test_twice_changes_nothing_more(self, ana: User) -> None:
        order = make_order()
        apply_transition(order, "confirm", actor=ana, notify=False)
        pk = last(order)
        undo([pk], actor=ana)
        assert [reason for _order, reason in undo([pk], actor=ana).refused] == [
            f"Pedido {order.code}: isto já foi desfeito."
        ]
        assert history(order) == ["create", "confirm", "undo"]

    def test_a_step_that_is_not_the_last_stays(self, ana: User) -> None:
        order = make_order()
        apply_transition(order, "confirm", actor=ana, notify=False)
        pk = last(order)
        apply_transition(order, "pay", notify=False)
        assert [reason for _order, reason in undo([pk], actor=ana).refused] == [
            f"O pedido {order.code} mudou desde então: fica como está agora."
        ]
        assert history(order) == ["create", "confirm", "pay"]

    def test_nobody_takes_back_what_another_did(self, ana: User) -> None:
        order = make_order()
        apply_transition(order, "confirm", actor=ana, notify=False)
        result = undo([last(order)], actor=make_staff("bia"))
        assert (result.applied, result.refused, history(order)) == ([], [], ["create", "confirm"])

    def test_an_order_that_was_just_made_is_cancelled(self, ana: User) -> None:
        order = make_order(notify=True, actor=ana)
        undo([last(order)], actor=ana)
        order.refresh_from_db()
        assert (order.status, history(order)) == ("cancelled", ["create", "cancel"])
        assert [row.status for row in NotificationLog.objects.all()] == ["cancelled"]

    def test_costs_the_same_for_many(self, ana: User) -> None:
        counts = []
        for size in (2, 30):
            orders = [make_order() for _ in range(size)]
            done = apply_transition_bulk(orders, "confirm", actor=ana)
            with CaptureQueriesContext(connection) as queries:
                assert len(undo([event.pk for event in done.events], actor=ana).applied) == size
            counts.append(len(queries))
        assert counts == [13, 13]

    def test_its_customer_reads_nothing_of_it(self, ana: User) -> None:
        order = make_order(until="shipped")
        apply_transition(order, "deliver", actor=ana, notify=False)
        undo([last(order)], actor=ana)
        order.refresh_from_db()
        way = journey.of(order)
        assert way.headline == "Seu pedido está a caminho"
        assert [str(step.words) for step in way.steps if step.when] == [
            "Pedido recebido",
            "Pedido confirmado",
            "Pedido enviado",
        ]


def test_an_erasure_forgets_what_steps_replaced(ana: User) -> None:
    order = make_order(until="shipped", delivery_address="Rua A, 1")
    apply_transition(order, "change_address", actor=ana, notify=False, delivery_address="Rua B, 2")
    assert order.events.latest("pk").replaced == {"delivery_address": "Rua A, 1"}
    erase(order.customer, actor=ana)
    assert "Rua A" not in str(list(OrderEvent.objects.values()))


class TestInTheAdmin:
    def button(self, response: Any) -> str:
        [message] = [str(each) for each in response.context["messages"]]
        [events] = BUTTON.findall(message)
        assert f'<form id="flowlog-undo" method="post" action="{UNDO}">' in response.content.decode()
        return str(events)

    def take(self, client: Client, order: Order, name: str, **data: Any) -> Any:
        address = reverse("admin:orders_order_transition", args=[order.pk, name])
        return client.post(address, {"notify": "on", **data}, follow=True)

    def test_one_click_takes_back_step_and_message(self, client: Client, ana: User) -> None:
        order = make_order()
        response = self.take(client, order, "confirm")
        text = unescape(re.sub("<[^>]*>", "", str(next(iter(response.context["messages"])))))
        assert text == f"{order.code}: Pedido confirmado. O cliente é avisado em 30 segundos. Desfazer"
        page = order.get_admin_url()
        response = client.post(UNDO, {"events": self.button(response), "next": page}, follow=True)
        assert response.redirect_chain == [(page, 302)]
        assert [str(each) for each in response.context["messages"]] == [
            f"Pedido {order.code}: desfeito. O cliente não foi avisado de nada."
        ]
        order.refresh_from_db()
        assert (order.status, history(order)) == ("pending", ["create", "confirm", "undo"])
        row = NotificationLog.objects.get()
        assert (row.status, row.cancelled_by) == ("cancelled", ana)
        assert never_again(row) == "O que esta mensagem conta foi desfeito. Ela não é reenviada."
        assert "Passo desfeito" in response.content.decode()

    def test_the_orders_page_offers_it_while_its_moment_lasts(self, client: Client, settings: Any) -> None:
        order = make_order(until="shipped")
        page = order.get_admin_url()
        assert "Desfazer meu último passo" not in client.get(page).content.decode()
        events = self.button(self.take(client, order, "deliver", receive="on"))
        assert f'name="events" value="{events}"' in client.get(page).content.decode()
        settings.STAFF_UNDO_SECONDS = 0
        assert "Desfazer meu último passo" not in client.get(page).content.decode()
        client.post(UNDO, {"events": events})
        order.refresh_from_db()
        assert (order.delivery_status, order.payment_status, len(history(order))) == ("shipped", "pending", 6)
        assert order.events.latest("pk").note == "Pagamento recebido · Pedido entregue"

    def test_what_nobody_is_told_of_is_undone_as_well(self, client: Client) -> None:
        order = make_order()
        response = self.take(client, order, "confirm", notify="")
        assert "avisado" not in str(next(iter(response.context["messages"])))
        client.post(UNDO, {"events": self.button(response)})
        assert history(order) == ["create", "confirm", "undo"]

    @pytest.mark.parametrize("status", ["sending", "sent", "unknown", "failed"])
    def test_what_may_have_left_stays(self, client: Client, status: str) -> None:
        order = make_order()
        events = self.button(self.take(client, order, "confirm"))
        values: dict[str, Any] = {"sending": {"claim_token": "0" * 32, "lease_until": order.created_at}}.get(status, {})
        values |= {"sent_at": order.created_at} if status == "sent" else {}
        NotificationLog.objects.update(status=status, error_code="x", **values)
        response = client.post(UNDO, {"events": events}, follow=True)
        [message] = [str(each) for each in response.context["messages"]]
        assert f"A mensagem do pedido {order.code} já está a caminho: o pedido fica como está agora." in message
        assert history(order) == ["create", "confirm"]
        assert NotificationLog.objects.get().status == status

    def test_many_are_undone_but_for_those_that_cannot(self, client: Client) -> None:
        orders = [make_order() for _ in range(3)]
        values = {"orders": ",".join(str(order.pk) for order in orders), "notify": "on"}
        address = reverse("admin:orders_order_bulk_transition", args=["confirm"])
        events = self.button(client.post(address, values, follow=True))
        NotificationLog.objects.filter(order=orders[1]).update(status="failed", error_code="x")
        response = client.post(UNDO, {"events": events, "next": "https://evil.example/"}, follow=True)
        assert response.redirect_chain == [("/admin/orders/order/", 302)]
        done, refused = [str(each) for each in response.context["messages"]]
        assert done == "2 pedidos: desfeitos. Os clientes não foram avisados de nada."
        assert refused.count("<li>") == 1
        assert orders[1].code in refused
        assert dict(NotificationLog.objects.values_list("order", "status")) == {
            orders[0].pk: "cancelled",
            orders[1].pk: "failed",
            orders[2].pk: "cancelled",
        }

    @pytest.mark.parametrize("events", ["", "x", "1-", "1-99999999999", "1,,2", "-3", "1-20000"])
    def test_a_broken_button_undoes_nothing(self, client: Client, events: str) -> None:
        response = client.post(UNDO, {"events": events}, follow=True)
        assert [str(each) for each in response.context["messages"]] == ["Não há mais nada para desfazer."]

    def test_without_a_moment_all_is_as_ever(self, client: Client, settings: Any) -> None:
        settings.STAFF_UNDO_SECONDS = 0
        order = make_order()
        response = self.take(client, order, "confirm")
        assert [str(each) for each in response.context["messages"]] == [f"{order.code}: Pedido confirmado."]

    def test_needs_the_permission_and_the_token(self, client: Client, ana: User) -> None:
        order = make_order()
        events = self.button(self.take(client, order, "confirm"))
        assert client_of(make_staff("bia", group="")).post(UNDO, {"events": events}).status_code == 403
        careful = Client(enforce_csrf_checks=True)
        careful.force_login(ana)
        assert careful.post(UNDO, {"events": events}).status_code == 403
        assert client.get(UNDO).status_code == 302
        assert history(order) == ["create", "confirm"]

    def test_services_tell_at_once_and_the_admin_after_its_moment(self, client: Client) -> None:
        order = make_order(notify=True)
        self.take(client, order, "confirm")
        waits = [row.next_attempt_at - row.created_at for row in NotificationLog.objects.order_by("pk")]
        assert [wait.total_seconds() for wait in waits] == [0, 30]


@pytest.mark.parametrize("seconds", ["-1", "601", "soon"])
def test_a_moment_that_cannot_be_stops_the_start(seconds: str, monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("STAFF_UNDO_SECONDS", seconds)
    with pytest.raises(ImproperlyConfigured, match="STAFF_UNDO_SECONDS"):
        Env(tmp_path / "none").integer("STAFF_UNDO_SECONDS", 30, maximum=600)
