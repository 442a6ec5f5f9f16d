"""Endpoints in the admin: made, their secret shown once, tried, rotated, told again; and who may do it."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from flowlog.staffpages.groups import MANAGEMENT_GROUP, OPERATION_GROUP
from orders.models import Store
from outgoing import delivery
from outgoing.models import Endpoint, OutgoingEvent
from tests.factories import make_order
from tests.integrations.receiver import Receiver
from tests.outgoing.endpoints import make_endpoint, told, verified
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

LIST, EVENTS = "/admin/outgoing/endpoint/", "/admin/outgoing/outgoingevent/"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{43}=")


@pytest.fixture
def chief() -> Client:
    return client_of(make_staff("gil", MANAGEMENT_GROUP))


def page(client: Client, address: str, **form: Any) -> str:
    answer = client.post(address, form, follow=True) if form else client.get(address)
    return answer.content.decode()


def add(chief: Client, **values: Any) -> str:
    """What the answer shows once the endpoint is made."""
    form = {
        "store": Store.get_default().pk, "description": "ERP", "url": "https://loja.example/in", "_once": "chave",
        "_continue": "1", **values,
    }  # fmt: skip
    return page(chief, f"{LIST}add/", **form)


def test_one_is_made_and_its_secret_shown_once(chief: Client, system: Receiver) -> None:
    body = add(chief, url=system.url, kinds=["order.create", "order.pay"])
    [secret] = set(SECRET.findall(body))
    endpoint = Endpoint.objects.get()
    assert (endpoint.kinds, endpoint.with_phone, endpoint.is_on) == (["order.create", "order.pay"], False, True)
    assert "nada enviado ainda" in body
    assert "Guarde lá o segredo" in body
    for shown in (add(chief, url=system.url), page(chief, LIST), page(chief, f"{LIST}{endpoint.pk}/change/")):
        assert SECRET.findall(shown) == []
    assert secret not in str(Endpoint.objects.filter(pk=endpoint.pk).values().get())
    assert [SECRET.search(entry.get_change_message()) for entry in LogEntry.objects.all()] == [None]
    # With what was shown others verify what they get.
    assert "O teste está a caminho" in page(chief, f"{LIST}{endpoint.pk}/try/", x="")
    assert delivery.deliver() == 1
    [hook] = system.hooks()
    assert verified(hook, secret) | {"timestamp": ""} == {
        "type": "test", "timestamp": "", "data": {"message": "Um teste do Flowlog."},
    }  # fmt: skip
    assert "entregando" in page(chief, f"{LIST}{endpoint.pk}/change/")
    assert "200" in page(chief, f"{EVENTS}{OutgoingEvent.objects.get().pk}/change/")


@pytest.mark.parametrize(
    "url",
    [
        "http://loja.example/in", "ftp://loja.example/", "https://", "https://u:p@loja.example/",
        "https://a b.example/", "https://loja.example:0/", "https://[loja/", "https://loja.example/#x",
        "javascript:alert(1)",
    ],
)  # fmt: skip
def test_an_address_is_https_and_has_no_password(chief: Client, settings: Any, url: str) -> None:
    settings.SITE_URL = "https://pedidos.example.com"
    assert "O endereço deve ser como https://loja.example.com/flowlog" in add(chief, url=url)
    assert not Endpoint.objects.exists()


def test_without_a_key_none_is_made_and_the_page_says_why(chief: Client, settings: Any) -> None:
    settings.CREDENTIALS_KEYS = []
    assert "CREDENTIALS_KEYS" in chief.get(f"{LIST}add/", follow=True).content.decode()
    assert "CREDENTIALS_KEYS" in add(chief)
    assert not Endpoint.objects.exists()


def test_a_new_secret_is_shown_once_and_the_old_one_stays_for_a_day(chief: Client) -> None:
    endpoint, former = make_endpoint()
    assert "24 horas" in page(chief, f"{LIST}{endpoint.pk}/rotate/")
    [new] = set(SECRET.findall(page(chief, f"{LIST}{endpoint.pk}/rotate/", _once="a")))
    assert SECRET.findall(page(chief, f"{LIST}{endpoint.pk}/rotate/", _once="a")) == []
    endpoint.refresh_from_db()
    assert endpoint.signing_secrets() == [new, former]
    assert [entry.get_change_message() for entry in LogEntry.objects.all()] == ["Novo segredo feito."]


def test_one_that_is_gone_says_so_until_it_is_switched_on_again(chief: Client, system: Receiver) -> None:
    endpoint, _secret = make_endpoint(system.url)
    make_order()
    system.statuses = [410]
    delivery.deliver()
    shown = page(chief, f"{LIST}{endpoint.pk}/change/")
    assert "desativado" in shown
    assert "Respondeu 410: não há mais ninguém nesse endereço." in shown
    assert "1 evento aguarda." in shown
    form = {"description": "ERP", "url": system.url, "is_on": "on"}
    shown = page(chief, f"{LIST}{endpoint.pk}/change/", **form, _continue="1", _once="b")
    assert "Respondeu 410" not in shown
    OutgoingEvent.objects.update(due_at=Now())
    assert delivery.deliver() == 1
    assert told() == [("order.created", "delivered")]
    assert len({hook.headers["webhook-id"] for hook in system.hooks()}) == 1


def test_chosen_events_are_sent_again_or_given_up(chief: Client) -> None:
    endpoint, _secret = make_endpoint()
    make_order(until="shipped")
    first, second, third = OutgoingEvent.objects.order_by("pk").values_list("pk", flat=True)
    OutgoingEvent.objects.filter(pk=first).update(state="delivered", attempts=3)
    shown = page(chief, EVENTS, action="send_again", _selected_action=[first, second])
    assert "1 evento é enviado de novo." in shown
    assert (told()[0], OutgoingEvent.objects.get(pk=first).attempts) == (("order.created", "pending"), 0)
    claimed = delivery.claim(endpoint.pk, uuid.uuid4())
    assert claimed is not None
    assert "1 evento não é enviado." in page(chief, EVENTS, action="give_up", _selected_action=[first, third])
    assert [state for _name, state in told()] == ["sending", "pending", "cancelled"]


def test_a_span_is_sent_again(chief: Client) -> None:
    endpoint, _secret = make_endpoint()
    other, _secret = make_endpoint()
    make_order(until="shipped")
    days = {event.pk: number // 2 for number, event in enumerate(OutgoingEvent.objects.order_by("pk"))}
    for pk in days:
        event = OutgoingEvent.objects.get(pk=pk)
        OutgoingEvent.objects.filter(pk=pk).update(state="failed", created_at=event.created_at)
    mine = list(OutgoingEvent.objects.filter(endpoint=endpoint).order_by("pk"))
    for number, event in enumerate(mine):
        OutgoingEvent.objects.filter(pk=event.pk).update(created_at=Now() - timedelta(days=number))
    OutgoingEvent.objects.filter(pk=mine[0].pk).update(state="delivered")
    now = timezone.localtime()
    form = {"until_0": f"{now:%d/%m/%Y}", "until_1": f"{now + timedelta(minutes=1):%H:%M}"}
    begins = now - timedelta(days=1, hours=1)
    form |= {"since_0": f"{begins:%d/%m/%Y}", "since_1": f"{begins:%H:%M}"}
    replay = f"{LIST}{endpoint.pk}/replay/"
    asked = page(chief, replay)
    assert ("Reenviar" in asked, "Salvar" in asked) == (True, False)
    assert "1 evento é enviado de novo." in page(chief, replay, **form, _once="a")
    assert [state for _name, state in told(endpoint)] == ["delivered", "pending", "failed"]
    assert "1 evento é enviado de novo." in page(chief, replay, **form, delivered="on", _once="b")
    assert [state for _name, state in told(endpoint)] == ["pending", "pending", "failed"]
    backwards = form | {"until_0": "01/01/2020"}
    assert "O fim vem antes do começo." in page(chief, replay, **backwards, _once="c")
    assert {state for _name, state in told(other)} == {"failed"}


def test_who_may_not_change_them_does_nothing_with_them() -> None:
    endpoint, _secret = make_endpoint()
    make_order()
    OutgoingEvent.objects.update(state="failed")
    elsewhere = Store.objects.create(name="Outra")
    stranger = client_of(make_staff("bia", MANAGEMENT_GROUP, stores=[elsewhere]))
    before = list(Endpoint.objects.values())
    for client in (client_of(make_staff()), client_of(make_staff("olga", OPERATION_GROUP)), stranger):
        for name in ("try", "rotate", "replay"):
            assert client.post(f"{LIST}{endpoint.pk}/{name}/", {"_once": name}).status_code in {403, 404}
        client.post(EVENTS, {"action": "send_again", "_selected_action": [OutgoingEvent.objects.get().pk]})
        assert endpoint.url not in client.get(LIST).content.decode()
    stranger.post(f"{LIST}add/", {"store": Store.get_default().pk, "description": "X", "url": "https://x.example/"})
    assert (list(Endpoint.objects.values()), told()) == (before, [("order.created", "failed")])
