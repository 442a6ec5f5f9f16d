"""Nothing that a log says may tell a customer's number or a secret: everything goes through here before it is written.

Call sites mask what they know to be a number themselves; this is for what nobody thought of, such as the text of an
exception that quotes its argument.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

# Any run of ten digits or more, and numbers as people write them. Times and dates have fewer digits in a row.
_NUMBERS = re.compile(
    r"""
      \d{10,}
    | \+[1-9][\d ().-]{6,24}\d
    | \(?\b\d{2}\)?[ ]?9?[ ]?\d{4}-\d{4}\b
    | \b\d{3}\.\d{3}\.\d{3}-\d{2}\b
    """,
    re.VERBOSE,
)
_KEYS = re.compile(
    r"(?i)(\b(?:bearer|basic)\s+|\b(?:apikey|api_key|authorization|token|password|secret)[\"']?\s*[:=]\s*[\"']?)"
    r"(?!bearer\b|basic\b)[^\s\"',;}&]+"
)
_USERINFO = re.compile(r"(?<=://)[^/\s@]+@")
_TRACKING_PAGE = re.compile(r"(?<=/rastreio/)[\w-]+")
# What is shorter is no secret, and would be found inside ordinary words.
_SHORTEST_SECRET = 6


class Masker:
    """Hides numbers, keys, and the secrets it was made with."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({secret for secret in secrets if len(secret) >= _SHORTEST_SECRET}, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """The text without them. A number keeps its last four digits."""
        if self._secrets:
            text = self._secrets.sub("***", text)
        text = _USERINFO.sub("***@", text)
        text = _TRACKING_PAGE.sub("***", text)
        text = _KEYS.sub(r"\1***", text)
        return _NUMBERS.sub(_last_four, text)


def secrets_of(addresses: Iterable[str]) -> list[str]:
    """The passwords and keys inside the addresses of servers, as written there and as meant."""
    found: list[str] = []
    for address in addresses:
        parts = urlsplit(address)
        # A key may stand in the user's place, as in Sentry's addresses.
        userinfo = [parts.password or parts.username] if parts.password or "sentry" in (parts.hostname or "") else []
        found += [form for secret in userinfo if secret for form in (secret, unquote(secret))]
    return found


def _last_four(found: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", found.group())
    return f"…{digits[-4:]}"
