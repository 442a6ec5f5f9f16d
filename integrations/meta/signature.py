"""Who may tell us of a number at Meta: whoever signs with the secret of the shop's own app there."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

HEADER = "X-Hub-Signature-256"
LONGEST_CHALLENGE = 200


def sign(secret: str, body: bytes) -> str:
    """The header's value: HMAC-SHA256 over the body as it came, in hex."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def is_authentic(secret: str, body: bytes, given: str) -> bool:
    """Whether the body was signed with the secret, in constant time. An empty secret signs nothing."""
    return bool(secret) and hmac.compare_digest(sign(secret, body).encode(), given.encode())


def challenge(query: Mapping[str, str], verify_token: str) -> str | None:
    """What Meta wants to hear back when it is told our address, if it knows the token; else None.

    An empty token is nobody's.
    """
    if query.get("hub.mode") != "subscribe" or not verify_token:
        return None
    if not hmac.compare_digest(query.get("hub.verify_token", "").encode(), verify_token.encode()):
        return None
    wanted = query.get("hub.challenge", "")
    return wanted if wanted.isascii() and wanted.isalnum() and len(wanted) <= LONGEST_CHALLENGE else None
