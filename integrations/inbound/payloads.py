"""What the gateway's webhooks say, out of JSON that may be anything. Pure; nothing here raises for a payload."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from integrations.evolution import jids
from integrations.gateways.parsing import mapping, printable, whole_number
from integrations.models import EvolutionInstance, NotificationLog

Receipt = NotificationLog.Receipt
State = EvolutionInstance.State

# Deeper than anything that the gateway says, and far from what Python or PostgreSQL cannot hold.
MAX_DEPTH = 60
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_UNSTORABLE = {0: _REPLACEMENT, **dict.fromkeys(range(0xD800, 0xE000), _REPLACEMENT)}

# Of what cannot be stored, the escapes and the bytes; NUL is also in all that is not UTF-8.
_DOUBTFUL = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])|\xed[\xa0-\xbf]|\0")

# The gateway's words, and those of its channel to Meta.
_RECEIPTS = {
    "PENDING": Receipt.PENDING,
    "SERVER_ACK": Receipt.SERVER_ACK,
    "SENT": Receipt.SERVER_ACK,
    "ERROR": Receipt.ERROR,
    "FAILED": Receipt.ERROR,
    "DELIVERY_ACK": Receipt.DELIVERY_ACK,
    "DELIVERED": Receipt.DELIVERY_ACK,
    "READ": Receipt.READ,
    "PLAYED": Receipt.READ,
}
# The library's own numbers for them.
_NUMBERED = ("ERROR", "PENDING", "SERVER_ACK", "DELIVERY_ACK", "READ", "PLAYED")
_STATES = {
    "open": State.OPEN,
    "connecting": State.CONNECTING,
    "close": State.CLOSE,
    "closed": State.CLOSE,
    # Nobody read the QR code in time.
    "refused": State.CLOSE,
}


def parse(body: bytes) -> Any:
    """The body as JSON that PostgreSQL can store. Raises `ValueError` for anything that is none.

    What a text column cannot hold (NUL, half of a character) is replaced.
    """
    try:
        value = json.loads(body, parse_constant=_refuse, parse_float=_finite)
        return value if _is_storable(body) else _storable(value, MAX_DEPTH)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _is_storable(body: bytes) -> bool:
    """Whether nothing in the JSON need be replaced or refused, without a look at each of its values."""
    return not _DOUBTFUL.search(body) and body.count(b"{") + body.count(b"[") < MAX_DEPTH


def receipt(data: Mapping[str, object]) -> tuple[str, NotificationLog.Receipt | None] | None:
    """The message's id and its receipt, which is None for a status that is no receipt; None if it is not whole.

    The status is a word, or the library's number for it.
    """
    message_id = message_id_of(data)
    status, number = data.get("status"), whole_number(data.get("status"))
    if number is not None:
        status = _NUMBERED[number] if number < len(_NUMBERED) else ""
    return (message_id, _RECEIPTS.get(status.upper())) if message_id and isinstance(status, str) else None


def message_id_of(data: Mapping[str, object]) -> str:
    """The gateway's id of the message that it is about; empty if it names none."""
    return printable(data.get("keyId")) or printable(mapping(data.get("key")).get("id"))


def recipients(data: Mapping[str, object]) -> tuple[str, ...]:
    """The numbers (E.164) of the person that a receipt is from; none if it names nobody's number."""
    address = printable(data.get("remoteJid"))
    return jids.numbers(address) or (jids.numbers_of(address) if address.isdecimal() else ())


def state(event: str, data: Mapping[str, object]) -> EvolutionInstance.State | None:
    """The connection that one of `CONNECTION_EVENTS` tells of."""
    if event == "logout.instance":
        return State.CLOSE
    told = data.get("status" if event == "status.instance" else "state")
    return _STATES.get(told) if isinstance(told, str) else None


def tells_of(*states: EvolutionInstance.State) -> Q:
    """The condition that `state` is one of these, for stored webhooks of `CONNECTION_EVENTS`."""
    words = [word for word, state in _STATES.items() if state in states]
    by_status = Q(event="status.instance", payload__data__status__in=words)
    told = by_status | Q(event="connection.update", payload__data__state__in=words)
    return told | Q(event="logout.instance") if State.CLOSE in states else told


def _storable(value: Any, depth: int) -> Any:
    if not depth:
        raise ValueError("nested too deeply")
    match value:
        case str():
            return value.translate(_UNSTORABLE)
        case list():
            return [_storable(item, depth - 1) for item in value]
        case dict():
            return {key.translate(_UNSTORABLE): _storable(item, depth - 1) for key, item in value.items()}
        case _:
            return value


def _finite(written: str) -> float:
    if not math.isfinite(number := float(written)):
        raise ValueError("a number out of range")
    return number


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
