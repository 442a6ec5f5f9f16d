"""What a stored webhook says, in the language of whichever gateway told it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from integrations.gateways import registry
from integrations.inbound.incoming import Deleted, Incoming, Sender
from integrations.inbound.models import WebhookEvent
from integrations.models import NotificationLog


class Reader:
    """Of a gateway that tells nothing; each overrides what it tells. Pure; nothing raises, whatever the payload."""

    receipts: ClassVar[frozenset[str]] = frozenset()
    """The events that are worked off as receipts of messages."""
    messages: ClassVar[frozenset[str]] = frozenset()
    """Those that are worked off as what people wrote, changed or took back."""

    def receipt(self, event: WebhookEvent) -> tuple[str, NotificationLog.Receipt | None] | None:  # noqa: ARG002
        """The message's id and its receipt, which is None for a status that is no receipt; None if it is not whole."""
        return None

    def recipients(self, event: WebhookEvent) -> tuple[str, ...]:  # noqa: ARG002
        """The numbers (E.164) of the person that a receipt is from; none if it names nobody's number."""
        return ()

    def why_not_delivered(self, event: WebhookEvent) -> str:  # noqa: ARG002
        """The code for why a message was not delivered after all; empty if that is not said."""
        return ""

    def written(self, event: WebhookEvent) -> Incoming | Deleted | None:  # noqa: ARG002
        """What a person did; None for anything else."""
        return None

    def own_messages(self, event: WebhookEvent) -> Iterator[tuple[str, str]]:  # noqa: ARG002
        """The message of ours that it is about, or that is quoted, with the nameless address of whom it went to."""
        return iter(())

    def people(self, event: WebhookEvent) -> Iterator[Sender]:  # noqa: ARG002
        """Whom it names, by number and by nameless address."""
        return iter(())


def reader_of(event: WebhookEvent) -> Reader:
    """That of the gateway that told it."""
    kind = registry.KINDS.get(event.source)
    return (kind and kind.reader) or Reader()


def quoting(said: Incoming | Deleted | None) -> Iterator[tuple[str, str]]:
    """The quoted message of ours, with the nameless address of who answers it, if that is all that is known of them."""
    if isinstance(said, Incoming) and said.sender.lid and said.quoted_id and not said.sender.numbers:
        yield said.quoted_id, said.sender.lid
