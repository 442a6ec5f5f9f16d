"""The page of one order: what can be done now, and its timeline."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils.html import strip_tags

from integrations.models import NotificationLog
from notifications.actions.resend import resend
from orders.services import apply_transition
from tests.factories import make_order
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

LIST = "/admin/orders/order/"
LABEL = re.compile(r'<span class="inline-block font-semibold rounded-default[^>]*>\s*([^<]*?)\s*</span>')


@pytest.fixture
def ana() -> User:
    return make_staff()


@pytest.fixture
def client(ana: User) -> Client:
    return client_of(ana)


def test_offers_the_possible_transitions(client: Client) -> None:
    order = make_order(until="shipped")
    response = client.get(f"{LIST}{order.pk}/change/")
    names = [entry.name for entry in response.context["transitions"]]
    assert names == ["pay", "out_for_delivery", "deliver", "fail_delivery", "cancel"]
    for name in names:
        assert f'href="/admin/orders/order/{order.pk}/transition/{name}/"' in unescape(response.content.decode())


def test_only_the_next_step_is_prominent(client: Client) -> None:
    order = make_order(until="shipped")
    apply_transition(order, "pay", notify=False)
    body = client.get(f"{LIST}{order.pk}/change/").content.decode()
    buttons = re.findall(r'<a[^>]*href="[^"]*/transition/(\w+)/"[^>]*>', body)
    prominent = re.findall(r'<a[^>]*href="[^"]*/transition/(\w+)/"[^>]*bg-primary-600[^>]*>', body)
    steps = ["out_for_delivery", "deliver", "fail_delivery", "refund", "cancel"]
    assert buttons == [*steps, "back_to_preparation", "unpay"]
    assert prominent == ["out_for_delivery"]


def test_an_order_that_is_off_awaits_neither_payment_nor_preparation(client: Client) -> None:
    order = make_order()
    for place in (LIST, f"{LIST}{order.pk}/change/"):
        labels = LABEL.findall(client.get(place).content.decode())
        assert labels == ["pendente", "aguardando pagamento", "a preparar"]
    apply_transition(order, "cancel", notify=False)
    for place in (LIST, f"{LIST}{order.pk}/change/"):
        assert LABEL.findall(client.get(place).content.decode()) == ["cancelado"]


def test_what_had_happened_to_an_order_that_is_off_stays(client: Client) -> None:
    order = make_order(until="shipped")
    apply_transition(order, "pay", notify=False)
    apply_transition(order, "cancel", notify=False)
    assert LABEL.findall(client.get(LIST).content.decode()) == ["cancelado", "pago", "enviado"]


def test_timeline_says_what_when_and_who_newest_first(client: Client, ana: User) -> None:
    order = make_order()
    apply_transition(order, "cancel", actor=ana, reason="<b>desistiu</b>", notify=False)
    response = client.get(f"{LIST}{order.pk}/change/")
    entries = response.context["timeline"]
    assert [str(entry.done) for entry in entries] == ["Pedido cancelado", "Pedido recebido"]
    body = response.content.decode()
    assert "· ana" in " ".join(body.split())
    assert "· Sistema" in " ".join(body.split())
    assert "&lt;b&gt;desistiu&lt;/b&gt;" in body


def test_timeline_shows_the_message_of_an_event(client: Client) -> None:
    order = make_order(notify=True)
    row = NotificationLog.objects.get()
    NotificationLog.objects.update(message="Olá, <i>Maria</i>!\nRecebemos seu pedido.")
    body = client.get(f"{LIST}{order.pk}/change/").content.decode()
    assert f'href="/admin/integrations/notificationlog/{row.pk}/change/"' in body
    assert "Olá, &lt;i&gt;Maria&lt;/i&gt;!" in body
    assert "Recebemos seu pedido." not in body


def test_timeline_shows_a_resend_and_who_wanted_it(client: Client, ana: User) -> None:
    order = make_order(notify=True)
    first = NotificationLog.objects.get()
    NotificationLog.objects.update(status="failed", error_code="expired")
    again = resend(first, actor=ana)
    NotificationLog.objects.filter(pk=again.pk).update(
        status="failed", error_code="expired", created_at="2026-11-23T21:30:00Z"
    )
    last = resend(again)
    NotificationLog.objects.filter(pk=last.pk).update(created_at="2026-11-24T21:30:00Z")
    [entry] = client.get(f"{LIST}{order.pk}/change/").context["timeline"]
    lines = [" ".join(strip_tags(line).split()) for line in entry.additions[0].split("</p>")]
    assert lines == [
        "WhatsApp falhou",
        "WhatsApp falhou Reenviada por ana em 23/11/2026 18:30",
        "WhatsApp pendente Reenviada em 24/11/2026 18:30",
        "",
    ]
    for row in (first, again, last):
        assert f'href="/admin/integrations/notificationlog/{row.pk}/change/"' in entry.additions[0]


def test_message_is_hidden_from_who_may_not_see_the_log() -> None:
    bia = make_staff("bia", group="")
    bia.user_permissions.add(Permission.objects.get(codename="view_order"))
    order = make_order(notify=True)
    assert b"notificationlog" not in client_of(bia).get(f"{LIST}{order.pk}/change/").content


def test_history_tells_each_step_once_and_each_edit(client: Client, ana: User) -> None:
    order = make_order()
    address = f"{LIST}{order.pk}/"
    client.post(f"{address}transition/confirm/", {})
    other = make_order(customer_phone="(11) 98765-0002")
    client.post("/admin/orders/order/transition/confirm/", {"orders": f"{order.pk},{other.pk}"})
    client.post(f"{address}change/", {"delivery_method": "courier", "notes": "Frágil", "freight": "0", "discount": "0"})
    entries = LogEntry.objects.order_by("pk").values_list("object_repr", "user__username")
    assert list(entries) == [(order.code, "ana"), (other.code, "ana"), (order.code, "ana")]
    shown = client.get(f"{address}history/")
    assert [entry.event.transition for entry in shown.context["timeline"]] == ["confirm", "create"]
    [(_when, who, what)] = shown.context["edits"]
    assert (who, what) == ("ana", "Alterado Anotações internas.")
    assert "não tem histórico" not in shown.content.decode()


def test_home_tells_of_what_one_did_last(client: Client) -> None:
    order = make_order()
    client.post(f"{LIST}{order.pk}/transition/confirm/", {})
    assert order.code in client.get("/admin/").content.decode()
