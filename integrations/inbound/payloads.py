"""What the gateway's webhooks say, out of JSON that may be anything. Pure; nothing here raises for a payload."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
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

_DIGITS = re.compile("[0-9]{1,10}")
_END_OF_TIME = 2**32
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
    "imageMessage": Kind.IMAGE,
    "audioMessage": Kind.AUDIO,
    "videoMessage": Kind.VIDEO,
    "ptvMessage": Kind.VIDEO,
    "documentMessage": Kind.DOCUMENT,
    "stickerMessage": Kind.STICKER,
    "locationMessage": Kind.LOCATION,
    "liveLocationMessage": Kind.LOCATION,
    "contactMessage": Kind.CONTACT,
    "contactsArrayMessage": Kind.CONTACT,
}
# What was chosen in a list or with a button, by the field that has its words.
_CHOICES = {
    "listResponseMessage": "title",
    "buttonsResponseMessage": "selectedDisplayText",
    "templateButtonReplyMessage": "selectedDisplayText",
}
# What is in a message beside what somebody says, or instead of it.
_NOTHING_SAID = {
    "messageContextInfo", "reactionMessage", "encReactionMessage", "protocolMessage", "senderKeyDistributionMessage",
    "fastRatchetKeySenderKeyDistributionMessage", "pollUpdateMessage", "encEventResponseMessage", "keepInChatMessage",
    "pinInChatMessage", "stickerSyncRmrMessage",
}  # fmt: skip
# What a chat's settings, or an edit, wrap around a message.
_WRAPPERS = (
    "ephemeralMessage", "documentWithCaptionMessage", "viewOnceMessage", "viewOnceMessageV2",
    "viewOnceMessageV2Extension", "editedMessage",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message that a person wrote to the shop. `numbers` may be empty, and so may `quoted_id`.

    `written_at` is WhatsApp's clock, in whole seconds; None if it does not say, or no sensible time.
    """

    message_id: str
    numbers: tuple[str, ...]
    quoted_id: str
    written_at: datetime | None
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
    said = _said(message)
    if key.get("fromMe") is not False or not message_id or not address or said is None:
        return None
    quoted_id = printable(mapping(data.get("contextInfo")).get("stanzaId"))
    written_at = _time(data.get("messageTimestamp"))
    return Incoming(message_id, jids.numbers(address), quoted_id, written_at, *said)


def _time(seconds: object) -> datetime | None:
    """The time in one of the forms in which the gateway writes it: a number, its digits, or a long's halves."""
    if isinstance(seconds, dict):
        seconds = seconds.get("low")
    if isinstance(seconds, str) and _DIGITS.fullmatch(seconds):
        seconds = int(seconds)
    if not isinstance(seconds, int) or not 0 < seconds < _END_OF_TIME:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _address(key: Mapping[str, object]) -> str:
    """Whose chat it is in: a number's if there is one, else a nameless `…@lid`; empty if it is no person's."""
    address, other = printable(key.get("remoteJid")), printable(key.get("remoteJidAlt"))
    if address.endswith("@lid"):
        return other or address
    return address if jids.numbers(address) else ""


def _said(message: Mapping[str, object]) -> tuple[CustomerReply.Kind, str] | None:
    """What kind of message it is, with its text or what is written under a picture or a document."""
    if text := (text_of(message) or _chosen(message)).strip():
        return Kind.TEXT, text
    kind = next((kind for name, kind in _KINDS.items() if message.get(name)), None)
    if kind:
        captions = (mapping(message.get(name)).get("caption") for name in _KINDS)
        return kind, next((caption for caption in captions if isinstance(caption, str)), "").strip()
    says_something = any(mapping(value) and name not in _NOTHING_SAID for name, value in message.items())
    return (Kind.OTHER, "") if says_something else None


def _chosen(message: Mapping[str, object]) -> str:
    answers = [mapping(message.get(name)).get(field) for name, field in _CHOICES.items()]
    answers.append(mapping(mapping(message.get("interactiveResponseMessage")).get("body")).get("text"))
    return next((words for words in answers if isinstance(words, str)), "")


def _unwrapped(message: Mapping[str, object]) -> Mapping[str, object]:
    """The message itself, as it reads after an edit."""
    inner = message
    while inner:
        message = inner
        wrapped = (mapping(mapping(message.get(name)).get("message")) for name in _WRAPPERS)
        inner = next((each for each in wrapped if each), {})
    return mapping(mapping(message.get("protocolMessage")).get("editedMessage")) or message


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
