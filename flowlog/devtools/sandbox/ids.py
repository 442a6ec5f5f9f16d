"""Ids and times as the gateway writes them."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from datetime import UTC, datetime

from flowlog.devtools.sandbox.jids import digits_of

_LID_LENGTH = 15


def new_key_id(integration: str) -> str:
    """The id of a message's key, in the form of the instance's kind."""
    match integration:
        case "EVOLUTION":
            return str(uuid.uuid4())
        case "WHATSAPP-BUSINESS" | "META":
            return "wamid." + secrets.token_urlsafe(40)
        case _:
            return "3EB0" + secrets.token_hex(9).upper()


def new_row_id() -> str:
    """The id of a row of the gateway's database."""
    return f"cm{secrets.token_hex(11)}x"


def lid_of(jid: str) -> str:
    """The address that hides a number: always the same one for the same number."""
    number = int.from_bytes(hashlib.sha256(digits_of(jid).encode()).digest()[:8])
    return f"{number % 10**_LID_LENGTH:0{_LID_LENGTH}d}@lid"


def iso(seconds: float) -> str:
    """A time of the gateway's database, in UTC with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local_iso(seconds: float) -> str:
    """The time on an event: as the gateway has it, local, with a Z that is not true."""
    local = datetime.fromtimestamp(seconds, UTC).astimezone()
    return local.replace(tzinfo=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
