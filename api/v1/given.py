"""What version 1 takes."""

from __future__ import annotations

from typing import Annotated, Literal

from django.utils.translation import gettext_lazy as _
from pydantic import Field, StrictBool

from api.v1.fields import (
    Document,
    Given,
    Line,
    Moment,
    Money,
    PastMoment,
    Phone,
    Quantity,
    Reference,
    Source,
    Text,
    TrackingCode,
)
from orders.states import OrderState
from orders.statuses import DeliveryMethod, DeliveryStatus, PaymentStatus
from orders.transitions import MAX_LENGTHS, TRANSITIONS

# How an order begins, and what our clock does.
NOT_BY_PROGRAMS = frozenset({"create", "expire_pickup"})
NAMES = tuple(name for name in TRANSITIONS if name not in NOT_BY_PROGRAMS)
MOST_ITEMS = 200
TOLD_BY_PROGRAMS = tuple(each.value for each in DeliveryStatus if each is not DeliveryStatus.EXPIRED)

type Name = Literal[*NAMES]  # type: ignore[valid-type]
type Short = Annotated[Text, Field(max_length=MAX_LENGTHS["reason"])]


class CustomerIn(Given):
    name: Annotated[Line, Field(max_length=120)]
    phone: Phone = ""
    document: Document = ""


class ItemIn(Given):
    description: Annotated[Line, Field(max_length=200)]
    quantity: Quantity = "1"
    unit_price: Money


class StateIn(Given):
    """Where the shop has the order, not what happened to it; what is left out says nothing.

    That a pickup expired is for our clock to say.
    """

    confirmed: StrictBool = False
    payment: PaymentStatus | None = None
    delivery: Literal[*TOLD_BY_PROGRAMS] | None = None  # type: ignore[valid-type]
    cancelled: StrictBool = False
    returned: StrictBool = False
    reason: Short = ""
    tracking_code: TrackingCode = ""
    tracking_url: Annotated[Text, Field(max_length=MAX_LENGTHS["tracking_url"])] = ""

    def wanted(self) -> OrderState:
        """The same as the services have it."""
        return OrderState(**{**self.dict(), "delivery": self.delivery and DeliveryStatus(self.delivery)})


class OrderIn(Given):
    """An order as it was placed."""

    customer: CustomerIn
    items: Annotated[list[ItemIn], Field(min_length=1, max_length=MOST_ITEMS)]
    delivery_method: DeliveryMethod
    delivery_address: Annotated[Text, Field(max_length=300)] = ""
    notes: Annotated[Text, Field(max_length=4000)] = ""
    freight: Money = "0.00"
    discount: Money = "0.00"
    number: Annotated[str, Field(max_length=60, description=str(_("By what number people know it in the shop.")))] = ""
    state: StateIn | None = None
    notify: StrictBool = True


class ReferenceIn(Given):
    source: Source
    id: Reference


class NewOrderIn(OrderIn):
    """The same, with the shop's own reference if it has one."""

    reference: ReferenceIn | None = None


class PutOrderIn(OrderIn):
    """The same as the shop has it now: `changed_at` is when it was last changed there.

    With `revise` items, amounts and address count, too, of an order that is there already.
    """

    changed_at: PastMoment | None = None
    revise: StrictBool = False


class TransitionData(Given):
    """What the step takes: which of these, the guide says."""

    tracking_code: TrackingCode | None = None
    tracking_url: Annotated[Text, Field(max_length=MAX_LENGTHS["tracking_url"])] | None = None
    reason: Short | None = None
    pickup_code: Annotated[Text, Field(max_length=MAX_LENGTHS["pickup_code"])] | None = None
    pickup_deadline: Moment | None = None
    delivery_address: Annotated[Text, Field(max_length=MAX_LENGTHS["delivery_address"])] | None = None

    def given(self) -> dict[str, str]:
        """Those that were sent, as the services take them."""
        return {
            name: value if isinstance(value, str) else value.isoformat()
            for name, value in self.dict(exclude_none=True).items()
        }


class TransitionIn(Given):
    name: Name
    data: TransitionData = Field(default_factory=TransitionData)
    notify: StrictBool = True


class CancelIn(Given):
    reason: Short = ""
    notify: StrictBool = True
