"""What notifications do when the apps below them speak."""

from __future__ import annotations

from typing import Any

from integrations.models import CustomerReply
from notifications import outbox
from orders.models import Customer
from orders.signals import StatusChange


def tell_customers(*, changes: list[StatusChange], **_kwargs: Any) -> None:
    """Put a message into the outbox for every change that the customer is to be told of."""
    outbox.add([change for change in changes if change.notify])


def confirm_consent(*, customers: list[Customer], opted_out: bool, reply: CustomerReply, **_kwargs: Any) -> None:
    """Confirm it once, however many customers this one person is."""
    outbox.confirm_consent(customers[0], reply, opted_out=opted_out)
