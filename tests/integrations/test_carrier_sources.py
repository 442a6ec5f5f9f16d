"""A carrier that speaks in a way of its own is one file behind one interface."""

from __future__ import annotations

import hmac
import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from integrations import carriers
from integrations.carriers.models import CarrierNews
from integrations.carriers.updates import Status, Update
from integrations.models import NotificationLog, WebhookTally
from integrations.signals import shipment_status_changed
from integrations.sources import RefusedError
from tests.factories import TRACKING_CODE, make_instance, make_order

pytestmark = pytest.mark.django_db

SECRET = "a-secret-for-tests"
STATUSES = {"COLETADO": Status.POSTED, "EM ROTA": Status.OUT_FOR_DELIVERY, "ENTREGUE": Status.DELIVERED}
START = timezone.now() - timedelta(hours=12)


def verify(headers: Mapping[str, str], body: bytes, secret: str) -> str:
    mark = hmac.new(secret.encode(), body, "sha1").hexdigest()
    if not hmac.compare_digest(headers.get("X-Rapido-Sign", "").encode(), mark.encode()):
        raise RefusedError(HTTPStatus.UNAUTHORIZED, "X-Rapido-Sign is wrong.")
    return mark


def parse(body: bytes) -> list[Update]:
    return [
        Update(parcel["codigo"], STATUSES[event["situacao"]], datetime.fromisoformat(event["quando"]))
        for parcel in json.loads(body)["objetos"]
        for event in parcel["eventos"]
        if event["situacao"] in STATUSES
    ]


@pytest.fixture(autouse=True)
def rapido(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.TRACKING_WEBHOOK_SECRET = SECRET
    monkeypatch.setitem(carriers.SOURCES, "rapido", SimpleNamespace(verify=verify, parse=parse))


def post(parcels: Mapping[str, list[tuple[str, int]]], sign: str = "") -> tuple[int, Any]:
    """The status and body of the answer to the parcels' events: what, and how many minutes after `START`."""
    told = [
        {
            "codigo": code,
            "eventos": [{"situacao": what, "quando": str(START + timedelta(minutes=at))} for what, at in events],
        }
        for code, events in parcels.items()
    ]
    body = json.dumps({"objetos": told}).encode()
    headers = {"X-Rapido-Sign": sign or verify_mark(body)}
    response = Client(enforce_csrf_checks=True).post(
        "/webhooks/tracking/rapido/", body, content_type="application/json", headers=headers
    )
    return response.status_code, response.json()


def verify_mark(body: bytes) -> str:
    return hmac.new(SECRET.encode(), body, "sha1").hexdigest()


def test_another_source_moves_orders_and_tells_in_the_order_of_time() -> None:
    make_instance()
    order = make_order(until="shipped", delivery_method="correios_pac")
    NotificationLog.objects.all().delete()
    newest_first = [("ENTREGUE", 20), ("EM ROTA", 10), ("EM TRIAGEM", 5), ("COLETADO", 0)]
    heard: list[tuple[str, str]] = []

    def listen(news: CarrierNews, **_kwargs: Any) -> None:
        heard.append((news.status, news.result))

    shipment_status_changed.connect(listen)
    try:
        answer = post({TRACKING_CODE: newest_first, "BB000000000BR": [("COLETADO", 1)]})
    finally:
        shipment_status_changed.disconnect(listen)
    told = [(order.code, "refused"), ("", "unknown"), (order.code, "applied"), (order.code, "applied")]
    assert answer == (200, {"news": [{"order": code, "result": result} for code, result in told]})
    assert heard == [("posted", "refused"), ("out_for_delivery", "applied"), ("delivered", "applied")]
    assert list(NotificationLog.objects.order_by("pk").values_list("event", flat=True)) == [
        "out_for_delivery",
        "deliver",
    ]
    order.refresh_from_db()
    assert (order.status, order.delivery_status) == ("completed", "delivered")
    assert set(CarrierNews.objects.values_list("source", flat=True)) == {"rapido"}
    assert WebhookTally.objects.get().name == "rapido"


def test_a_replay_of_several_news_changes_nothing() -> None:
    make_order(until="shipped", delivery_method="correios_pac")
    events = {TRACKING_CODE: [("EM ROTA", 10), ("COLETADO", 0)]}
    assert post(events)[0] == 200
    assert post(events)[0] == 409
    assert CarrierNews.objects.count() == 2


def test_what_a_source_refuses_or_has_nothing_to_say_of_changes_nothing() -> None:
    order = make_order(until="shipped", delivery_method="correios_pac")
    assert post({TRACKING_CODE: [("EM ROTA", 10)]}, sign="0") == (401, {"error": "X-Rapido-Sign is wrong."})
    assert post({TRACKING_CODE: [("EM TRIAGEM", 10)]}) == (200, {"news": []})
    # What a source hands on is checked whatever the source does.
    too_long = {"error": "tracking_code must have at most 60 characters."}
    assert post({TRACKING_CODE: [("EM ROTA", 10)], "X" * 61: [("EM ROTA", 10)]}) == (400, too_long)
    assert post({TRACKING_CODE: [("EM ROTA", -600_000)]})[0] == 400
    assert (CarrierNews.objects.count(), order.events.count()) == (0, 3)
    # A single piece of news without an order is for its sender to send again, from whatever source.
    assert post({"BB000000000BR": [("EM ROTA", 10)]}) == (404, {"error": "No order has this code."})


def test_a_source_is_pure() -> None:
    """Neither database nor settings are there, and none is asked for."""
    script = """
import json, sys
from datetime import UTC, datetime
from integrations.carriers import SOURCES
body = json.dumps({"tracking_code": "aa 123 456 785 br", "status": "posted", "occurred_at": str(datetime.now(UTC))})
(update,) = SOURCES["generic"].parse(body.encode())
loaded = {"orders.models", "integrations.carriers.models"} & set(sys.modules)
print(update.tracking_code, update.status, loaded)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env={})
    assert done.stdout == "AA123456785BR posted set()\n"
