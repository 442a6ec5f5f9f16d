"""What the gateway's webhooks say, out of JSON that may be anything. Pure; nothing here raises for a payload."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from integrations.evolution import jids
from integrations.evolution.classify import printable
from integrations.evolution.messages import mapping, text_of
from integrations.inbound.models import CustomerReply
from integrations.models import EvolutionInstance, NotificationLog

Receipt = NotificationLog.Receipt
State = EvolutionInstance.State
Kind = CustomerReply.Kind

# Deeper than anything that the gateway says, and far from what Python or PostgreSQL cannot hold.
MAX_DEPTH = 60
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_UNSTORABLE = {0: _REPLACEMENT, **dict.fromkeys(range(0xD800, 0xE000), _REPLACEMENT)}

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
_STATES = {
    "open": State.OPEN,
    "connecting": State.CONNECTING,
    "close": State.CLOSE,
    "closed": State.CLOSE,
    # Nobody read the QR code in time.
    "refused": State.CLOSE,
}
_KINDS = {
    "conversation": Kind.TEXT,
    "extendedTextMessage": Kind.TEXT,
    "imageMessage": Kind.IMAGE,
    "audioMessage": Kind.AUDIO,
    "videoMessage": Kind.VIDEO,
    "documentMessage": Kind.DOCUMENT,
    "stickerMessage": Kind.STICKER,
    "locationMessage": Kind.LOCATION,
    "contactMessage": Kind.CONTACT,
}
# What a chat's settings wrap around a message.
_WRAPPERS = ("ephemeralMessage", "documentWithCaptionMessage", "viewOnceMessage", "viewOnceMessageV2")


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message that a person wrote to the shop. `numbers` may be empty, and so may `quoted_id`."""

    message_id: str
    numbers: tuple[str, ...]
    quoted_id: str
    kind: CustomerReply.Kind
    text: str


def parse(body: bytes) -> Any:
    """The body as JSON that PostgreSQL can store. Raises `ValueError` for anything that is none.

    What a text column cannot hold (NUL, half of a character) is replaced.
    """
    try:
        return _storable(json.loads(body, parse_constant=_refuse), MAX_DEPTH)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def receipt(data: Mapping[str, object]) -> tuple[str, NotificationLog.Receipt | None] | None:
    """The message's id and its receipt, which is None for a status that is no receipt; None if it is not whole."""
    message_id, status = printable(data.get("keyId")), data.get("status")
    return (message_id, _RECEIPTS.get(status)) if message_id and isinstance(status, str) else None


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


def incoming(data: Mapping[str, object]) -> Incoming | None:
    """What a person wrote; None for anything else: the shop's own messages, groups, reactions, receipts …"""
    key, message = mapping(data.get("key")), _unwrapped(mapping(data.get("message")))
    message_id, address = printable(key.get("id")), _address(key)
    kind = _kind(message)
    if key.get("fromMe") is not False or not message_id or not address or kind is None:
        return None
    quoted_id = printable(mapping(data.get("contextInfo")).get("stanzaId"))
    return Incoming(message_id, jids.numbers(address), quoted_id, kind, _words(message, kind).strip())


def _address(key: Mapping[str, object]) -> str:
    """Whose chat it is in: a number's if there is one, else a nameless `…@lid`; empty if it is no person's."""
    address, other = printable(key.get("remoteJid")), printable(key.get("remoteJidAlt"))
    if address.endswith("@lid"):
        return other or address
    return address if jids.numbers(address) else ""


def _kind(message: Mapping[str, object]) -> CustomerReply.Kind | None:
    return next((kind for name, kind in _KINDS.items() if message.get(name)), None)


def _unwrapped(message: Mapping[str, object]) -> Mapping[str, object]:
    for wrapper in _WRAPPERS:
        message = mapping(mapping(message.get(wrapper)).get("message")) or message
    return message


def _words(message: Mapping[str, object], kind: CustomerReply.Kind) -> str:
    """The text, or what is written under a picture or a document."""
    if kind is Kind.TEXT:
        return text_of(message)
    captions = (mapping(message.get(name)).get("caption") for name in _KINDS)
    return next((caption for caption in captions if isinstance(caption, str)), "")


def _storable(value: Any, depth: int) -> Any:
    if not depth:
        raise ValueError("nested too deeply")
    match value:
        case str():
            return value.translate(_UNSTORABLE)
        case float() if not math.isfinite(value):
            raise ValueError("a number out of range")
        case list():
            return [_storable(item, depth - 1) for item in value]
        case dict():
            return {key.translate(_UNSTORABLE): _storable(item, depth - 1) for key, item in value.items()}
        case _:
            return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
