"""What the webhooks of the Evolution API say."""

from __future__ import annotations

from collections.abc import Iterator

from integrations.evolution import jids
from integrations.gateways.parsing import mapping, printable
from integrations.inbound import incoming, payloads
from integrations.inbound.incoming import Deleted, Incoming, Sender
from integrations.inbound.models import (
    CONTACT_EVENTS,
    MESSAGES_UPDATE,
    MESSAGES_UPSERT,
    SEND_MESSAGE,
    WebhookEvent,
)
from integrations.inbound.reading import Reader, quoting
from integrations.models import NotificationLog

_OF_OUR_MESSAGES = (MESSAGES_UPDATE, SEND_MESSAGE)


class EvolutionReader(Reader):
    """How its events are worked off, of which it has more than others, is in `integrations.inbound.intake.HANDLERS`."""

    def receipt(self, event: WebhookEvent) -> tuple[str, NotificationLog.Receipt | None] | None:
        """By the status."""
        return payloads.receipt(event.data)

    def recipients(self, event: WebhookEvent) -> tuple[str, ...]:
        """By the address, if it is a number's."""
        return payloads.recipients(event.data)

    def written(self, event: WebhookEvent) -> Incoming | Deleted | None:
        """A message, an edit, or that one was taken back."""
        return incoming.read(event.event, event.data)

    def own_messages(self, event: WebhookEvent) -> Iterator[tuple[str, str]]:
        """From receipts, its own account of what was sent, and quotations."""
        if event.event == MESSAGES_UPSERT:
            yield from quoting(self.written(event))
        elif event.event in _OF_OUR_MESSAGES:
            key = mapping(event.data.get("key")) or event.data
            lid, message_id = jids.lid(printable(key.get("remoteJid"))), payloads.message_id_of(event.data)
            if lid and message_id and key.get("fromMe") is True:
                yield message_id, lid

    def people(self, event: WebhookEvent) -> Iterator[Sender]:
        """Contacts, and who wrote."""
        if event.event in CONTACT_EVENTS:
            data = event.payload.get("data") if isinstance(event.payload, dict) else None
            yield from (incoming.contact(mapping(each)) for each in (data if isinstance(data, list) else [data]))
        elif event.event == MESSAGES_UPSERT and (sender := incoming.sender_of(mapping(event.data.get("key")))):
            yield sender
