"""Carriers that a store is connected to: Melhor Envio's webhooks, Correios' answers. Invented data."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

from django.test import Client

from integrations.carriers import CARRIERS
from integrations.carriers.models import CarrierConnection, CarrierNews
from orders.models import Store

SECRET = 'segredo & "aspas"'
LABEL = "9f3c2b7e-1a44-4e0b-9a55-0c3d2e1f0a9b"


def make_connection(source: str = "melhorenvio", store: Store | None = None, **values: Any) -> CarrierConnection:
    credentials = values.pop("credentials", None)
    if credentials is None:
        credentials = {each.name: SECRET for each in CARRIERS[source].CREDENTIALS if each.required}
    connection = CarrierConnection(
        **{
            "store": store or Store.get_default(),
            "source": source,
            "name": "Transportadora",
            # Before all that the tests tell of.
            "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        }
        | values
    )
    connection.keep(credentials)
    connection.save(force_insert=True)
    return connection


def label(event: str = "order.posted", **data: Any) -> bytes:
    """Melhor Envio's body about one label."""
    values = {
        "id": LABEL,
        "protocol": "ORD-20261127001",
        "status": event.removeprefix("order."),
        "tracking": "AA123456785BR",
        "self_tracking": None,
        "tracking_url": "https://www.melhorrastreio.com.br/rastreio/AA123456785BR",
        "tags": [],
    } | data
    return json.dumps({"event": event, "data": values}, separators=(",", ":")).replace("/", "\\/").encode()


def sign(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


def send(connection: CarrierConnection, body: bytes, **headers: str) -> int:
    """What the carrier is answered; the signature may be another."""
    given = {"X-ME-Signature": sign(body)} | {name.replace("_", "-"): value for name, value in headers.items()}
    path = f"/webhooks/tracking/{connection.source}/{connection.token}"
    answer = Client(enforce_csrf_checks=True).post(path, body, content_type="application/json", headers=given)
    return answer.status_code


def results() -> list[tuple[str, str]]:
    """Of each row in its order: the carrier's word and the result."""
    rows = CarrierNews.objects.order_by("pk")
    return [(row.statuses[0] if row.statuses else "", row.result) for row in rows]
