"""What a shop's system says of an order, in Flowlog's words: how it looks now, and not what happened to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from integrations.sources import Nothing

__all__ = ["Hint", "Item", "Nothing", "OrderNews", "Placed", "Told", "Wish"]


@dataclass(frozen=True, slots=True)
class Item:
    """A line of the order; the price is of one."""

    description: str
    quantity: Decimal
    unit_price: Decimal


@dataclass(frozen=True, slots=True)
class Placed:
    """What the customer ordered, as the shop wrote it: nothing here is checked yet.

    `phones`: all that may be the customer's, the likeliest first. `delivery_method` is a `DeliveryMethod`.
    """

    customer_name: str
    phones: tuple[str, ...]
    document: str
    delivery_method: str
    address: str
    items: tuple[Item, ...]
    freight: Decimal
    discount: Decimal
    notes: str = ""


@dataclass(frozen=True, slots=True)
class OrderNews:
    """An order as the shop has it.

    `external_id` names it for ever, `external_number` is what people call it. `statuses` are the shop's own words for
    where it is, of each kind that it keeps apart (payment, parcel, …): what they mean the connection's mapping says.
    `changed_at`, aware, is the shop's clock, and so is `placed_at`: when the customer ordered, if the shop says it.
    """

    external_id: str
    external_number: str
    statuses: tuple[str, ...]
    changed_at: datetime
    placed: Placed
    tracking_code: str = ""
    tracking_url: str = ""
    cancel_reason: str = ""
    placed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hint:
    """Something happened to that order: how it looks has to be fetched."""

    external_id: str
    event: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants of the personal data that came from the shop: of whoever placed these `orders`, by the shop's
    ids, or has this phone or document; each as the shop wrote it."""

    orders: tuple[str, ...] = ()
    phone: str = ""
    document: str = ""


type Told = OrderNews | Hint | Nothing
