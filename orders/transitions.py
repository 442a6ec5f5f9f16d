"""Everything that can happen to an order, in one table.

The admin's buttons and bulk actions, the timeline's words, the messages' kinds and the customer's page all follow from
it: adding a transition is adding one entry (and, if the customer is told, its text). An entry that could not work is
refused when this module is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from flowlog.translations import Words
from orders.codes import compact_tracking, same_code
from orders.contacts import is_storable
from orders.statuses import (
    CORREIOS_METHODS,
    HANDED_OVER,
    SHIPPING_METHODS,
    TRACKED_METHODS,
    DeliveryMethod,
    DeliveryStatus,
    OrderStatus,
    PaymentStatus,
)
from orders.typed import visible

if TYPE_CHECKING:
    from orders.models import Order

type Data = dict[str, str]

MAX_LENGTHS = {"tracking_code": 60, "tracking_url": 300, "reason": 300, "pickup_code": 12}
_READERS: dict[str, Callable[[str], str]] = {"tracking_code": compact_tracking, "tracking_url": visible}


# They correct what was written down and change no status: the constraint `event_changes_status_or_tracking` knows them.
CORRECTIONS = frozenset({"correct_tracking"})


class TransitionNotAllowed(Exception):  # noqa: N818 - it says what it is
    """The order cannot take this transition now. `str()` is a sentence for the person who asked."""


def _no_effect(_order: Order, _data: Data) -> None:
    """Most transitions change nothing but the statuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One entry. `…_to` of None leaves that status as it is; `…_from` is where the order must be.

    `label` is the button, `done` the timeline's words. A setback is not the next step that one hopes for. `takes`
    names the data it accepts; `check` refuses data with a `TransitionNotAllowed`; `effect` writes what the data means
    to the (locked, unsaved) order.

    On the customer's page `headline` and `advice` say where the order is now (`advice_if_paid` instead, where money is
    to come back), `to_come` says the same of a step that is still hoped for, `icon` is that of
    `templates/orders/public/icon.html`. Without a headline it stands aside of the order's way, as a payment does, which
    may come at any point of it.
    """

    name: str
    label: Words
    done: Words
    status_from: frozenset[OrderStatus]
    payment_from: frozenset[PaymentStatus] = frozenset(PaymentStatus)
    delivery_from: frozenset[DeliveryStatus] = frozenset(DeliveryStatus)
    methods: frozenset[DeliveryMethod] = frozenset(DeliveryMethod)
    status_to: OrderStatus | None = None
    payment_to: PaymentStatus | None = None
    delivery_to: DeliveryStatus | None = None
    takes: tuple[str, ...] = ()
    tells_customer: bool = True
    by_staff: bool = True
    is_setback: bool = False
    headline: Words = ""
    advice: Words = ""
    advice_if_paid: Words = ""
    to_come: Words = ""
    icon: str = "package"
    check: Callable[[Order, Data], None] = _no_effect
    effect: Callable[[Order, Data], None] = _no_effect

    def __post_init__(self) -> None:
        """Raise `ValueError` for an entry whose application the database would refuse, or that leaves the page mute."""
        changes = (
            (self.status_to, self.status_from),
            (self.payment_to, self.payment_from),
            (self.delivery_to, self.delivery_from),
        )
        # One of the statuses must be another one afterwards, wherever the order comes from.
        if self.name not in CORRECTIONS and all(to is None or to in before for to, before in changes):
            raise ValueError(f"Transition {self.name!r} may change nothing: it leads to where it may come from.")
        if (self.status_to or self.delivery_to) and not self.headline:
            raise ValueError(f"Transition {self.name!r} moves the order on: say it to the customer in `headline`.")
        if self.to_come and not self.headline:
            raise ValueError(f"Transition {self.name!r} is to come on the order's way: it needs a `headline`.")

    def is_possible(self, order: Order) -> bool:
        """Whether the order's statuses and delivery method allow it, whatever the data."""
        return (
            order.delivery_method in self.methods
            and order.status in self.status_from
            and order.payment_status in self.payment_from
            and order.delivery_status in self.delivery_from
        )

    def require_possible(self, order: Order) -> None:
        """Raise `TransitionNotAllowed`, naming what stands in the way."""
        obstacles = (
            (
                gettext("its delivery method"),
                order.delivery_method in self.methods,
                order.get_delivery_method_display(),
            ),
            (gettext("its status"), order.status in self.status_from, order.get_status_display()),
            (gettext("its payment"), order.payment_status in self.payment_from, order.get_payment_status_display()),
            (gettext("its delivery"), order.delivery_status in self.delivery_from, order.get_delivery_status_display()),
        )
        for what, fits, value in obstacles:
            if not fits:
                raise TransitionNotAllowed(
                    gettext("“%(label)s” is not possible for order %(code)s: %(what)s is “%(value)s”.")
                    % {"label": self.label, "code": order.code, "what": what, "value": value}
                )

    def apply(self, order: Order, data: Data) -> None:
        """Change the order in memory. Raises `TransitionNotAllowed` before anything is changed."""
        self.require_possible(order)
        self.check(order, data)
        self.change_statuses(order)
        self.effect(order, data)

    def change_statuses(self, order: Order) -> None:
        """Bring the order in memory where the transition leads, unchecked."""
        order.status = self.status_to or order.status
        order.payment_status = self.payment_to or order.payment_status
        order.delivery_status = self.delivery_to or order.delivery_status


def _check_tracking(order: Order, data: Data) -> None:
    code = data.get("tracking_code") or order.tracking_code
    if order.delivery_method in TRACKED_METHODS and not code:
        raise TransitionNotAllowed(
            gettext("Order %(code)s goes by %(method)s: give its tracking code.")
            % {"code": order.code, "method": order.get_delivery_method_display()}
        )
    if data.get("tracking_url"):
        try:
            URLValidator(schemes=["https", "http"])(data["tracking_url"])
        except ValidationError:
            raise TransitionNotAllowed(
                gettext("The tracking page must be an address like https://example.com.")
            ) from None


def _tracking(order: Order, data: Data) -> tuple[str, str]:
    """The order's code and page as the data has them."""
    code = data.get("tracking_code") or order.tracking_code
    # Capitals of other letters may be more characters than there is room for.
    capitals = order.delivery_method in CORREIOS_METHODS and code.isascii()
    return code.upper() if capitals else code, data.get("tracking_url") or order.tracking_url


def _set_tracking(order: Order, data: Data) -> None:
    order.tracking_code, order.tracking_url = _tracking(order, data)


def _check_correction(order: Order, data: Data) -> None:
    _check_tracking(order, data)
    now = (order.tracking_code, order.tracking_url)
    if _tracking(order, data) == now:
        raise TransitionNotAllowed(
            gettext("Order %(code)s has this tracking already: there is nothing to correct.") % {"code": order.code}
        )


def _check_pickup_code(order: Order, data: Data) -> None:
    given = data.get("pickup_code")
    if given and not same_code(given, order.pickup_code):
        raise TransitionNotAllowed(
            gettext("The code that the customer showed is not the one of order %(code)s.") % {"code": order.code}
        )


def _set_pickup_deadline(order: Order, _data: Data) -> None:
    """When the counter closes on the last day, in the shop's time zone."""
    last_day = timezone.localdate() + timedelta(days=order.store.pickup_days)
    order.pickup_deadline = timezone.make_aware(datetime.combine(last_day, order.store.pickup_until))


def _count_delivery_attempt(order: Order, _data: Data) -> None:
    order.delivery_attempts += 1


_ENTRIES = (
    Transition(
        name="create",
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
        label=_("Record payment"),
        done=_("Payment received"),
        status_from=frozenset({OrderStatus.PENDING, OrderStatus.CONFIRMED, OrderStatus.COMPLETED}),
        payment_from=frozenset({PaymentStatus.PENDING}),
        payment_to=PaymentStatus.PAID,
    ),
    Transition(
        name="ship",
        label=_("Ship"),
        done=_("Order shipped"),
        methods=SHIPPING_METHODS,
        status_from=frozenset({OrderStatus.CONFIRMED}),
        delivery_from=frozenset({DeliveryStatus.PENDING}),
        delivery_to=DeliveryStatus.SHIPPED,
        takes=("tracking_code", "tracking_url"),
        check=_check_tracking,
        effect=_set_tracking,
        headline=_("Your order is on its way"),
        advice=_("It has left the store and is coming to you."),
        to_come=_("Shipping"),
        icon="truck",
    ),
    # The customer has a wrong code, and is told the right one.
    Transition(
        name="correct_tracking",
        label=_("Correct the tracking code"),
        done=_("Tracking code corrected"),
        methods=TRACKED_METHODS,
        status_from=frozenset({OrderStatus.CONFIRMED}),
        delivery_from=frozenset(
            {DeliveryStatus.SHIPPED, DeliveryStatus.OUT_FOR_DELIVERY, DeliveryStatus.FAILED_ATTEMPT}
        ),
        takes=("tracking_code", "tracking_url"),
        by_staff=False,
        check=_check_correction,
        effect=_set_tracking,
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
        label=_("Record failed attempt"),
        done=_("Delivery attempt failed"),
        methods=SHIPPING_METHODS,
        status_from=frozenset({OrderStatus.CONFIRMED}),
        delivery_from=frozenset({DeliveryStatus.SHIPPED, DeliveryStatus.OUT_FOR_DELIVERY}),
        delivery_to=DeliveryStatus.FAILED_ATTEMPT,
        takes=("reason",),
        effect=_count_delivery_attempt,
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
        effect=_set_pickup_deadline,
        headline=_("Your order is ready for pickup"),
        advice=_("Show the pickup code at the counter."),
        to_come=_("Ready for pickup at the store"),
        icon="store",
    ),
    Transition(
        name="pick_up",
        label=_("Hand over"),
        done=_("Order picked up"),
        methods=frozenset({DeliveryMethod.PICKUP}),
        status_from=frozenset({OrderStatus.CONFIRMED}),
        delivery_from=frozenset({DeliveryStatus.READY_FOR_PICKUP}),
        status_to=OrderStatus.COMPLETED,
        delivery_to=DeliveryStatus.PICKED_UP,
        takes=("pickup_code",),
        check=_check_pickup_code,
        headline=_("Your order was picked up"),
        advice=_("It was a pleasure to serve you. Until next time!"),
        to_come=_("Pickup"),
        icon="check",
    ),
    Transition(
        name="expire_pickup",
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
        label=_("Refund"),
        done=_("Payment refunded"),
        status_from=frozenset(OrderStatus),
        payment_from=frozenset({PaymentStatus.PAID}),
        payment_to=PaymentStatus.REFUNDED,
        is_setback=True,
    ),
    Transition(
        name="return_order",
        label=_("Record return"),
        done=_("Order returned"),
        status_from=frozenset({OrderStatus.COMPLETED, OrderStatus.CONFIRMED}),
        delivery_from=HANDED_OVER | {DeliveryStatus.FAILED_ATTEMPT},
        status_to=OrderStatus.RETURNED,
        takes=("reason",),
        is_setback=True,
        headline=_("Your order was returned"),
        advice=_("For the next steps, talk to the store."),
        icon="alert",
    ),
    Transition(
        name="cancel",
        label=_("Cancel order"),
        done=_("Order cancelled"),
        status_from=frozenset({OrderStatus.PENDING, OrderStatus.CONFIRMED}),
        status_to=OrderStatus.CANCELLED,
        takes=("reason",),
        is_setback=True,
        headline=_("Your order was cancelled"),
        advice=_("If you have any question, talk to the store."),
        advice_if_paid=_("The store will see to the refund and tell you. If you have any question, talk to it."),
        icon="alert",
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


def clean_data(transition: Transition, data: Iterable[tuple[str, object]]) -> Data:
    """The data as trimmed single-line strings, tracking codes as their carrier writes them, without empty ones.

    Raises `TypeError` for a name that the transition does not take and `TransitionNotAllowed` for a value that
    is too long.
    """
    cleaned: Data = {}
    for name, value in data:
        if name not in transition.takes:
            raise TypeError(f"Transition {transition.name!r} takes no {name!r}; it takes: {transition.takes}.")
        text = " ".join(str(value or "").split())
        if not is_storable(text):
            raise TransitionNotAllowed(gettext("The text has characters that cannot be stored."))
        text = _READERS.get(name, str)(text)
        if len(text) > MAX_LENGTHS[name]:
            raise TransitionNotAllowed(
                gettext("“%(value)s…” is too long: %(limit)d characters at most.")
                % {"value": text[:30], "limit": MAX_LENGTHS[name]}
            )
        if text:
            cleaned[name] = text
    return cleaned
