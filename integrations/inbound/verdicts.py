"""What became of a webhook that was worked off, where it is not simply done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from integrations.inbound.models import WebhookEvent
from integrations.models import EvolutionInstance


class Verdict(StrEnum):
    """All but the first two end as the `error` of the webhook."""

    PARKED = "parked"
    """Not its time yet: the message that it is about may come."""
    SUPERSEDED = "superseded"
    """A later one says the same better: it is not kept."""
    UNEXPECTED = "unexpected_shape"
    UNKNOWN_INSTANCE = "unknown_instance"
    OTHER_INSTANCE = "other_instance"
    """The gateway says another instance than the address does: which one is set up wrong nobody can know."""
    UNKNOWN_SENDER = "unknown_sender"
    UNKNOWN_MESSAGE = "unknown_message"
    """It was parked for a day in vain."""
    FAILED = "failed"
    """We could not cope with it; the log has the trace."""


type Verdicts = dict[int, Verdict]
"""By the webhook's key; one that is left out is done."""

type Handler = Callable[[EvolutionInstance, Sequence[WebhookEvent]], Verdicts]
"""Works off an instance's webhooks, in the order of their arrival, inside the caller's transaction."""
