"""Everything that can happen to an order, in one table.

The admin's buttons and bulk actions, the timeline's words, the messages' kinds and the customer's page all follow from
it: adding a transition is adding one entry (and, if the customer is told, its text). An entry that could not work is
refused when this module is loaded.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from flowlog.translations import Words
from orders import transition_effects as effects
from orders.statuses import (
    HANDED_OVER,
    SHIPPING_METHODS,
    TRACKED_METHODS,
    DeliveryMethod,
    DeliveryStatus,
    OrderStatus,
    PaymentStatus,
)
from orders.transition_entry import (
    CORRECTIONS,
    MAX_LENGTHS,
    UNDO,
    Data,
    Transition,
    TransitionNotAllowed,
    clean_data,
)

if TYPE_CHECKING:
    from orders.models import Order

__all__ = [
    "CORRECTIONS",
    "MAX_LENGTHS",
    "TRANSITIONS",
    "UNDO",
    "Data",
    "Transition",
    "TransitionNotAllowed",
    "clean_data",
    "done_words",
    "get_transition",
    "possible_corrections",
    "possible_transitions",
    "way_ahead",
]

_ENTRIES = (
    Transition(
        name="create",
        past="created",
        label=_("Create"),
        done=_("Order received"),
        status_from=frozenset(),
        status_to=OrderStatus.PENDING,
        payment_to=PaymentStatus.PENDING,
        delivery_to=DeliveryStatus.PENDING,
        by_staff=False,
        headline=_("We received your order"),
        advice=_("As soon as the store confirms it, you will see it here."),
    ),
    Transition(
        name="confirm",
        past="confirmed",
        label=_("Confirm"),
        done=_("Order confirmed"),
        status_from=frozenset({OrderStatus.PENDING}),
        status_to=OrderStatus.CONFIRMED,
        headline=_("Your order is confirmed"),
        advice=_("The store is preparing everything."),
        to_come=_("Confirmation by the store"),
    ),
    Transition(
        name="pay",
        past="paid",
        label=_("Record payment"),
        done=_("Payment received"),
        status_from=frozenset({OrderStatus.PENDING, OrderStatus.CONFIRMED, OrderStatus.COMPLETED}),
        payment_from=frozenset({PaymentStatus.PENDING}),
        payment_to=PaymentStatus.PAID,
    ),
    Transition(
        name="ship",
        past="shipped",
        label=_("Ship"),
        done=_("Order shipped"),
        methods=SHIPPING_METHODS,
        status_from=frozenset({OrderStatus.CONFIRMED}),
        delivery_from=frozenset({DeliveryStatus.PENDING}),
        delivery_to=DeliveryStatus.SHIPPED,
        takes=("tracking_code", "tracking_url"),
        check=effects.check_tracking,
        effect=effects.set_tracking,
        headline=_("Your order is on its way"),
        advice=_("It has left the store and is coming to you."),
        to_come=_("Shipping"),
        icon="truck",
    ),
    # The customer has a wrong code, and is told the right one.
    Transition(
        name="correct_tracking",
        past="tracking_corrected",
        label=_("Correct the tracking code"),
        done=_("Tracking code corrected"),
        methods=TRACKED_METHODS,
        status_from=frozenset({OrderStatus.CONFIRMED}),
        delivery_from=frozenset(
            {DeliveryStatus.SHIPPED, DeliveryStatus.OUT_FOR_DELIVERY, DeliveryStatus.FAILED_ATTEMPT}
        ),
        takes=("tracking_code", "tracking_url"),
        by_staff=False,
        check=effects.check_correction,
        effect=effects.set_tracking,
    ),
    Transition(
        name="out_for_delivery",
        label=_("Out for delivery"),
        done=_("Out for delivery"),
        methods=SHIPPING_METHODS,
        status_from=frozenset({OrderStatus.CONFIRMED}),
        delivery_from=frozenset({DeliveryStatus.SHIPPED, DeliveryStatus.FAILED_ATTEMPT}),
        delivery_to=DeliveryStatus.OUT_FOR_DELIVERY,
        headline=_("Your order is out for delivery"),
        advice=_("If you can, have somebody there to receive it."),
        to_come=_("Leaving for delivery"),
        icon="truck",
    ),
    Transition(
        name="deliver",
        past="delivered",
        label=_("Deliver"),
        done=_("Order delivered"),
        methods=SHIPPING_METHODS,
        status_from=frozenset({OrderStatus.CONFIRMED}),
        delivery_from=frozenset(
            {DeliveryStatus.SHIPPED, DeliveryStatus.OUT_FOR_DELIVERY, DeliveryStatus.FAILED_ATTEMPT}
        ),
        status_to=OrderStatus.COMPLETED,
        delivery_to=DeliveryStatus.DELIVERED,
        headline=_("Your order was delivered"),
        advice=_("We hope you like it! If anything is wrong, talk to the store."),
        to_come=_("Delivery"),
        icon="check",
    ),
    Transition(
        name="fail_delivery",
        past="delivery_failed",
        label=_("Record failed attempt"),
        done=_("Delivery attempt failed"),
        methods=SHIPPING_METHODS,
        status_from=frozenset({OrderStatus.CONFIRMED}),
        delivery_from=frozenset({DeliveryStatus.SHIPPED, DeliveryStatus.OUT_FOR_DELIVERY}),
        delivery_to=DeliveryStatus.FAILED_ATTEMPT,
        takes=("reason",),
        effect=effects.count_delivery_attempt,
        is_setback=True,
        headline=_("We could not deliver"),
        advice=_("Talk to the store to arrange a new attempt."),
        icon="alert",
    ),
    Transition(
        name="ready_for_pickup",
        label=_("Ready for pickup"),
        done=_("Ready for pickup"),
        methods=frozenset({DeliveryMethod.PICKUP}),
        status_from=frozenset({OrderStatus.CONFIRMED}),
        delivery_from=frozenset({DeliveryStatus.PENDING, DeliveryStatus.EXPIRED}),
        delivery_to=DeliveryStatus.READY_FOR_PICKUP,
        effect=effects.set_pickup_deadline,
        headline=_("Your order is ready for pickup"),
        advice=_("Show the pickup code at the counter."),
        to_come=_("Ready for pickup at the store"),
        icon="store",
    ),
    Transition(
        name="pick_up",
        past="picked_up",
        label=_("Hand over"),
        done=_("Order picked up"),
        methods=frozenset({DeliveryMethod.PICKUP}),
        status_from=frozenset({OrderStatus.CONFIRMED}),
        delivery_from=frozenset({DeliveryStatus.READY_FOR_PICKUP}),
        status_to=OrderStatus.COMPLETED,
        delivery_to=DeliveryStatus.PICKED_UP,
        takes=("pickup_code",),
        check=effects.check_pickup_code,
        headline=_("Your order was picked up"),
        advice=_("It was a pleasure to serve you. Until next time!"),
        to_come=_("Pickup"),
        icon="check",
    ),
    Transition(
        name="expire_pickup",
        past="pickup_expired",
        label=_("Expire pickup"),
        done=_("Pickup deadline expired"),
        methods=frozenset({DeliveryMethod.PICKUP}),
        status_from=frozenset({OrderStatus.CONFIRMED}),
        delivery_from=frozenset({DeliveryStatus.READY_FOR_PICKUP}),
        delivery_to=DeliveryStatus.EXPIRED,
        by_staff=False,
        is_setback=True,
        headline=_("The time to pick up your order is over"),
        advice=_("Do you still want it? Talk to the store to arrange a new date."),
        icon="alert",
    ),
    Transition(
        name="refund",
        past="refunded",
        label=_("Refund"),
        done=_("Payment refunded"),
        status_from=frozenset(OrderStatus),
        payment_from=frozenset({PaymentStatus.PAID}),
        payment_to=PaymentStatus.REFUNDED,
        is_setback=True,
        is_final=True,
    ),
    Transition(
        name="return_order",
        past="returned",
        label=_("Record return"),
        done=_("Order returned"),
        status_from=frozenset({OrderStatus.COMPLETED, OrderStatus.CONFIRMED}),
        delivery_from=HANDED_OVER | {DeliveryStatus.FAILED_ATTEMPT},
        status_to=OrderStatus.RETURNED,
        takes=("reason",),
        is_setback=True,
        is_final=True,
        headline=_("Your order was returned"),
        advice=_("For the next steps, talk to the store."),
        icon="alert",
    ),
    Transition(
        name="cancel",
        past="cancelled",
        label=_("Cancel order"),
        done=_("Order cancelled"),
        status_from=frozenset({OrderStatus.PENDING, OrderStatus.CONFIRMED}),
        status_to=OrderStatus.CANCELLED,
        takes=("reason",),
        is_setback=True,
        is_final=True,
        headline=_("Your order was cancelled"),
        advice=_("If you have any question, talk to the store."),
        advice_if_paid=_("The store will see to the refund and tell you. If you have any question, talk to it."),
        icon="alert",
    ),
    # What the customer may hold in hand is another now.
    Transition(
        name="move_deadline",
        past="deadline_moved",
        label=_("Move the pickup deadline"),
        done=_("Pickup deadline moved"),
        methods=frozenset({DeliveryMethod.PICKUP}),
        status_from=frozenset({OrderStatus.CONFIRMED}),
        delivery_from=frozenset({DeliveryStatus.READY_FOR_PICKUP}),
        takes=("pickup_deadline",),
        by_staff=False,
        check=effects.check_deadline,
        effect=effects.move_deadline,
    ),
    Transition(
        name="change_address",
        past="address_changed",
        label=_("Change the delivery address"),
        done=_("Delivery address changed"),
        methods=SHIPPING_METHODS,
        status_from=frozenset({OrderStatus.PENDING, OrderStatus.CONFIRMED}),
        takes=("delivery_address",),
        by_staff=False,
        check=effects.check_address,
        effect=effects.change_address,
    ),
    # A step that was found wrong when it could not be undone any more.
    Transition(
        name="back_to_preparation",
        label=_("Back to “in preparation”"),
        done=_("Corrected: still in preparation"),
        status_from=frozenset({OrderStatus.CONFIRMED}),
        delivery_from=frozenset({DeliveryStatus.SHIPPED, DeliveryStatus.READY_FOR_PICKUP}),
        delivery_to=DeliveryStatus.PENDING,
        by_staff=False,
        is_setback=True,
        corrects=frozenset({"ship", "correct_tracking", "ready_for_pickup", "move_deadline", "pickup_reminder"}),
        headline=_("Your order is still in preparation"),
        advice=_("What was recorded before was a mistake. You will hear from us as soon as it goes on."),
    ),
    Transition(
        name="back_to_shipped",
        label=_("Back to “shipped”"),
        done=_("Corrected: still on its way"),
        methods=SHIPPING_METHODS,
        status_from=frozenset({OrderStatus.CONFIRMED, OrderStatus.COMPLETED}),
        delivery_from=frozenset({DeliveryStatus.OUT_FOR_DELIVERY, DeliveryStatus.DELIVERED}),
        status_to=OrderStatus.CONFIRMED,
        delivery_to=DeliveryStatus.SHIPPED,
        by_staff=False,
        is_setback=True,
        corrects=frozenset({"out_for_delivery", "deliver"}),
        headline=_("Your order is still on its way"),
        advice=_("What was recorded before was a mistake: it has not been delivered yet."),
        icon="truck",
    ),
    Transition(
        name="back_to_counter",
        label=_("Back to “ready for pickup”"),
        done=_("Corrected: still waits for pickup"),
        methods=frozenset({DeliveryMethod.PICKUP}),
        status_from=frozenset({OrderStatus.COMPLETED}),
        delivery_from=frozenset({DeliveryStatus.PICKED_UP}),
        status_to=OrderStatus.CONFIRMED,
        delivery_to=DeliveryStatus.READY_FOR_PICKUP,
        by_staff=False,
        is_setback=True,
        effect=effects.renew_pickup_deadline,
        corrects=frozenset({"pick_up"}),
        headline=_("Your order still waits for you"),
        advice=_("What was recorded before was a mistake. Show the pickup code at the counter."),
        icon="store",
    ),
    Transition(
        name="reopen",
        past="reopened",
        label=_("Reopen order"),
        done=_("Corrected: order reopened"),
        status_from=frozenset({OrderStatus.CANCELLED}),
        status_to=OrderStatus.CONFIRMED,
        by_staff=False,
        is_setback=True,
        effect=effects.reopen,
        corrects=frozenset({"cancel"}),
        headline=_("Your order is not cancelled"),
        advice=_("What was recorded before was a mistake: your order is confirmed, and the store sees to it."),
    ),
    Transition(
        name="unpay",
        past="unpaid",
        label=_("Payment was not received"),
        done=_("Corrected: payment not received"),
        status_from=frozenset({OrderStatus.PENDING, OrderStatus.CONFIRMED, OrderStatus.COMPLETED}),
        payment_from=frozenset({PaymentStatus.PAID}),
        payment_to=PaymentStatus.PENDING,
        by_staff=False,
        is_setback=True,
        corrects=frozenset({"pay"}),
    ),
)

TRANSITIONS: dict[str, Transition] = {entry.name: entry for entry in _ENTRIES}


def get_transition(name: str) -> Transition:
    """The entry of that name; raises `TransitionNotAllowed` for an unknown one."""
    try:
        return TRANSITIONS[name]
    except KeyError:
        raise TransitionNotAllowed(gettext("There is no transition “%(name)s”.") % {"name": name}) from None


def done_words(name: str) -> Words:
    """What is said of a transition that was done; its name where a later version has dropped it."""
    if name == UNDO:
        return _("Step undone")
    return TRANSITIONS[name].done if name in TRANSITIONS else name


def way_ahead(order: Order) -> list[Transition]:
    """The steps that one hopes for from here on, each once, in the order in which they become possible."""
    ahead = copy(order)
    hoped_for = [entry for entry in TRANSITIONS.values() if entry.to_come]
    way: list[Transition] = []
    while step := next((entry for entry in hoped_for if entry not in way and entry.is_possible(ahead)), None):
        way.append(step)
        step.change_statuses(ahead)
    return way


def possible_transitions(order: Order) -> list[Transition]:
    """What staff may do with the order now, in the table's order."""
    return [entry for entry in TRANSITIONS.values() if entry.by_staff and entry.is_possible(order)]


def possible_corrections(order: Order) -> list[Transition]:
    """With what staff may take back a step that turned out wrong, in the table's order."""
    return [entry for entry in TRANSITIONS.values() if entry.corrects and entry.is_possible(order)]
