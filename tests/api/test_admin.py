"""Tokens in the admin: shown once, never changed into more than they are, revoked; and what they did in timelines."""

from __future__ import annotations

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from api.models import ApiToken
from flowlog.staffpages.groups import MANAGEMENT_GROUP, OPERATION_GROUP
from orders.models import Order, Store
from tests.api.client import ORDER, Program, make_token
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db
LIST = "/admin/api/apitoken/"


@pytest.fixture
def chief() -> Client:
    return client_of(make_staff("gil", MANAGEMENT_GROUP))


def add(chief: Client, **values: object) -> str:
    """What the answer shows once the token is made."""
    form = {
        "store": Store.get_default().pk, "name": "Minha loja", "scopes": ["orders:read", "orders:write"],
        "_once": "chave", **values,
    }  # fmt: skip
    return chief.post(f"{LIST}add/", form, follow=True).content.decode()


def test_a_token_is_shown_once_and_opens_the_door(chief: Client) -> None:
    body = add(chief)
    [secret] = set(re.findall(r"flw_live_[\w-]{43}", body))
    token = ApiToken.objects.get()
    assert (token.name, token.is_test, token.scopes) == ("Minha loja", False, ["orders:read", "orders:write"])
    assert token.created_by is not None
    assert token.created_by.username == "gil"
    headers = {"authorization": f"Bearer {secret}"}
    assert Client().get("/api/v1/orders", headers=headers).status_code == 200
    # Neither the same form again nor its page tells it any more.
    pages = [chief.get(address).content.decode() for address in (LIST, f"{LIST}{token.pk}/change/")]
    for shown in (add(chief), *pages):
        assert secret not in shown
        assert token.token_hash not in shown
    assert ApiToken.objects.count() == 1
    assert secret[:13] in chief.get(LIST).content.decode()
    assert [secret in str(entry.get_change_message()) for entry in LogEntry.objects.all()] == [False]


def test_one_for_tests_says_so_and_stays_so(chief: Client) -> None:
    assert re.findall(r"flw_test_[\w-]{43}", add(chief, is_test="on"))
    token = ApiToken.objects.get()
    form = {"name": "Outra", "scopes": ["messages:read"], "is_test": "", "store": "999"}
    chief.post(f"{LIST}{token.pk}/change/", form)
    token.refresh_from_db()
    assert (token.name, token.is_test, token.scopes) == ("Outra", True, ["messages:read"])
    assert token.store == Store.get_default()


def test_a_token_may_something(chief: Client) -> None:
    for scopes in ([], ["admin"]):
        add(chief, scopes=scopes)
    assert not ApiToken.objects.exists()


def test_it_is_revoked_for_good(chief: Client) -> None:
    token, _secret = make_token()
    assert "Revogar" in chief.get(f"{LIST}{token.pk}/change/").content.decode()
    assert "recusado na hora" in chief.get(f"{LIST}{token.pk}/revoke/").content.decode()
    assert ApiToken.objects.filter(revoked_at=None).exists()
    answer = chief.post(f"{LIST}{token.pk}/revoke/", {"_once": "x"}, follow=True)
    assert "Revogado: a partir de agora não abre mais nada." in answer.content.decode()
    first = ApiToken.objects.get().revoked_at
    chief.post(f"{LIST}{token.pk}/revoke/", {"_once": "y"})
    assert first is not None
    assert ApiToken.objects.get().revoked_at == first
    assert [entry.get_change_message() for entry in LogEntry.objects.all()] == ["Revogado."]
    assert f"{LIST}{token.pk}/revoke/" not in chief.get(f"{LIST}{token.pk}/change/").content.decode()
    assert chief.post(f"{LIST}{token.pk}/delete/").status_code == 403


def test_who_may_not_make_tokens_meets_none() -> None:
    token, _secret = make_token()
    others = Store.objects.create(name="Outra")
    stranger = client_of(make_staff("bia", MANAGEMENT_GROUP, stores=[others]))
    for client in (client_of(make_staff()), client_of(make_staff("olga", OPERATION_GROUP)), stranger):
        assert client.post(f"{LIST}{token.pk}/revoke/").status_code in {403, 404}
        assert token.name not in client.get(LIST).content.decode()
    stranger.post(f"{LIST}add/", {"store": Store.get_default().pk, "name": "X", "scopes": ["orders:read"]})
    token.refresh_from_db()
    assert (token.revoked_at, ApiToken.objects.count()) == (None, 1)


def test_the_timeline_says_which_program_did_it(chief: Client) -> None:
    program = Program(name="Site da loja")
    program.post("/orders", ORDER)
    order = Order.objects.get()
    assert chief.get(f"/admin/orders/order/{order.pk}/change/").content.decode().count("Pela API: Site da loja") == 1
