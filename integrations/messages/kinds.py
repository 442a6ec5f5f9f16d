"""The table of the kinds of messages. A new one is an entry here, a text, and whoever puts it into the outbox."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from flowlog.translations import Words
from orders.models import Order
from orders.statuses import DeliveryStatus, OrderStatus
from orders.transitions import TRANSITIONS, done_words

OPT_OUT = "opt_out"
OPT_IN = "opt_in"
TEST = "test"
PICKUP_REMINDER = "pickup_reminder"
FREE_ANSWER = "free_answer"
# They answer what a customer has just written, and mean nothing later.
ANSWERS = frozenset({OPT_OUT, OPT_IN, FREE_ANSWER})


@dataclass(frozen=True, slots=True)
class Kind:
    """What is said on one occasion, in the words of `templates/notifications/whatsapp/<name>.txt`.

    `words`: what the staff call it. `needs_order`: it is about an order, so that store and customer may not want it;
    without one it answers somebody. `ordered`: it waits for the earlier messages of its order, and the later ones wait
    for it. `lifetime`: after that it is no news any more; None: as `NOTIFICATIONS_EXPIRES_AFTER` says. In both cases
    `NOTIFICATIONS_EXPIRES_AFTER_BY_KIND` goes before.

    `may_wait`: in the store's quiet hours it waits for the morning. What is of use only now does not.

    `occasion`: for what tells of no transition, what makes one such message of an order another than the next, and
    empty when there is nothing to be said. A message whose occasion has gone by is not sent.
    """

    name: str
    words: Words
    needs_order: bool = True
    ordered: bool = True
    lifetime: timedelta | None = None
    may_wait: bool = True
    occasion: Callable[[Order], str] | None = None

    def __post_init__(self) -> None:
        if (self.ordered or self.occasion) and not self.needs_order:
            raise ValueError(f"{self.name}: only messages of an order have an order, or an occasion of its")

    def dedupe_key(self, order: Order) -> str:
        """Of its message about the order as it is, which is never written twice; empty if there is none to be."""
        occasion = self.occasion(order) if self.occasion else ""
        return f"{self.name}:{order.pk}:{occasion}" if occasion else ""


def _deadline(order: Order) -> str:
    ready = order.status == OrderStatus.CONFIRMED and order.delivery_status == DeliveryStatus.READY_FOR_PICKUP
    return f"{order.pickup_deadline.timestamp():.0f}" if ready and order.pickup_deadline else ""


# Somebody is at the customer's door now, or was just there.
_AT_THE_DOOR = frozenset({"out_for_delivery", "fail_delivery"})

_TABLE = (
    *(
        Kind(entry.name, entry.done, may_wait=entry.name not in _AT_THE_DOOR)
        for entry in TRANSITIONS.values()
        if entry.notifies_customer
    ),
    # Not for longer than half of the day that is usually left.
    Kind(PICKUP_REMINDER, _("Reminder to pick up"), lifetime=timedelta(hours=12), occasion=_deadline),
    # Who wrote just now is awake.
    Kind(OPT_OUT, _("Confirmed: no more messages"), needs_order=False, ordered=False, may_wait=False),
    Kind(OPT_IN, _("Confirmed: messages again"), needs_order=False, ordered=False, may_wait=False),
    # In a person's own words, to a customer who has written. Perhaps about an order, in whose sequence it then stands.
    Kind(
        FREE_ANSWER,
        _("Answer to the customer"),
        needs_order=False,
        ordered=False,
        may_wait=False,
        lifetime=timedelta(hours=12),
    ),
    # Who tests looks at the phone now.
    Kind(TEST, _("Test message"), needs_order=False, ordered=False, lifetime=timedelta(minutes=10), may_wait=False),
)
KINDS: dict[str, Kind] = {kind.name: kind for kind in _TABLE}


def kind_words(event: str) -> Words:
    """What the staff call a kind of message; its name where a later version has dropped it."""
    return KINDS[event].words if event in KINDS else done_words(event)


def kinds() -> list[tuple[str, Words]]:
    """Every kind of message with its words."""
    return [(kind.name, kind.words) for kind in KINDS.values()]
