"""Orders that live through their whole lives, each on a random legal way through the table of transitions.

What is decided follows from the seed. A change whose transaction fails because the database is away is tried again:
only what was committed counts.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from django.db import InterfaceError, OperationalError, connection

from integrations.models import NotificationLog
from orders.models import Order, Store
from orders.services import apply_transition, apply_transition_bulk
from orders.statuses import DeliveryMethod, OrderStatus
from orders.transitions import TRANSITIONS, Transition, TransitionNotAllowed
from tests.factories import TRACKING_CODE, make_order

NOT_ON_WHATSAPP = "9001"
# Lines that always meet a fault of the sandbox: a reset after the send, 400 message.create(), two failures, a 500 after
# the send. Where nothing is kept, most of these would be sent again for ever.
BAD_LINES = ("9008", "9011", "9016", "9022")
# Most orders are handed over; the others are cancelled, returned or never fetched.
WEIGHTS = {"cancel": 0.15, "return_order": 0.3, "refund": 0.3, "expire_pickup": 0.5, "deliver": 0.7, "pick_up": 0.8}
# Of a large campaign; a small one has less at once, so that its faults, too, have something to meet.
LIVING = 40
MOST_WAITING = 120
BULK = 8
PATIENCE = 90.0


class Lives:
    """Writes about `size` changes, each of which the customer is told of. The last store's gateway keeps nothing."""

    def __init__(self, rng: random.Random, size: int, stores: Sequence[Store]) -> None:
        self._rng = rng
        self._size = size
        self._stores = stores
        self._living: dict[int, Order] = {}
        self._customers: list[tuple[Store, str]] = []
        self.acknowledged: defaultdict[int, list[str]] = defaultdict(list)
        """The changes whose commit was confirmed, of each order."""
        self.written = 0

    def live(self, progress: Callable[[int], None]) -> None:
        """Write everything, never far ahead of what the workers send; `progress` hears how much is written.

        Gives up if they do not send for `PATIENCE` seconds: what is left then shows in the counts.
        """
        while self.written < self._size or self._living:
            if self.written < self._size and len(self._living) < min(LIVING, self._size // 10):
                self._create()
            else:
                self._go_on(self._rng.choice(list(self._living.values())))
            progress(self.written)
            if not self._let_them_catch_up():
                return

    def _let_them_catch_up(self) -> bool:
        deadline = time.monotonic() + PATIENCE
        while surviving(_waiting) > min(MOST_WAITING, self._size // 10):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def _create(self) -> None:
        store, phone = self._customer()
        values: dict[str, Any] = {
            "store": store,
            "customer_phone": phone,
            "delivery_method": self._rng.choice(list(DeliveryMethod)),
        }
        order = surviving(lambda: make_order(notify=True, **values))
        self._living[order.pk] = order
        self._acknowledge(order, "create")

    def _go_on(self, order: Order) -> None:
        possible = [transition for transition in TRANSITIONS.values() if transition.is_possible(order)]
        over = order.status not in {OrderStatus.PENDING, OrderStatus.CONFIRMED}
        if not possible or (over and self._rng.random() < 0.6):
            del self._living[order.pk]
            return
        [transition] = self._rng.choices(possible, [WEIGHTS.get(each.name, 1) for each in possible])
        data = self._data(transition)
        if self._rng.random() < 0.1:
            others = self._rng.sample(list(self._living.values()), min(BULK, len(self._living)))
            self._apply_to_all([order, *others], transition.name, data)
        else:
            self._apply(order, transition.name, data)

    def _apply(self, order: Order, name: str, data: dict[str, Any]) -> None:
        try:
            surviving(lambda: apply_transition(order, name, **data))
        except TransitionNotAllowed:
            # Only if the first try was committed although the connection broke: nobody has confirmed it.
            surviving(order.refresh_from_db)
        else:
            self._acknowledge(order, name)

    def _apply_to_all(self, orders: list[Order], name: str, data: dict[str, Any]) -> None:
        result = surviving(lambda: apply_transition_bulk(orders, name, **data))
        for order in [*result.applied, *(order for order, _reason in result.refused)]:
            self._living[order.pk] = order
        for order in result.applied:
            self._acknowledge(order, name)

    def _acknowledge(self, order: Order, name: str) -> None:
        self.acknowledged[order.pk].append(name)
        # Of a correction customers are mostly told nothing.
        self.written += not TRANSITIONS[name].corrects

    def _customer(self) -> tuple[Store, str]:
        """Mostly somebody new; some buy again, a few have a line that is bad or not on WhatsApp."""
        chance = self._rng.random()
        if chance < 0.1 and self._customers:
            return self._rng.choice(self._customers)
        number = len(self._customers)
        # No last four digits by chance that mean a fault, and both forms of a number: see `jids`.
        ending, store = f"{number % 9000:04}", self._rng.choice(self._stores)
        if chance < 0.13:
            ending = NOT_ON_WHATSAPP
        elif chance < 0.2 and store != self._stores[-1]:
            ending = self._rng.choice(BAD_LINES)
        self._customers.append((store, f"+55{self._rng.choice((11, 31, 85))}9{7000 + number % 3000}{ending}"))
        return self._customers[-1]

    def _data(self, transition: Transition) -> dict[str, Any]:
        values = {"tracking_code": TRACKING_CODE, "reason": self._rng.choice(("ninguém em casa", "a pedido", ""))}
        return {name: values[name] for name in transition.takes if name in values}


def surviving[T](action: Callable[[], T]) -> T:
    """What `action` returns, tried again while the database is away."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return action()
        except (OperationalError, InterfaceError):
            if time.monotonic() > deadline:
                raise
            connection.close()
            time.sleep(0.1)


def unfinished() -> Any:
    return NotificationLog.objects.filter(status__in=NotificationLog.UNFINISHED)


def _waiting() -> int:
    return int(unfinished().count())
