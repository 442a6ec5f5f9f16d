"""What the gateway answers when it is asked for messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from integrations.gateways.parsing import is_count, mapping, parse_object, printable, whole_number
from integrations.gateways.protocol import FoundMessage


@dataclass(frozen=True, slots=True)
class Page:
    """One page of records. `total` records on `pages` pages match in all."""

    total: int
    pages: int
    records: Mapping[object, object]
    """By what tells them apart; one without an id of its own is like no other."""


def parse_page(body: str) -> Page | None:
    """The page that a 200 holds, or None if it holds none. Pure; never raises, whatever the body."""
    messages = mapping(parse_object(body).get("messages"))
    total, pages, records = messages.get("total"), messages.get("pages"), messages.get("records")
    if not (is_count(total) and is_count(pages) and isinstance(records, list)):
        return None
    return Page(total, pages, {_identity(record): record for record in records})


def key_of(record: object) -> Mapping[str, object]:
    """The record's key: `id`, `remoteJid` and `fromMe`; empty if it has none."""
    return mapping(mapping(record).get("key"))


def own_message(record: object, address: object) -> FoundMessage | None:
    """The message that was sent to `address`; None if the record is none, or not whole."""
    key = key_of(record)
    message_id, timestamp = printable(key.get("id")), whole_number(mapping(record).get("messageTimestamp"))
    text = text_of(mapping(mapping(record).get("message")))
    if key.get("fromMe") is not True or key.get("remoteJid") != address:
        return None
    if not message_id or not text or timestamp is None:
        return None
    return FoundMessage(message_id, text, timestamp)


def text_of(message: Mapping[str, object]) -> str:
    """The text, where the gateway keeps it: a link or a quotation makes it an extended one."""
    for text in (message.get("conversation"), mapping(message.get("extendedTextMessage")).get("text")):
        if isinstance(text, str) and text:
            return text
    return ""


def _identity(record: object) -> object:
    row_id = mapping(record).get("id")
    return row_id if isinstance(row_id, str) else object()
