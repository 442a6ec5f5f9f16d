"""Meta's Cloud API as a gateway."""

from __future__ import annotations

from typing import ClassVar

from django.db import connection

from flowlog.secrets_at_rest import Unreadable
from integrations.gateways.outcomes import GatewayError, Outcome
from integrations.gateways.protocol import Capabilities, SendReceipt
from integrations.meta import window
from integrations.meta.client import MetaClient, client_for
from integrations.models import EvolutionInstance, MetaNumber

KIND = "meta"
State = EvolutionInstance.State
# What Meta calls a number that sends; of the others it says why (`BANNED`, `PENDING`, …).
_SENDING = frozenset({"CONNECTED", "FLAGGED", "RESTRICTED", "RATE_LIMITED", "UNVERIFIED"})


class MetaGateway:
    """An instance's number at Meta: see `integrations.gateways.protocol.Gateway`.

    It keeps nothing that could be asked for, and makes ids of its own; but it takes ours along and says it with each
    receipt, which proves that a message of unknown outcome left. A text goes as it is while the customer's 24 hours
    last, else in a template.
    """

    capabilities: ClassVar[Capabilities] = Capabilities(
        takes_ids=True, tells_receipts=True, answers_within=window.OPEN_FOR
    )

    def __init__(self, instance: EvolutionInstance) -> None:
        self._instance = instance

    def send(self, recipient: str, text: str, *, message_id: str = "", not_after: float | None = None) -> SendReceipt:
        """Send it once, in the form that Meta takes now."""
        number = self._number()
        client = _client(number)
        template = None if window.is_open(number, recipient) else number.template
        connection.close()  # back to the pool: a slow gateway must not hold a database connection
        return client.send(recipient, text, message_id, template=template, not_after=not_after)

    def state(self) -> str:
        """What Meta calls the number."""
        client = _client(self._number())
        connection.close()
        return State.OPEN if client.status() in _SENDING else State.CLOSE

    def _number(self) -> MetaNumber:
        """What the instance has at Meta. Raises `GatewayError` as long as nobody has entered it."""
        number = MetaNumber.objects.filter(instance=self._instance).first()
        if number is None:
            raise GatewayError(Outcome.INSTANCE_DOWN, "meta_number")
        return number


def _client(number: MetaNumber) -> MetaClient:
    try:
        return client_for(number.phone_number_id, number.access_token.reveal())
    except Unreadable:
        raise GatewayError(Outcome.INSTANCE_DOWN, "key_unreadable") from None
