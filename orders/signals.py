"""What the core tells the apps above it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from django.dispatch import Signal

from orders.models import Order, OrderEvent

order_status_changed = Signal()
"""Sent by `orders.services` inside the transaction that changes the statuses, once for a whole batch.

Argument `changes`: a list of `StatusChange`. A receiver that raises undoes the whole change.
"""

creation_untold = Signal()
"""Sent by `orders.services.tell_of_creation` inside its transaction, with the order locked and as it came in.

Argument `change`: the `StatusChange` of its creation, which is no new one. A receiver tells the customer unless they
were told something of the order, and returns whether it did. One that raises undoes what the caller's transaction did.
"""

steps_being_undone = Signal()
"""Sent by `orders.undo` before anything is locked, inside the transaction that takes steps of staff back.

Argument `events`: the timeline entries that are to be taken back. A receiver locks what must not move on meanwhile and
returns, by the key of an entry, the sentence why it cannot be taken back any more; or None.
"""

steps_undone = Signal()
"""Sent by `orders.undo` inside the same transaction, with the orders locked and put back.

Arguments: `events`, those that were taken back, and `actor`. A receiver takes back what its app made of them; one that
raises keeps everything as it was.
"""

told_asked = Signal()
"""Sent by the admin when it says what was done, in no transaction; a receiver that raises breaks the page alone.

Argument `events`: timeline entries. A receiver returns the keys of those that the customer is told of; or None.
"""

quiet_hours_changed = Signal()
"""Sent by the page of a store when its quiet hours or its time zone have changed, inside the transaction that saves it.

Argument: `store`. What fails in a receiver undoes the change.
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

customer_data_asked = Signal()
"""Sent by `orders.disclosure` when somebody asks what is kept about them.

Arguments: `customers`, all of them one person's rows at a store, and `orders`, theirs. A receiver returns what its app
keeps: lists of `orders.disclosure.Record` by their titles.
"""


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One order's transition, as it has just happened. The order's store and customer are loaded.

    The customer is told after `delay`, so that the person who did it may still take it back. One of many may not `wake`
    anybody for it: the first ones do, and it is come upon after them.
    """

    order: Order
    event: OrderEvent
    notify: bool
    data: dict[str, str] = field(default_factory=dict)
    delay: timedelta = timedelta()
    wake: bool = True
