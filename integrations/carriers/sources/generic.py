"""The format of our own, for whoever can be told what to send; `integrations/CARRIERS.md` describes it.

It is read strictly: what is not as described is refused with the field's name.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from integrations.carriers.updates import Status, Update, wrong
from integrations.sources import RefusedError
from orders.codes import compact, compact_tracking
from orders.contacts import is_storable

TIMESTAMP_HEADER = "X-Flowlog-Timestamp"
SIGNATURE_HEADER = "X-Flowlog-Signature"
WINDOW_SECONDS = 300


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """The HMAC-SHA256 in hex of `timestamp`, a dot and the body."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def verify(headers: Mapping[str, str], body: bytes, secret: str) -> str:
    """The signature of an authentic, recent request, as we compute it. Raises `RefusedError`."""
    timestamp, given = headers.get(TIMESTAMP_HEADER, ""), headers.get(SIGNATURE_HEADER, "")
    expected = sign(secret, timestamp, body)
    if not hmac.compare_digest(given.encode(), f"sha256={expected}".encode()):
        raise RefusedError(HTTPStatus.FORBIDDEN, f"{SIGNATURE_HEADER} is missing or wrong.")
    if not re.fullmatch(r"[0-9]{1,12}", timestamp) or abs(time.time() - int(timestamp)) > WINDOW_SECONDS:
        raise RefusedError(
            HTTPStatus.FORBIDDEN, f"{TIMESTAMP_HEADER} must be the time of sending, at most 5 minutes off."
        )
    return expected


def parse(body: bytes) -> list[Update]:
    """The one piece of news in a JSON body. Raises `RefusedError`."""
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        raise wrong("The body must be JSON.") from None
    if not isinstance(values, dict):
        raise wrong("The body must be a JSON object.")
    update = Update(
        tracking_code=_text(values, "tracking_code", compact_tracking, required=True),
        order=_text(values, "order", compact),
        status=_status(values),
        occurred_at=_moment(values),
        description=_text(values, "description"),
    )
    return [update]


def _text(values: dict[str, Any], name: str, read: Callable[[str], str] = str, *, required: bool = False) -> str:
    """The field as one line, as `read` has it; optional ones may be missing, null or empty."""
    value = values.get(name)
    value = "" if value is None else value
    if not isinstance(value, str) or not is_storable(value):
        raise wrong(f"{name} must be a string.")
    line = read(" ".join(value.split()))
    if required and not line:
        raise wrong(f"{name} is required.")
    return line


def _status(values: dict[str, Any]) -> Status:
    status = _text(values, "status", required=True)
    if status not in Status:
        raise wrong(f"status must be one of: {', '.join(Status.values)}.")
    return Status(status)


def _moment(values: dict[str, Any]) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(values, "occurred_at", required=True))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise wrong("occurred_at must be a time with its offset, like 2026-11-23T14:30:00-03:00.")
    return moment
