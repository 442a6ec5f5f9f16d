"""Who may be written to. Read at every claim, so that a customer who opts out is left alone at once."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.models import NotificationLog
from notifications.errors import sentence


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message is not sent at all: a stable code and a sentence for the staff."""

    code: str

    @property
    def sentence(self) -> str:
        return sentence(self.code)


def refusal(notification: NotificationLog) -> Refusal | None:
    """Why this message must not be sent, or None. Needs the order's customer."""
    if notification.instance_id is None:
        return Refusal("no_instance")
    if not notification.recipient:
        return Refusal("no_phone")
    if notification.order and notification.order.customer.opted_out_at:
        return Refusal("opted_out")
    return None
