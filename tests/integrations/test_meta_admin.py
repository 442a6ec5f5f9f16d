"""An instance at Meta in the admin: what is asked for, what is shown to be pasted, and what is never shown again."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from flowlog.staffpages.groups import MANAGEMENT_GROUP
from integrations.models import EvolutionInstance, MetaNumber
from orders.models import Store
from tests.factories import make_instance
from tests.integrations.meta import APP_SECRET, NUMBER_ID, TEMPLATE, TOKEN, make_number
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

PAGE = "/admin/integrations/evolutioninstance/"


@pytest.fixture(autouse=True)
def without_an_instance(settings: Any) -> None:
    """`bootstrap`, which makes the groups, makes none."""
    settings.EVOLUTION_INSTANCE = ""


@pytest.fixture
def client() -> Client:
    return client_of(make_staff(group=MANAGEMENT_GROUP))


def form(**values: str) -> dict[str, str]:
    store = str(Store.get_default().pk)
    return {"store": store, "name": "loja", "gateway": "meta", "messages_per_minute": "0", "daily_cap": "0"} | values


def inline(number: MetaNumber | None = None, **values: str) -> dict[str, str]:
    fields = {
        "TOTAL_FORMS": "1", "INITIAL_FORMS": "1" if number else "0", "MIN_NUM_FORMS": "1", "MAX_NUM_FORMS": "1",
        "0-phone_number_id": NUMBER_ID, "0-access_token": TOKEN, "0-app_secret": APP_SECRET,
        "0-template_name": TEMPLATE, "0-template_language": "pt_BR",
    } | ({"0-id": str(number.pk), "0-instance": str(number.instance_id)} if number else {})  # fmt: skip
    return form() | {f"meta_number-{name}": value for name, value in (fields | values).items()}


def test_an_instance_at_meta_is_asked_for_its_number_next(client: Client) -> None:
    answer = client.post(f"{PAGE}add/", form(), follow=True)
    instance = EvolutionInstance.objects.get()
    assert answer.redirect_chain == [(f"{PAGE}{instance.pk}/change/", 302)]
    page = answer.content.decode()
    assert "Agora preencha abaixo o que a loja tem na Meta" in page
    assert 'name="meta_number-0-access_token"' in page
    assert 'name="api_key"' not in page
    answer = client.post(f"{PAGE}{instance.pk}/change/", inline(), follow=True)
    assert answer.redirect_chain == [(PAGE, 302)]
    number = MetaNumber.objects.get()
    kept = (number.instance, number.phone_number_id, number.template.name, number.template.language)
    assert kept == (instance, NUMBER_ID, TEMPLATE, "pt_BR")
    assert (number.access_token.reveal(), number.app_secret.reveal()) == (TOKEN, APP_SECRET)


def test_what_is_pasted_at_meta_is_shown_and_no_secret(client: Client, settings: Any) -> None:
    settings.SITE_URL = "https://pedidos.example.com"
    number = make_number(make_instance(name="minha loja", gateway="meta"))
    page = client.get(f"{PAGE}{number.instance_id}/change/").content.decode()
    assert "<code>https://pedidos.example.com/webhooks/meta/minha%20loja</code>" in page
    assert "<code>palavra</code>" in page
    assert TOKEN not in page
    assert APP_SECRET not in page


def test_secrets_that_are_left_empty_stay(client: Client) -> None:
    number = make_number(make_instance(name="loja", gateway="meta"))
    changed = inline(number, **{"0-access_token": "", "0-app_secret": "", "0-template_name": "outro"})
    assert client.post(f"{PAGE}{number.instance_id}/change/", changed).status_code == 302
    number = MetaNumber.objects.get()
    assert (number.template_name, number.verify_token) == ("outro", "palavra")
    assert (number.access_token.reveal(), number.app_secret.reveal()) == (TOKEN, APP_SECRET)


@pytest.mark.parametrize(
    "wrong",
    [
        {"0-phone_number_id": "+55 11 98765-4321"},
        {"0-phone_number_id": ""},
        {"0-access_token": ""},
        {"0-app_secret": ""},
        {"0-template_name": "Aviso de pedido"},
        {"0-template_name": ""},
        {"0-template_language": "português"},
    ],
)
def test_what_meta_would_not_take_is_refused(client: Client, wrong: dict[str, str]) -> None:
    instance = make_instance(name="loja", gateway="meta")
    answer = client.post(f"{PAGE}{instance.pk}/change/", inline(None, **wrong))
    assert answer.status_code == 200
    [refused] = answer.context["inline_admin_formsets"][0].formset.errors
    assert [f"0-{field}" for field in refused] == list(wrong)
    assert MetaNumber.objects.count() == 0


def test_who_may_not_change_instances_changes_no_number() -> None:
    number = make_number(make_instance(name="loja", gateway="meta"))
    client = client_of(make_staff())
    changed = inline(number, **{"0-template_name": "outro"})
    assert client.post(f"{PAGE}{number.instance_id}/change/", changed).status_code == 403
    assert MetaNumber.objects.get().template_name == TEMPLATE


def test_an_instance_at_the_gateway_knows_nothing_of_meta(client: Client) -> None:
    instance = make_instance()
    page = client.get(f"{PAGE}{instance.pk}/change/").content.decode()
    assert "meta_number" not in page
    assert 'name="api_key"' in page
