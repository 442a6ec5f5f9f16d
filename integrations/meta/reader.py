"""What Meta's webhooks say, each part of them a row."""

from __future__ import annotations

from collections.abc import Iterator

from integrations.gateways.parsing import mapping, printable
from integrations.inbound.incoming import Deleted, Incoming, Sender
from integrations.inbound.models import META_MESSAGE, META_STATUS, WebhookEvent
from integrations.inbound.reading import Reader, quoting
from integrations.meta import webhooks
from integrations.models import NotificationLog


class MetaReader(Reader):
    """It knows people with a user name by an id for this shop, which is their nameless address here."""

    receipts = frozenset({META_STATUS})
    messages = frozenset({META_MESSAGE})

    def receipt(self, event: WebhookEvent) -> tuple[str, NotificationLog.Receipt | None] | None:
        """By the status."""
        return webhooks.receipt(event.data)

    def recipients(self, event: WebhookEvent) -> tuple[str, ...]:
        """By the number, if it is told."""
        return webhooks.recipients(event.data)

    def why_not_delivered(self, event: WebhookEvent) -> str:
        """As the error says that comes along."""
        return webhooks.why_not_delivered(event.data)

    def written(self, event: WebhookEvent) -> Incoming | Deleted | None:
        """A message, an edit, or that one was taken back."""
        return webhooks.written(event.data, mapping(event.payload).get("contacts"))

    def own_messages(self, event: WebhookEvent) -> Iterator[tuple[str, str]]:
        """From receipts and quotations."""
        if event.event == META_MESSAGE:
            yield from quoting(self.written(event))
        elif event.event == META_STATUS:
            message_id = printable(event.data.get("id"))
            user_id = webhooks.user_id(mapping(event.payload).get("contacts"))
            if message_id and user_id:
                yield message_id, user_id

    def people(self, event: WebhookEvent) -> Iterator[Sender]:
        """Who wrote."""
        if event.event == META_MESSAGE and isinstance(said := self.written(event), Incoming):
            yield said.sender
