"""The Evolution API as a gateway."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from integrations.evolution.client import EvolutionClient, client
from integrations.evolution.servers import server_of
from integrations.gateways.protocol import Capabilities, FoundMessage, SendReceipt
from integrations.models import EvolutionInstance


class EvolutionGateway:
    """An instance at its server of the Evolution API: see `integrations.gateways.protocol.Gateway`.

    It takes ids from 2.4 on, and until then ignores them. It may be told to keep no messages: whether it does is seen
    by those that are known to have been sent.
    """

    capabilities: ClassVar = Capabilities(takes_ids=True, tells_receipts=True)

    def __init__(self, instance: EvolutionInstance) -> None:
        self._instance = instance
        self._name = instance.name

    def send(self, recipient: str, text: str, *, message_id: str = "", not_after: float | None = None) -> SendReceipt:
        """Send it once."""
        return self._client().send_text(self._name, recipient, text, message_id, not_after=not_after)

    def find(self, recipient: str, *, since: datetime, until: datetime) -> list[FoundMessage]:
        """What it sent to the number, under whatever address."""
        return self._client().find_messages(self._name, recipient, since=since, until=until)

    def find_by_id(self, message_id: str) -> FoundMessage | None:
        """The message of that id."""
        return self._client().find_by_id(self._name, message_id)

    def state(self) -> str:
        """What the server calls the connection."""
        return self._client().connection_state(self._name)

    def _client(self) -> EvolutionClient:
        return client(server_of(self._instance))
