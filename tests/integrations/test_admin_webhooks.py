"""Webhooks in the admin."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from flowlog.staffpages.groups import MANAGEMENT_GROUP
from integrations.inbound.admin import RESULT_WORDS
from integrations.inbound.verdicts import Verdict
from integrations.models import WebhookEvent
from tests.integrations import webhooks
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

LIST = "/admin/integrations/webhookevent/"


@pytest.fixture
def client() -> Client:
    operator = make_staff("operadora", group="")
    operator.user_permissions.add(Permission.objects.get(codename="view_webhookevent"))
    return client_of(operator)


def make_webhook(event: str = "messages.update", **values: Any) -> WebhookEvent:
    payload = values.pop("payload", webhooks.envelope(event, {"text": "<b>Olá</b>"}))
    return WebhookEvent.objects.create(
        source="evolution", instance_name="flowlog", event=event, payload=payload, **values
    )


def found(client: Client, **query: str) -> list[int]:
    return [webhook.pk for webhook in client.get(LIST, query).context["cl"].result_list]


def test_says_what_was_made_of_each(client: Client) -> None:
    now = timezone.now()
    waiting, done, failed = (
        make_webhook(),
        make_webhook(processed_at=now),
        make_webhook("messages.upsert", processed_at=now, error=Verdict.FAILED),
    )
    body = unescape(client.get(LIST).content.decode())
    for words in ("aguardando", "tratado", "falhou: veja o log"):
        assert words in body
    assert found(client) == [failed.pk, done.pk, waiting.pk]
    assert found(client, result="waiting") == [waiting.pk]
    assert found(client, result="done") == [done.pk]
    assert found(client, result="failed") == [failed.pk]
    assert found(client, event="messages.upsert") == [failed.pk]


def test_every_verdict_that_is_kept_has_words() -> None:
    kept = set(Verdict) - {Verdict.PARKED, Verdict.SUPERSEDED}
    assert set(RESULT_WORDS) == {"waiting", "done", *kept}


def test_shows_the_payload_as_text_and_offers_no_change(client: Client) -> None:
    webhook = make_webhook()
    response = client.get(f"{LIST}{webhook.pk}/change/")
    assert response.status_code == 200
    assert b"&lt;b&gt;Ol\xc3\xa1&lt;/b&gt;" in response.content
    assert b"<b>Ol" not in response.content
    assert b'name="_save"' not in response.content
    assert client.post(f"{LIST}{webhook.pk}/delete/", {"post": "yes"}).status_code == 403
    assert WebhookEvent.objects.count() == 1


def test_its_page_says_what_was_made_of_it(client: Client) -> None:
    webhook = make_webhook(processed_at=timezone.now())
    field = client.get(f"{LIST}{webhook.pk}/change/").content.decode().partition("Resultado")[2]
    assert re.sub(r"<[^>]*>", " ", field).split()[0] == "tratado"


def test_no_group_of_the_staff_may_read_them() -> None:
    make_webhook()
    assert client_of(make_staff("gil", MANAGEMENT_GROUP)).get(LIST).status_code == 403
