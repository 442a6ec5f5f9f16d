"""What a failed call to the gateway means for the message, decided in one place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What to do with a message whose call to the gateway did not succeed."""

    PERMANENT = "permanent"
    """Not sent, and never will be: another try gives the same answer."""
    RETRYABLE = "retryable"
    """Not sent for certain: safe to send again later."""
    INSTANCE_DOWN = "instance_down"
    """Not sent for certain, and no other message of this instance would be: hold the instance."""
    UNKNOWN = "unknown"
    """May have been sent: look it up before sending again."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The message was not accepted, or nobody knows; `outcome` says which."""

    outcome: Outcome
    code: str


UNEXPECTED = Refused(Outcome.UNKNOWN, "unexpected_answer")
"""An answer that is not as the gateway is known to give them."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The gateway took the message. The id is empty if it left but the gateway could not record it."""

    provider_message_id: str


class GatewayError(Exception):
    """A call to the gateway did not succeed; `outcome` is the decision that follows from it.

    `code` is stable and short, for rows, rules and translations. `http_status` is None when no answer
    came. `response_body` is cut and free of keys. The exception's text holds none of number, key and message.
    """

    def __init__(
        self,
        outcome: Outcome,
        code: str,
        *,
        http_status: int | None = None,
        response_body: str = "",
        duration: float = 0.0,
    ) -> None:
        super().__init__(outcome, code)
        self.outcome = outcome
        self.code = code
        self.http_status = http_status
        self.response_body = response_body
        self.duration = duration

    def __str__(self) -> str:
        answer = "no answer" if self.http_status is None else f"HTTP {self.http_status}"
        return f"{self.code} ({self.outcome}, {answer})"
