"""Who may tell us news: whoever signs it with the shared secret, now."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from http import HTTPStatus

from integrations.carriers.errors import RefusedError

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
