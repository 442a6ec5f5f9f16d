"""What notifications do when the apps below them speak."""

from __future__ import annotations

from typing import Any

from notifications import outbox
from orders.signals import StatusChange


def tell_customers(*, changes: list[StatusChange], **_kwargs: Any) -> None:
    """Put a message into the outbox for every change that the customer is to be told of."""
    outbox.add([change for change in changes if change.notify])
