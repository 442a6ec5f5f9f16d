"""What an entry of the table of transitions is, and how it is applied."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext

from flowlog.translations import Words
from orders.codes import compact_tracking
from orders.contacts import is_storable
from orders.statuses import DeliveryMethod, DeliveryStatus, OrderStatus, PaymentStatus
from orders.typed import visible

if TYPE_CHECKING:
    from orders.models import Order

type Data = dict[str, str]

MAX_LENGTHS = {
    "tracking_code": 60,
    "tracking_url": 300,
    "reason": 300,
    "pickup_code": 12,
    "pickup_deadline": 40,
    "delivery_address": 300,
}
_READERS: dict[str, Callable[[str], str]] = {
    "tracking_code": compact_tracking,
    "tracking_url": visible,
    "delivery_address": visible,
}


# They correct what was written down and change no status: the constraint `event_changes_or_corrects` knows them.
CORRECTIONS = frozenset({"correct_tracking", "move_deadline", "change_address"})
# The timeline's entry that takes steps back (`orders.undo`). It is in no table: it leads wherever the order was before.
UNDO = "undo"


class TransitionNotAllowed(Exception):  # noqa: N818 - it says what it is
    """The order cannot take this transition now. `str()` is a sentence for the person who asked."""


def _no_effect(_order: Order, _data: Data) -> None:
    """Most transitions change nothing but the statuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One entry. `…_to` of None leaves that status as it is; `…_from` is where the order must be.

    `label` is the button, `done` the timeline's words. A setback is not the next step that one hopes for. `takes`
    names the data it accepts; `corrects`, for one that takes back a step found wrong only later, the transitions whose
    messages were wrong: the customer is told only if one of these may have reached them. `is_final`: it ends what was
    agreed, and is not done to many by an oversight. `check` refuses data with a
    `TransitionNotAllowed`; `effect` writes what the data means to the (locked, unsaved) order. `past` is what other
    systems call it once it has happened, where that is not its name; they compare it, so that it never changes.

    On the customer's page `headline` and `advice` say where the order is now (`advice_if_paid` instead, where money is
    to come back), `to_come` says the same of a step that is still hoped for, `icon` is that of
    `templates/orders/public/icon.html`. Without a headline it stands aside of the order's way, as a payment does, which
    may come at any point of it.
    """

    name: str
    past: str = ""
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
    notifies_customer: bool = True
    by_staff: bool = True
    is_setback: bool = False
    is_final: bool = False
    corrects: frozenset[str] = frozenset()
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
        if self.is_possible(order):
            return
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
