"""What Meta's webhooks say, out of JSON that may be anything. Pure; nothing here raises for a payload.

Meta packs several receipts and messages into one request, of several numbers of one app. `split` takes them apart, each
as Meta wrote it; the rest reads one of them, into what the gateway's webhooks are read into as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from integrations.evolution import jids
from integrations.gateways.parsing import mapping, printable, whole_number
from integrations.inbound import payloads
from integrations.inbound.incoming import Deleted, Incoming, Sender, one_line
from integrations.inbound.models import META_MESSAGE, META_STATUS, CustomerReply
from integrations.meta import answers
from integrations.models import NotificationLog

Kind = CustomerReply.Kind

_OBJECT = "whatsapp_business_account"
_PARTS = {"statuses": META_STATUS, "messages": META_MESSAGE}
_END_OF_TIME = 2**32
# Far more than they have, and what the table of nameless addresses holds.
_LONGEST_USER_ID = 40
_KINDS = {
    "image": Kind.IMAGE,
    "audio": Kind.AUDIO,
    "video": Kind.VIDEO,
    "document": Kind.DOCUMENT,
    "sticker": Kind.STICKER,
    "location": Kind.LOCATION,
    "contacts": Kind.CONTACT,
}
# What is told as a message without being one that somebody wrote.
_NOTHING_SAID = {"", "reaction", "system", "request_welcome", "ephemeral"}


@dataclass(frozen=True, slots=True)
class Part:
    """One receipt or message: its event, the number at Meta that it is about, and the payload to be stored.

    The payload has it as `data`, beside what is said of all in the same request (`metadata`, `contacts`).
    """

    event: str
    phone_number_id: str
    payload: dict[str, Any]


def split(payload: object) -> list[Part]:
    """The receipts and messages of a request; what else Meta may tell (of templates, of the account) has none."""
    told = mapping(payload)
    entries = _list(told.get("entry")) if told.get("object") == _OBJECT else []
    return [part for entry in entries for change in _list(mapping(entry).get("changes")) for part in _of(change)]


def receipt(data: Mapping[str, object]) -> tuple[str, NotificationLog.Receipt | None] | None:
    """The message's id and its receipt, which is None for a status that is no receipt; None if it is not whole."""
    return payloads.receipt({"keyId": data.get("id"), "status": data.get("status")})


def recipients(data: Mapping[str, object]) -> tuple[str, ...]:
    """The numbers (E.164) of the person that a receipt is from; none if it names nobody's number."""
    return _numbers(data.get("recipient_id"))


def why_not_delivered(data: Mapping[str, object]) -> str:
    """The code for why Meta did not deliver what it had taken; empty if it does not say."""
    told = (answers.refusal(error) for error in _list(data.get("errors")))
    return next((refused.code for refused in told if refused), "")


def written(data: Mapping[str, object], contacts: object = None) -> Incoming | Deleted | None:
    """What a person did; None for anything else: reactions, a changed number …

    Who goes by a user name has no number here: they are known by their id for this shop (`user_id`), like others by a
    nameless address.
    """
    message_id, kind = printable(data.get("id")), printable(data.get("type"))
    change = mapping(data.get(kind)) if kind in ("revoke", "edit") else {}
    about = printable(change.get("original_message_id"))
    if kind == "revoke":
        return Deleted(about) if about else None
    said = mapping(change.get("message")) if change else data
    spoken = _said(said)
    if spoken is None or not message_id or (change and not about):
        return None
    quoted = printable(mapping(said.get("context")).get("id"))
    sender, at = Sender(_numbers(data.get("from")), user_id(contacts)), _time(data.get("timestamp"))
    return Incoming(about or message_id, sender, quoted, at, *spoken, edits=bool(change), file_name=_named(said))


def user_id(contacts: object) -> str:
    """The id for this shop of the one person whom the request is about; empty if it names none, or several."""
    people = _list(contacts)
    named = printable(mapping(people[0]).get("user_id")) if len(people) == 1 else ""
    return named if len(named) <= _LONGEST_USER_ID else ""


def _of(change: object) -> Iterator[Part]:
    value = mapping(mapping(change).get("value"))
    metadata = mapping(value.get("metadata"))
    for name, event in _PARTS.items():
        for data in _list(value.get(name)):
            stored = {"metadata": metadata, "contacts": _list(value.get("contacts")), "data": data}
            yield Part(event, printable(metadata.get("phone_number_id")), stored)


def _said(message: Mapping[str, object]) -> tuple[CustomerReply.Kind, str] | None:
    """What kind of message it is, with its text or what is written under a picture or a document."""
    kind = printable(message.get("type"))
    if kind in _NOTHING_SAID:
        return None
    if text := _words(message, kind).strip():
        return _KINDS.get(kind, Kind.TEXT), text
    return _KINDS.get(kind, Kind.OTHER), ""


def _named(message: Mapping[str, object]) -> str:
    """What the document, the place or the (first) contact that was sent is called."""
    told = message.get(printable(message.get("type")))
    first = mapping(next(iter(told), None)) if isinstance(told, list) else mapping(told)
    person = mapping(first.get("name"))
    names = (first.get("filename"), person.get("formatted_name"), first.get("name"))
    return next(filter(None, map(one_line, names)), "")


def _words(message: Mapping[str, object], kind: str) -> str:
    content = mapping(message.get(kind))
    chosen = mapping(content.get(printable(content.get("type")))) if kind == "interactive" else {}
    places = (content.get("body"), content.get("caption"), content.get("text"), chosen.get("title"))
    return next((words for words in places if isinstance(words, str)), "")


def _numbers(number: object) -> tuple[str, ...]:
    digits = printable(number)
    return jids.numbers_of(digits) if digits.isascii() and digits.isdecimal() else ()


def _time(seconds: object) -> datetime | None:
    number = whole_number(seconds)
    return datetime.fromtimestamp(number, UTC) if number and number < _END_OF_TIME else None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
