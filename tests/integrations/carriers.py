"""A carrier that tells its news."""

from __future__ import annotations

import json
import os
import time
from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from integrations.carriers.sources.generic import sign
from orders.models import Order
from tests.factories import TRACKING_CODE

SECRET = "a-secret-for-tests"
ADDRESS = "/webhooks/tracking/generic/"
CORREIOS = "https://rastreamento.correios.com.br/app/index.php?objetos="
START = timezone.now() - timedelta(hours=12)


def post(body: bytes, *, timestamp: str = "", secret: str = SECRET, signature: str | None = None) -> Any:
    """The answer to a signed request; `secret` and `signature` may be wrong ones."""
    timestamp = timestamp or str(int(time.time()))
    signature = f"sha256={sign(secret, timestamp, body)}" if signature is None else signature
    headers = {"X-Flowlog-Timestamp": timestamp, "X-Flowlog-Signature": signature}
    return Client(enforce_csrf_checks=True).post(ADDRESS, body, content_type="application/json", headers=headers)


def news(status: str, minute: int = 0, /, **values: Any) -> bytes:
    """The body that tells of `status`, `minute` minutes after `START`; never twice the same bytes."""
    occurred_at = (START + timedelta(minutes=minute)).isoformat()
    fields = {"tracking_code": TRACKING_CODE, "status": status, "occurred_at": occurred_at, "id": os.urandom(8).hex()}
    return json.dumps(fields | values).encode()


def tell(status: str, minute: int = 0, **values: Any) -> tuple[int, str]:
    """The status of the answer, and its result or error."""
    response = post(news(status, minute, **values))
    answer = response.json()
    return response.status_code, answer.get("result") or answer["error"]


def way(order: Order) -> list[str]:
    return list(order.events.order_by("pk").values_list("transition", flat=True))[1:]
