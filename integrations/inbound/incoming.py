"""What people write, edit and delete, out of the gateway's webhooks. Pure; nothing here raises for a payload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from integrations.evolution import jids
from integrations.evolution.messages import text_of
from integrations.gateways.parsing import mapping, printable, whole_number
from integrations.inbound.models import MESSAGES_DELETE, MESSAGES_EDITED, CustomerReply
from orders.typed import visible

Kind = CustomerReply.Kind

_END_OF_TIME = 2**32
# Where a message's key, and a contact, name a person, in the order in which they are believed: which of them there are
# differs by the gateway's version, and within one chat.
_KEY = (
    "remoteJid", "remoteJidAlt", "senderPn", "participantPn", "participantAlt", "previousRemoteJid", "participant",
    "senderLid", "participantLid",
)  # fmt: skip
_CONTACT = ("remoteJid", "remoteJidAlt", "jid", "phoneNumber", "id", "lid")
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
# Where a document, a contact and a place have their name.
_NAMES = ("fileName", "title", "displayName", "name")
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
_EDIT, _REVOKE = (14, "MESSAGE_EDIT"), (0, "REVOKE")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who writes, as far as the webhook says: the numbers (E.164, both forms) and the nameless address, or neither."""

    numbers: tuple[str, ...] = ()
    lid: str = ""


@dataclass(frozen=True, slots=True)
class Incoming:
    """What a person wrote to the shop. `quoted_id` may be empty; `edits` if it takes the place of what had this id.

    `written_at` is WhatsApp's clock; None if it does not say, or no sensible time. `file_name` is what a document, a
    contact or a place is called.
    """

    message_id: str
    sender: Sender
    quoted_id: str
    written_at: datetime | None
    kind: CustomerReply.Kind
    text: str
    edits: bool
    file_name: str = ""


@dataclass(frozen=True, slots=True)
class Deleted:
    """That whoever wrote the message has deleted it."""

    message_id: str


def read(event: str, data: Mapping[str, object]) -> Incoming | Deleted | None:
    """What a person did; None for anything else: the shop's own messages, groups, reactions, receipts …"""
    if event == MESSAGES_DELETE:
        key = mapping(data.get("key")) or data
        return _deleted(key) if key.get("fromMe") is not True and not _is_of_many(key) else None
    if event == MESSAGES_EDITED:
        return _change(data, mapping(data.get("key")), None)
    return _written(data)


def sender_of(key: Mapping[str, object]) -> Sender | None:
    """Whom a message's key names; None unless it is in a chat with one person."""
    chat = printable(key.get("remoteJid"))
    return _person(key, _KEY) if jids.numbers(chat) or jids.lid(chat) else None


def contact(contact: Mapping[str, object]) -> Sender:
    """Whom an entry of the address book names."""
    return _person(contact, _CONTACT)


def _person(named: Mapping[str, object], names: Sequence[str]) -> Sender:
    addresses = [printable(named.get(name)) for name in names]
    numbers = next(filter(None, map(jids.numbers, addresses)), ())
    return Sender(numbers, next(filter(None, map(jids.lid, addresses)), ""))


def _written(data: Mapping[str, object]) -> Incoming | Deleted | None:
    key, layers = mapping(data.get("key")), _layers(mapping(data.get("message")))
    message_id, sender, message = printable(key.get("id")), sender_of(key), layers[-1]
    if key.get("fromMe") is not False or not message_id or sender is None:
        return None
    if change := mapping(message.get("protocolMessage")):
        # Its own key is written from the customer's side: only its id says the same on ours.
        inner = {"id": message_id, **mapping(change.get("key"))}
        return _change(change, inner, sender, data.get("messageTimestamp"))
    said = _said(message)
    written_at = _time(whole_number(data.get("messageTimestamp")))
    if said is None:
        return None
    return Incoming(
        message_id, sender, _quoted_id(data, layers), written_at, *said, edits=False, file_name=_named(message)
    )


def _change(
    change: Mapping[str, object], key: Mapping[str, object], sender: Sender | None, seconds: object = None
) -> Incoming | Deleted | None:
    """An edit or a deletion by whom `sender` says.

    Where only the change itself was told, as in `messages.edited`, its key is as whoever made it has it. So `fromMe`
    says that they wrote the message themselves, and the chat's address is then perhaps the shop's own.
    """
    kind, message_id = change.get("type"), printable(key.get("id"))
    if not message_id or isinstance(kind, bool) or (sender is None and _is_of_many(key)):
        return None
    if kind in _REVOKE:
        return _deleted(key)
    layers = _layers(mapping(change.get("editedMessage")))
    said = _said(layers[-1])
    if kind not in _EDIT or said is None:
        return None
    if sender is None:
        sender = sender_of(key) if key.get("fromMe") is False else None
    milliseconds = whole_number(change.get("timestampMs"))
    written_at = _time(milliseconds // 1000 if milliseconds else whole_number(seconds))
    return Incoming(
        message_id,
        sender or Sender(),
        _quoted_id(change, layers),
        written_at,
        *said,
        edits=True,
        file_name=_named(layers[-1]),
    )


def _is_of_many(key: Mapping[str, object]) -> bool:
    """Whether it is in a group, or another place that is no chat with one person."""
    return bool(key.get("remoteJid")) and sender_of(key) is None


def _deleted(key: Mapping[str, object]) -> Deleted | None:
    message_id = printable(key.get("id"))
    return Deleted(message_id) if message_id else None


def _quoted_id(data: Mapping[str, object], layers: Sequence[Mapping[str, object]]) -> str:
    """The id of the message that is quoted, wherever in the message it is told; never what that one quotes."""
    places = [data, *layers, *(part for layer in layers for part in layer.values())]
    told = (printable(mapping(mapping(place).get("contextInfo")).get("stanzaId")) for place in places)
    return next(filter(None, told), "")


def _time(seconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds and seconds < _END_OF_TIME else None


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


def _named(message: Mapping[str, object]) -> str:
    """What the document, the contact or the place that was sent is called."""
    parts = (mapping(message.get(name)) for name in _KINDS)
    return next(filter(None, (one_line(part.get(field)) for part in parts for field in _NAMES)), "")


def one_line(value: object) -> str:
    """A name that people gave something, of whatever length, without what nobody sees."""
    return " ".join(visible(value).split()) if isinstance(value, str) else ""


def _chosen(message: Mapping[str, object]) -> str:
    answers = [mapping(message.get(name)).get(field) for name, field in _CHOICES.items()]
    answers.append(mapping(mapping(message.get("interactiveResponseMessage")).get("body")).get("text"))
    return next((words for words in answers if isinstance(words, str)), "")


def _layers(message: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
    """The message as a chat's settings, or an edit, wrap it, from the outside to what was said.

    Wrappers have one shape, and newer versions of WhatsApp bring new ones.
    """
    layers, inner = [], message
    while inner:
        layers.append(inner)
        wrapped = (mapping(mapping(value).get("message")) for value in inner.values())
        inner = next((each for each in wrapped if each), {})
    return layers or [message]
