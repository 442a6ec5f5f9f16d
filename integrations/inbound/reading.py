"""What a stored webhook says, whichever gateway told it. Pure; nothing here raises for a payload."""

from __future__ import annotations

from collections.abc import Iterator

from integrations.evolution import jids
from integrations.evolution.classify import printable
from integrations.evolution.messages import mapping
from integrations.inbound import incoming, payloads
from integrations.inbound.incoming import Deleted, Incoming, Sender
from integrations.inbound.models import (
    CONTACT_EVENTS,
    MESSAGES_UPDATE,
    MESSAGES_UPSERT,
    META_MESSAGE,
    META_STATUS,
    SEND_MESSAGE,
    WebhookEvent,
)
from integrations.meta import webhooks as meta
from integrations.models import NotificationLog

_OF_OUR_MESSAGES = (MESSAGES_UPDATE, SEND_MESSAGE)


def receipt(event: WebhookEvent) -> tuple[str, NotificationLog.Receipt | None] | None:
    """The message's id and its receipt, which is None for a status that is no receipt; None if it is not whole."""
    return meta.receipt(event.data) if event.event == META_STATUS else payloads.receipt(event.data)


def recipients(event: WebhookEvent) -> tuple[str, ...]:
    """The numbers (E.164) of the person that a receipt is from; none if it names nobody's number."""
    return meta.recipients(event.data) if event.event == META_STATUS else payloads.recipients(event.data)


def why_not_delivered(event: WebhookEvent) -> str:
    """The code for why a message was not delivered after all; empty if that is not said."""
    return meta.why_not_delivered(event.data) if event.event == META_STATUS else ""


def written(event: WebhookEvent) -> Incoming | Deleted | None:
    """What a person did; None for anything else."""
    if event.event == META_MESSAGE:
        return meta.written(event.data, mapping(event.payload).get("contacts"))
    return incoming.read(event.event, event.data)


def own_messages(event: WebhookEvent) -> Iterator[tuple[str, str]]:
    """The message of ours that it is about, or that is quoted, with the nameless address of whom it went to."""
    if event.event in (MESSAGES_UPSERT, META_MESSAGE):
        said = written(event)
        if isinstance(said, Incoming) and said.sender.lid and said.quoted_id and not said.sender.numbers:
            yield said.quoted_id, said.sender.lid
    elif event.event == META_STATUS:
        message_id, user_id = printable(event.data.get("id")), meta.user_id(mapping(event.payload).get("contacts"))
        if message_id and user_id:
            yield message_id, user_id
    elif event.event in _OF_OUR_MESSAGES:
        key = mapping(event.data.get("key")) or event.data
        lid, message_id = jids.lid(printable(key.get("remoteJid"))), payloads.message_id_of(event.data)
        if lid and message_id and key.get("fromMe") is True:
            yield message_id, lid


def people(event: WebhookEvent) -> Iterator[Sender]:
    """Whom it names, by number and by nameless address."""
    if event.event in CONTACT_EVENTS:
        data = event.payload.get("data") if isinstance(event.payload, dict) else None
        yield from (incoming.contact(mapping(each)) for each in (data if isinstance(data, list) else [data]))
    elif event.event == MESSAGES_UPSERT and (sender := incoming.sender_of(mapping(event.data.get("key")))):
        yield sender
    elif event.event == META_MESSAGE and isinstance(said := written(event), Incoming):
        yield said.sender
