"""The webhook that tells of an event: its body and its signed headers, as Standard Webhooks describes them.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable
from datetime import UTC
from typing import Any

from orders.parcels import parcels_of
from outgoing.models import SECRET_PREFIX, OutgoingEvent


def body_of(event: OutgoingEvent) -> bytes:
    """What is sent, the same at every try."""
    when = event.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    told = {"type": event.type, "timestamp": when, "data": _data(event.payload)}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def headers_of(event_id: str, timestamp: int, body: bytes, secrets: Iterable[str]) -> dict[str, str]:
    """The three headers, with a signature for each of the secrets; `timestamp` in whole seconds."""
    signed = f"{event_id}.{timestamp}.".encode() + body
    signatures = " ".join(f"v1,{_signature(signed, secret)}" for secret in secrets)
    return {"webhook-id": event_id, "webhook-timestamp": str(timestamp), "webhook-signature": signatures}


def _signature(signed: bytes, secret: str) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def _data(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload as receivers know it: where the order came from, and its parcels, each as one thing."""
    order = dict(payload.get("order") or {})
    if not order:
        return payload
    source = order.pop("source")
    reference = {"id": order.pop("external_id"), "number": order.pop("external_number")}
    parcels = parcels_of(order["delivery_method"], order.pop("tracking_code"), order.pop("tracking_url"))
    order["reference"] = {"source": source, **reference} if source else None
    order["parcels"] = [{"code": parcel.code, "link": parcel.link} for parcel in parcels]
    return {**payload, "order": order}
