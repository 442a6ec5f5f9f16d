"""What the engine asks of a gateway, and what each may leave out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

if TYPE_CHECKING:
    from integrations.models import EvolutionInstance

TOO_LATE = "too_late"
"""The code of a request that was not written, since the time that its caller had for it was over."""

# Goes on while the machine sleeps, where there is such a clock.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def uptime() -> float:
    """Seconds by a clock that nobody sets, and that counts those in which this process or its machine stood still."""
    return time.clock_gettime(_CLOCK)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a kind of gateway does beyond sending; the engine goes by it."""

    takes_ids: bool
    """It sends a message under the id that it is given; it may ignore it, and then answers with one of its own."""
    tells_receipts: bool
    """Its webhooks tell what became of a message, so that nothing told means that something is wrong."""
    answers_within: timedelta | None = None
    """How long after a customer's message it takes an answer in any words; None: whenever."""


@dataclass(frozen=True, slots=True)
class SendReceipt:
    """A message that the gateway accepted.

    `provider_message_id` is empty if the message left but the gateway could not record it: it is sent,
    and no receipt will ever name it. `response_body` is cut and free of keys; `duration` in seconds.
    """

    provider_message_id: str
    http_status: int
    response_body: str
    duration: float


@dataclass(frozen=True, slots=True)
class FoundMessage:
    """A message of ours that the gateway has: it was sent. `timestamp`: seconds since 1970, by the gateway's clock."""

    provider_message_id: str
    text: str
    timestamp: int


class Gateway(Protocol):
    """One instance's way to WhatsApp. Every call may raise `GatewayError`, which says what to do.

    Made for one piece of work, without a call to anywhere; what is costly to make it keeps for its process. No call
    lasts longer than about the settings' time-outs to connect and to read. The engine sends one message of an instance
    at a time, and asks about it one at a time. An exception from outside, such as Celery's soft time limit, passes
    through a call unchanged.
    """

    capabilities: ClassVar[Capabilities]

    def __init__(self, instance: EvolutionInstance) -> None: ...

    def send(self, recipient: str, text: str, *, message_id: str = "", not_after: float | None = None) -> SendReceipt:
        """Send `text` to `recipient` (E.164) once.

        `message_id` is the message's own id, for a gateway that takes it. After `not_after`, by `uptime`, nothing is
        written any more: `TOO_LATE`, for certain not sent.
        """
        ...

    def state(self) -> str:
        """The connection as the gateway knows it, a value of `EvolutionInstance.State`; may be stale."""
        ...


@runtime_checkable
class Archive(Protocol):
    """A gateway that can be asked afterwards what it has sent; each call may raise `GatewayError`.

    Of one that cannot, nobody learns whether a message of unknown outcome arrived, unless it tells by itself: the
    store's setting decides whether it is sent again.
    """

    capabilities: ClassVar[Capabilities]

    def find(self, recipient: str, *, since: datetime, until: datetime) -> list[FoundMessage]:
        """All that the instance sent to `recipient` from `since` to `until` (aware), the latest first.

        So an empty list says that the gateway has none.
        """
        ...

    def find_by_id(self, message_id: str) -> FoundMessage | None:
        """The instance's message of that id, whoever got it; None if the gateway has none.

        Without text if its record is not whole, or not of a message of ours.
        """
        ...
