"""What the core tells the apps above it."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.dispatch import Signal

from orders.models import Order, OrderEvent

order_status_changed = Signal()
"""Sent by `orders.services` inside the transaction that changes the statuses, once for a whole batch.

Argument `changes`: a list of `StatusChange`. A receiver that raises undoes the whole change.
"""

customers_being_erased = Signal()
"""Sent by `orders.erasure` before anything is locked, inside the transaction that erases customers.

Arguments: `customers`, all of them one person's rows at a store, and `numbers`, every form of their number. A receiver
erases what those lock first who lock a customer later, and returns how many rows by name, or None.
"""

customers_erased = Signal()
"""Sent by `orders.erasure` inside the same transaction, with the customers and their orders locked, not yet changed.

Arguments: as above, `orders`, theirs, and `actor`. A receiver erases what its app knows of them and returns how many
rows by name, or None; one that raises `ErasureRefusedError` undoes the whole erasure.
"""


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One order's transition, as it has just happened. The order's store and customer are loaded."""

    order: Order
    event: OrderEvent
    notify: bool
    data: dict[str, str] = field(default_factory=dict)
