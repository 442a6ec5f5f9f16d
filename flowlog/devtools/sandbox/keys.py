"""Which key opens what."""

from __future__ import annotations

import secrets
from http import HTTPStatus

from flowlog.devtools.sandbox.http import Answer, Request, failure
from flowlog.devtools.sandbox.state import Sandbox


def is_global_key(sandbox: Sandbox, request: Request) -> bool:
    """Whether the request carries the key that opens everything."""
    return is_key(request.key, sandbox.api_key)


def unauthorized() -> Answer:
    """What a wrong or missing key gets."""
    return failure(HTTPStatus.UNAUTHORIZED, "Unauthorized")


def is_key(given: str, key: str) -> bool:
    """Compare in constant time."""
    return secrets.compare_digest(given.encode(), key.encode())
