"""One bounded call to a gateway over HTTP, and what of its answer may be kept."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from integrations.gateways.outcomes import GatewayError, Outcome, Refused
from integrations.gateways.transport import GatewaySession, transport_failure

MAX_BODY = 64 * 1024
KEPT_BODY = 2000
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
# Meta's tokens too: a gateway before Meta quotes what it was answered.
_SECRET_WORD = re.compile(r"\bBearer\s+[\w.~+/=-]+|\bEAA[A-Za-z0-9]{20,}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a gateway answered, whatever its status. `duration` in seconds."""

    status: int
    body: str
    duration: float
    headers: Mapping[str, str] = field(default_factory=dict)

    def error(self, refused: Refused, kept: str) -> GatewayError:
        """What it was refused as, with `kept` of its body."""
        return GatewayError(
            refused.outcome, refused.code, http_status=self.status, response_body=kept, duration=self.duration
        )


def call(session: GatewaySession, method: str, url: str, *, max_body: int = MAX_BODY, **options: Any) -> Answer:
    """The gateway's answer; raises `GatewayError` if none came whole.

    `options` are those of `requests`. A body longer than `max_body` is cut, which no JSON survives: unknown.
    """
    started, status = time.monotonic(), None
    try:
        response = session.request(method, url, allow_redirects=False, stream=True, **options)
        with closing(response):
            status = response.status_code
            body = response.raw.read(max_body, decode_content=False)
    except (requests.RequestException, HTTPError) as error:
        refused = transport_failure(error)
        duration = time.monotonic() - started
        raise GatewayError(refused.outcome, refused.code, http_status=status, duration=duration) from error
    return Answer(status, body.decode(errors="replace"), time.monotonic() - started, response.headers)


def keepable(body: str, secret: str, fields: Iterable[tuple[re.Pattern[str], str]] = ()) -> str:
    """The body as a row may keep it: without the secret and keys, then cut, and without what PostgreSQL refuses.

    `fields`: what else hides a secret, and what to put in its place.
    """
    for form in (json.dumps(secret)[1:-1], secret) if secret else ():
        body = body.replace(form, "***")
    for pattern, place in fields:
        body = pattern.sub(place, body)
    return _SECRET_WORD.sub("***", body).replace("\0", "�")[:KEPT_BODY]


def check_number(number: str) -> None:
    """Raise a permanent `GatewayError` unless the number is E.164."""
    if not _E164.fullmatch(number):
        raise GatewayError(Outcome.PERMANENT, "invalid_number")
