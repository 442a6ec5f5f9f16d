"""Reading what shops write: amounts, items and ways of delivery, beside what all senders have in common.

Amounts are never read as floats, and an order comes to exactly what the shop says that it does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.translation import gettext as _

from integrations.shops.news import Item, Nothing, OrderNews
from integrations.sources.reading import (
    Call,
    Fields,
    Headers,
    NotAsDescribedError,
    fields,
    first_of,
    header,
    json_object,
    moment,
    moment_if_any,
    reader,
    require_signature,
    required,
    rows,
    text,
    zone,
)
from orders.amounts import in_cents
from orders.statuses import DeliveryMethod

__all__ = [
    "ONE",
    "Call",
    "Fields",
    "Headers",
    "NotAsDescribedError",
    "Nothing",
    "address",
    "amount",
    "by_the_piece",
    "delivery_method",
    "fields",
    "first_of",
    "header",
    "json_object",
    "line",
    "moment",
    "moment_if_any",
    "money",
    "readable",
    "reader",
    "require_signature",
    "required",
    "rows",
    "settled",
    "text",
    "town",
    "zone",
]

# Digits that an amount may have.
_MOST_DIGITS = 9
_MOST_PIECES = Decimal(999_999)
ONE = Decimal(1)
_THOUSANDTH = Decimal("0.001")


def amount(values: Fields, name: str, *, needed: bool = False) -> Decimal:
    """The number of this field; 0 without it, unless it is needed. Raises `NotAsDescribedError`."""
    value = values.get(name)
    if value in (None, "") and not needed:
        return Decimal(0)
    try:
        # A float that somebody else has read is written as it was.
        found = Decimal(str(value).strip())
    except InvalidOperation:
        found = Decimal("NaN")
    if isinstance(value, bool) or not found.is_finite() or (found and found.adjusted() > _MOST_DIGITS):
        raise NotAsDescribedError(_("“%(name)s” is no amount: “%(text)s”.") % {"name": name, "text": str(value)[:40]})
    # Sums of floats leave crumbs.
    return found if found and found.adjusted() >= -_MOST_DIGITS else Decimal(0)


def money(values: Fields, name: str, *, needed: bool = False) -> Decimal:
    """The amount in cents."""
    return in_cents(amount(values, name, needed=needed))


def line(description: str, quantity: Decimal, total: Decimal) -> Item:
    """The item that comes to this total: one of all pieces where a piece's price would have to be rounded."""
    if 0 < quantity <= _MOST_PIECES and quantity == quantity.quantize(_THOUSANDTH):
        price = in_cents(total / quantity)
        if in_cents(price * quantity) == total:
            return Item(description, quantity, price)
    pieces = f"{quantity.normalize():f}× " if quantity > 0 and quantity != 1 else ""
    return Item(f"{pieces}{description}", ONE, total)


def by_the_piece(values: Fields, description: str) -> Item:
    """The item of this description, from its `quantity` and the `price` of a piece."""
    quantity = amount(values, "quantity")
    return line(description, quantity, in_cents(money(values, "price") * quantity))


def settled(
    items: Iterable[Item], *, freight: Decimal, discount: Decimal, total: Decimal
) -> tuple[tuple[Item, ...], Decimal, Decimal]:
    """Items, freight and discount that come to the total: what the shop adds beside them is an item, what it takes off
    a discount. Raises `NotAsDescribedError` for a total below nothing."""
    if total < 0:
        raise NotAsDescribedError(_("“%(name)s” is no amount: “%(text)s”.") % {"name": "total", "text": total})
    found = [item for item in items if item.unit_price >= 0]
    freight, discount = max(freight, Decimal(0)), abs(discount)
    goods = sum((in_cents(item.quantity * item.unit_price) for item in found), Decimal(0))
    rest = total - (goods + freight - discount)
    if rest > 0 or not found:
        words = _("Taxes and other charges") if found else _("Order in the shop")
        found.append(Item(words, ONE, max(rest, Decimal(0))))
    return tuple(found), freight, discount + max(-rest, Decimal(0))


def address(*parts: str) -> str:
    """The parts that say something, as one line."""
    return ", ".join(filter(None, parts))


def town(values: Fields, city: str, state: str) -> str:
    """`São Paulo/SP`."""
    return "/".join(filter(None, (text(values, city), text(values, state))))


def readable(read: Callable[[Fields], OrderNews], found: Iterable[Any]) -> Iterator[OrderNews]:
    """The news of those orders in an answer that are as described."""
    for values in found:
        if isinstance(values, dict):
            with suppress(NotAsDescribedError):
                yield read(values)


def delivery_method(title: str, *, is_pickup: bool) -> str:
    """The method by what the shop calls the way of delivery: what is none of ours is a carrier's."""
    if is_pickup:
        return DeliveryMethod.PICKUP
    words = re.split(r"[\W_]+", title.lower())
    named = {"sedex": DeliveryMethod.CORREIOS_SEDEX, "pac": DeliveryMethod.CORREIOS_PAC}
    named |= dict.fromkeys(("motoboy", "courier"), DeliveryMethod.COURIER)
    return next((named[word] for word in words if word in named), DeliveryMethod.CARRIER)
