"""An order's way as its customer sees it: what has happened, where it is now, and what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from orders.models import Order
from orders.statuses import DeliveryMethod, PaymentStatus
from orders.transitions import TRANSITIONS, Words

# Payment and tracking have lines of their own on the page: they may change at any point of the way.
_ASIDE = frozenset({"pay", "refund", "correct_tracking"})
# An order's history is short; one that is not must not make the page heavy.
_SHOWN_STEPS = 30

_PICKUP_WAY = ("create", "confirm", "ready_for_pickup", "pick_up")
_SHIPPING_WAY = ("create", "confirm", "ship", "out_for_delivery", "deliver")
# What goes on from an earlier point of the way.
_GOES_ON_LIKE = {"fail_delivery": "ship"}

_TO_COME: dict[str, Words] = {
    "confirm": _("Confirmation by the store"),
    "ship": _("Shipping"),
    "out_for_delivery": _("Leaving for delivery"),
    "deliver": _("Delivery"),
    "ready_for_pickup": _("Ready for pickup at the store"),
    "pick_up": _("Pickup"),
}

_NOW: dict[str, tuple[Words, Words]] = {
    "create": (_("We received your order"), _("As soon as the store confirms it, you will see it here.")),
    "confirm": (_("Your order is confirmed"), _("The store is preparing everything.")),
    "ship": (_("Your order is on its way"), _("It has left the store and is coming to you.")),
    "out_for_delivery": (_("Your order is out for delivery"), _("If you can, have somebody there to receive it.")),
    "deliver": (_("Your order was delivered"), _("We hope you like it! If anything is wrong, talk to the store.")),
    "fail_delivery": (_("We could not deliver"), _("Talk to the store to arrange a new attempt.")),
    "ready_for_pickup": (_("Your order is ready for pickup"), _("Show the pickup code at the counter.")),
    "pick_up": (_("Your order was picked up"), _("It was a pleasure to serve you. Until next time!")),
    "expire_pickup": (
        _("The time to pick up your order is over"),
        _("Do you still want it? Talk to the store to arrange a new date."),
    ),
    "cancel": (_("Your order was cancelled"), _("If you have any question, talk to the store.")),
    "return_order": (_("Your order was returned"), _("For the next steps, talk to the store.")),
}
_CANCELLED_AND_PAID = _("The store will see to the refund and tell you. If you have any question, talk to it.")


@dataclass(frozen=True, slots=True)
class Step:
    """One point of the way. `when` is None for what is still to come."""

    words: Words
    when: datetime | None = None
    is_current: bool = False
    is_setback: bool = False


@dataclass(frozen=True, slots=True)
class Journey:
    """`now` is the transition that brought the order where it is, `headline` and `advice` say it to the customer."""

    now: str
    headline: Words
    advice: Words
    steps: list[Step]

    @property
    def is_setback(self) -> bool:
        return _is_setback(self.now)

    @property
    def is_over(self) -> bool:
        """Whether it ended as it should."""
        return self.now in {"deliver", "pick_up"}


def of(order: Order) -> Journey:
    """The way of the order, from its timeline."""
    events = list(order.events.exclude(transition__in=_ASIDE))
    now = events[-1].transition
    headline, advice = _NOW.get(now, (_done(now), ""))
    if now == "cancel" and order.payment_status == PaymentStatus.PAID:
        advice = _CANCELLED_AND_PAID
    past = [
        Step(_done(event.transition), event.created_at, event is events[-1], _is_setback(event.transition))
        for event in events[-_SHOWN_STEPS:]
    ]
    return Journey(now, headline, advice, past + [Step(_TO_COME[name]) for name in _next(order, now)])


def _next(order: Order, now: str) -> tuple[str, ...]:
    way = _PICKUP_WAY if order.delivery_method == DeliveryMethod.PICKUP else _SHIPPING_WAY
    reached = _GOES_ON_LIKE.get(now, now)
    return way[way.index(reached) + 1 :] if reached in way else ()


def _is_setback(transition: str) -> bool:
    return transition in TRANSITIONS and TRANSITIONS[transition].is_setback


def _done(transition: str) -> Words:
    return TRANSITIONS[transition].done if transition in TRANSITIONS else transition
