"""Each form of the admin is carried out once, however often it is sent."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import connection, connections
from django.db.models.functions import Now
from django.test import Client, RequestFactory
from django.urls import reverse

from flowlog.staffpages.groups import MANAGEMENT_GROUP
from flowlog.staffpages.once import UsedForm
from integrations import retention
from integrations.models import EvolutionInstance, NotificationLog
from orders.models import Customer, Order, OrderEvent, OrderItem, Store
from orders.signals import order_status_changed
from tests.factories import make_order
from tests.processes import wait_until
from tests.staff import client_of, make_staff

LIST = "/admin/orders/order/"
ADD = f"{LIST}add/"
KEY = re.compile(r'<input type="hidden" name="_once" value="([\w-]{22})" autocomplete="off">')


def key_of(client: Client, address: str, **posted: Any) -> str:
    response = client.post(address, posted) if posted else client.get(address)
    # Another form of the page may have one, too.
    key, *_others = KEY.findall(response.content.decode())
    return str(key)


def said(response: Any) -> list[str]:
    return [unescape(str(message)) for message in response.context["messages"]]


@pytest.fixture
def client() -> Client:
    return client_of(make_staff())


@pytest.fixture
def chief() -> Client:
    """Who may do everything."""
    ana = make_staff()
    User.objects.filter(pk=ana.pk).update(is_superuser=True)
    return client_of(User.objects.get(pk=ana.pk))


def order_form(client: Client, **more: str) -> dict[str, str]:
    store = Store.get_default()
    customer, _made = Customer.objects.get_or_create(store=store, name="João Souza", phone="+5511987654321")
    return {
        "store": str(store.pk),
        "customer": str(customer.pk),
        "delivery_method": "pickup",
        "tell_customer": "on",
        "items-TOTAL_FORMS": "1",
        "items-INITIAL_FORMS": "0",
        "items-0-description": "Caneca",
        "items-0-quantity": "3",
        "items-0-unit_price": "19,90",
        "_once": key_of(client, ADD),
        **more,
    }


def made() -> tuple[int, int, int]:
    return Order.objects.count(), OrderEvent.objects.count(), NotificationLog.objects.count()


@pytest.mark.django_db
class TestAdding:
    def test_the_second_save_is_answered_with_the_firsts_result(self, client: Client) -> None:
        form = order_form(client, _continue="1")
        first, second = client.post(ADD, form, follow=True), client.post(ADD, form, follow=True)
        assert made() == (1, 1, 1)
        order = Order.objects.get()
        assert first.redirect_chain == second.redirect_chain == [(order.get_admin_url(), 302)]
        assert said(first) == said(second)
        assert order.code in said(second)[0]

    def test_another_save_button_is_no_other_order(self, client: Client) -> None:
        form = order_form(client)
        first = client.post(ADD, form | {"_save": "1"})
        second = client.post(ADD, form | {"_addanother": "1"})
        assert first.headers["Location"] == second.headers["Location"] == LIST
        assert made() == (1, 1, 1)

    def test_what_was_changed_since_is_not_lost_in_silence(self, client: Client) -> None:
        form = order_form(client)
        client.post(ADD, form)
        client.get(LIST)
        again = client.post(ADD, form | {"notes": "frágil"}, follow=True)
        assert made() == (1, 1, 1)
        assert said(again)[1:] == [
            "Este formulário já tinha sido enviado. O que você mudou nele depois não foi gravado: confira o que ficou."
        ]
        assert Order.objects.get().code in said(again)[0]

    def test_a_form_that_was_refused_can_be_sent_again(self, client: Client) -> None:
        form = order_form(client)
        assert client.post(ADD, form | {"items-0-unit_price": "x"}).status_code == 200
        assert client.post(ADD, form | {"store": str(Store.objects.create(name="Outra").pk)}).status_code == 200
        assert (made(), UsedForm.objects.count()) == ((0, 0, 0), 0)
        assert client.post(ADD, form).status_code == 302
        assert made() == (1, 1, 1)

    def test_each_showing_is_a_form_of_its_own(self, client: Client) -> None:
        client.post(ADD, order_form(client))
        client.post(ADD, order_form(client))
        assert made() == (2, 2, 2)

    def test_a_key_is_worth_nothing_to_another_person(self, client: Client) -> None:
        form = order_form(client)
        client.post(ADD, form)
        assert client_of(make_staff("gil", MANAGEMENT_GROUP)).post(ADD, form, follow=True).status_code == 200
        assert made() == (2, 2, 2)

    def test_a_key_that_nobody_gave_out_does_no_harm(self, client: Client) -> None:
        client.post(ADD, order_form(client, _once="\0" + "é" * 5000))
        assert made() == (1, 1, 1)

    def test_neither_the_key_nor_what_was_typed_is_stored(self, chief: Client) -> None:
        address = reverse("admin:auth_user_add")
        form = {"username": "bia", "usable_password": "true", "password1": "uva-passa-73", "password2": "uva-passa-73"}
        form["_once"] = key_of(chief, address)
        for _ in range(2):
            assert chief.post(address, form).status_code == 302
        assert User.objects.filter(username="bia").count() == 1
        stored = str(UsedForm.objects.values().get())
        assert form["_once"] not in stored
        assert "uva" not in stored

    def test_the_popup_is_answered_again_as_well(self, client: Client) -> None:
        address = reverse("admin:orders_customer_add") + "?_popup=1"
        form = {"store": str(Store.get_default().pk), "name": "Rui", "_popup": "1", "_once": key_of(client, address)}
        first, second = client.post(address, form), client.post(address, form)
        assert Customer.objects.count() == 1
        for response in (first, second):
            assert f"&quot;value&quot;: &quot;{Customer.objects.get().pk}&quot;" in response.content.decode()

    def test_an_item_added_to_an_order_is_added_once(self, client: Client) -> None:
        order = make_order()
        item = order.items.get()
        form = {
            "delivery_method": "courier", "items-TOTAL_FORMS": "2", "items-INITIAL_FORMS": "1",
            "items-0-id": str(item.pk), "items-0-order": str(order.pk), "items-0-description": item.description,
            "items-0-quantity": "2", "items-0-unit_price": "59,90", "items-1-description": "Boné",
            "items-1-quantity": "1", "items-1-unit_price": "30", "items-1-order": str(order.pk),
            "_once": key_of(client, order.get_admin_url()),
        }  # fmt: skip
        for _ in range(2):
            assert client.post(order.get_admin_url(), form).status_code == 302
        assert OrderItem.objects.count() == 2

    def test_every_form_of_every_model_has_a_key(self, chief: Client) -> None:
        request = RequestFactory().get("/")
        request.user = User.objects.get(username="ana")
        asked = []
        for model, model_admin in admin.site._registry.items():
            if model_admin.has_add_permission(request):
                key_of(chief, reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_add"))
                asked.append(model)
        assert {Order, Customer, Store, EvolutionInstance, User, Group} <= set(asked)


@pytest.mark.django_db
class TestActions:
    def test_a_transition_of_one_order(self, client: Client) -> None:
        order = make_order()
        address = f"{LIST}{order.pk}/transition/confirm/"
        form = {"notify": "on", "_once": key_of(client, address)}
        first, second = client.post(address, form, follow=True), client.post(address, form, follow=True)
        assert said(first) == said(second) == [f"{order.code}: Pedido confirmado."]
        assert order.events.count() == 2
        assert NotificationLog.objects.count() == 1

    def test_a_transition_that_was_refused_can_be_tried_again(self, client: Client) -> None:
        order = make_order(until="confirmed", delivery_method="correios_pac")
        address = f"{LIST}{order.pk}/transition/ship/"
        form = {"_once": key_of(client, address)}
        assert client.post(address, form).status_code == 200
        assert client.post(address, form | {"tracking_code": "AA123456785BR"}).status_code == 302
        order.refresh_from_db()
        assert order.delivery_status == "shipped"

    def test_a_transition_of_many(self, client: Client) -> None:
        orders = [make_order(), make_order(until="confirmed")]
        chosen = {"action": "transition_confirm", "_selected_action": [str(order.pk) for order in orders]}
        address = f"{LIST}transition/confirm/"
        form = {"orders": ",".join(str(order.pk) for order in orders), "notify": "on"}
        form["_once"] = key_of(client, LIST, **chosen)
        first, second = client.post(address, form, follow=True), client.post(address, form, follow=True)
        assert said(first) == said(second)
        assert said(second)[0] == "Confirmar: 1 pedido alterado."
        assert NotificationLog.objects.count() == 1

    def test_a_message_is_sent_again_once_though_it_is_sent_already(self, client: Client) -> None:
        row = NotificationLog.objects.get(order=make_order(notify=True))
        sent = {"status": "sent", "sent_at": Now()}
        NotificationLog.objects.update(**sent)
        address = f"/admin/integrations/notificationlog/{row.pk}/resend/"
        form = {"_once": key_of(client, address)}
        first = client.post(address, form)
        NotificationLog.objects.update(**sent)
        second = client.post(address, form)
        assert first.headers["Location"] == second.headers["Location"]
        assert NotificationLog.objects.count() == 2

    def test_a_refused_resend_can_be_tried_again(self, client: Client) -> None:
        row = NotificationLog.objects.get(order=make_order(notify=True))
        NotificationLog.objects.update(status="sent", sent_at=Now())
        address = f"/admin/integrations/notificationlog/{row.pk}/resend/"
        form = {"_once": key_of(client, address)}
        NotificationLog.objects.update(status="pending", sent_at=None)
        client.post(address, form)
        assert NotificationLog.objects.count() == 1
        NotificationLog.objects.update(status="sent", sent_at=Now())
        client.post(address, form)
        assert NotificationLog.objects.count() == 2

    def test_messages_are_cancelled_and_an_instance_released(self, chief: Client) -> None:
        EvolutionInstance.objects.update(held_at=Now(), held_code="x", held_reason="x", probe_at=Now())
        instance = EvolutionInstance.objects.get()
        row = NotificationLog.objects.get(order=make_order(notify=True))
        log = "/admin/integrations/notificationlog/"
        listed = {"action": "cancel_chosen", "_selected_action": [str(row.pk)]}
        release = f"/admin/integrations/evolutioninstance/{instance.pk}/release/"
        for address, key, words in (
            (f"{log}cancel/", key_of(chief, log, **listed), "1 mensagem cancelada."),
            (release, key_of(chief, release), "Pronto: as mensagens voltam a sair."),
        ):
            form = {"chosen": str(row.pk), "_once": key}
            answers = [said(chief.post(address, form, follow=True)) for _ in range(2)]
            assert answers == [[words], [words]]


@pytest.mark.django_db
def test_used_forms_are_forgotten_after_a_session() -> None:
    old, young = (UsedForm.objects.create(key=key, content="x") for key in "ab")
    for form, days in ((old, 8.01), (young, 7.9)):
        UsedForm.objects.filter(pk=form.pk).update(used_at=Now() - timedelta(days=days))
    assert retention.purge().used_forms == 1
    assert [form.key for form in UsedForm.objects.all()] == ["b"]


@contextmanager
def held_back(until: threading.Event, *, fail: bool = False) -> Iterator[threading.Event]:
    """The first order is held back inside its transaction; the event says that it is there."""
    reached = threading.Event()

    def hold(**_kwargs: Any) -> None:
        if not reached.is_set():
            reached.set()
            assert until.wait(30)
            if fail:
                raise RuntimeError("the worker dies")

    order_status_changed.connect(hold)
    try:
        yield reached
    finally:
        until.set()
        order_status_changed.disconnect(hold)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fail", [False, True], ids=["the first gets through", "the first fails"])
def test_two_web_workers_at_the_same_moment_make_one_order(*, fail: bool) -> None:
    ana = make_staff()
    clients = [client_of(ana), client_of(ana)]
    form = order_form(clients[0])
    answers: dict[int, Any] = {}
    for client in clients:
        client.raise_request_exception = False

    def post(number: int) -> None:
        try:
            answers[number] = clients[number].post(ADD, form)
        finally:
            connections.close_all()

    go_on = threading.Event()
    with held_back(go_on, fail=fail) as reached:
        threads = [threading.Thread(target=post, args=(number,)) for number in range(2)]
        threads[0].start()
        assert reached.wait(30)
        threads[1].start()
        wait_until(_somebody_waits_for_the_key, "the second POST waits for the first")
        assert 1 not in answers
        go_on.set()
        for thread in threads:
            thread.join(30)
    assert [answers[number].status_code for number in range(2)] == [500 if fail else 302, 302]
    assert made() == (1, 1, 1)
    assert UsedForm.objects.count() == 1


def _somebody_waits_for_the_key() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
               AND wait_event_type = 'Lock' AND query LIKE 'INSERT INTO "orders_usedform"%'"""
        )
        return bool(cursor.fetchone()[0])
