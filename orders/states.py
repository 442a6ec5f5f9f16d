"""How somebody else has an order, who tells its state and not what happened to it; and what became of that here."""

from __future__ import annotations

from dataclasses import dataclass

from orders.models import OrderEvent
from orders.statuses import DeliveryStatus, PaymentStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderState:
    """How the shop says that the order looks. What is None, False or empty says nothing.

    `confirmed`: it is no longer only placed; where it is said to have left or to be ready, that is said as well.
    `delivery` is in the words of any method: handed over is delivered or picked up, whichever the order is for; a
    parcel that is ready is only confirmed. `cancelled` and `returned` end it, wherever it was. `refunded` is all of the
    money: an order that has not left, and is not said to be confirmed or under way, is cancelled with it.

    `reason` is for the customer to read, of a cancellation, return or failed attempt.
    """

    payment: PaymentStatus | None = None
    delivery: DeliveryStatus | None = None
    confirmed: bool = False
    cancelled: bool = False
    returned: bool = False
    reason: str = ""
    tracking_code: str = ""
    tracking_url: str = ""


@dataclass(frozen=True, slots=True)
class Brought:
    """What became of a state: `events`, the entries in the timeline, in their order, of which the last one was told.

    `reason` is a sentence for the staff on what of it was not done: where it is empty, and there are no events, there
    was nothing new. `late`: it was not done because the order has gone on since, so that nobody has to look.
    `is_partly`: what could be done of the state is done, now or before, as its payment where its delivery cannot be.
    """

    events: tuple[OrderEvent, ...] = ()
    reason: str = ""
    late: bool = False
    is_partly: bool = False
