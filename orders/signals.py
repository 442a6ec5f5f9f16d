"""What the core tells the apps above it."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.dispatch import Signal

from orders.models import Order, OrderEvent

order_status_changed = Signal()
"""Sent by `orders.services` inside the transaction that changes the statuses, once for a whole batch.

Argument `changes`: a list of `StatusChange`. A receiver that raises undoes the whole change.
"""


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One order's transition, as it has just happened. The order's store and customer are loaded."""

    order: Order
    event: OrderEvent
    notify: bool
    data: dict[str, str] = field(default_factory=dict)
