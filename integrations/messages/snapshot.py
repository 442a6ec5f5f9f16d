"""The snapshot: an order as it was when its status changed. A message is made from it and from nothing else.

This module alone knows how one is written: as JSON, in `NotificationLog.snapshot` and in the task that sends. The keys
are the names of the fields. Snapshots change additively only, so that the previous release can read the next one's:
fields are added, never renamed or removed, and `VERSION` grows when the meaning of one does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cache, partial
from typing import Any, Final, Self, TypeIs, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

from django.db.models import F, Func, JSONField, OuterRef, Q
from django.db.models.functions import JSONObject

VERSION = 1

# A field that stays when the message is anonymised.
_KEPT: Final = {"kept": True}
# One that is written only where there is something in it, since most have nothing.
_IF_ANY: Final = {"if_any": True}


def _quantity(quantity: Decimal) -> int | str:
    """A whole number as one: version 1 knew no others when it was new."""
    return int(quantity) if quantity == int(quantity) else f"{quantity.normalize():f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPart:
    """One line of the order; `unit_price` in reais, None if the snapshot lacks it."""

    description: str = ""
    quantity: Decimal = field(default=Decimal(1), metadata={"write": _quantity})
    unit_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParcelPart:
    """One tracking code and its page at the carrier; either may be empty."""

    code: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPart:
    """The order, by the names of `Order`; empty for a message without one. `total` is None if the snapshot lacks it."""

    id: int = 0
    code: str = field(default="", metadata=_KEPT)
    status: str = ""
    payment_status: str = ""
    delivery_status: str = ""
    delivery_method: str = ""
    delivery_address: str = ""
    delivery_attempts: int = 0
    freight: Decimal = Decimal(0)
    discount: Decimal = Decimal(0)
    total: Decimal | None = None
    items: tuple[ItemPart, ...] = ()
    tracking_code: str = ""
    tracking_link: str = ""
    parcels: tuple[ParcelPart, ...] = ()
    tracking_token: str = ""
    pickup_code: str = ""
    pickup_deadline: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerPart:
    """Who is told; `phone` in E.164. `name` is the addressee's, which may differ from the customer's own."""

    id: int = 0
    name: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePart:
    """In whose name it is told."""

    id: int = 0
    name: str = ""
    phone: str = ""
    pickup_address: str = ""
    signature: str = field(default="", metadata=_IF_ANY)
    opening_hours: str = field(default="", metadata=_IF_ANY)
    time_zone: str = field(default="", metadata=_IF_ANY)

    @property
    def zone(self) -> ZoneInfo | None:
        """That of the store's clocks; None for the system's."""
        return ZoneInfo(self.time_zone) if self.time_zone else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that a message may say. `event` is its kind, `occurred_at` an aware time; what there is not is empty.

    `text`: what somebody of the shop wrote, who answers the customer in their own words.
    """

    version: int = field(default=VERSION, metadata=_KEPT)
    event: str = field(default="", metadata=_KEPT)
    occurred_at: datetime | None = field(default=None, metadata=_KEPT)
    reason: str = ""
    text: str = ""
    order: OrderPart = field(default_factory=OrderPart, metadata=_KEPT)
    customer: CustomerPart = field(default_factory=CustomerPart)
    store: StorePart = field(default_factory=StorePart)

    @classmethod
    def from_json(cls, written: object) -> Self:
        """Read any snapshot that was ever written, an anonymised one too. Never raises.

        What is missing, or is not what it should be, is empty; what a later release has added is passed over.
        """
        return _read(cls, _with_parcels(written))

    def to_json(self) -> dict[str, Any]:
        """As it is stored. A message that is about no order, or about nobody, is without that part."""
        without = {name for name, empty in _EMPTY.items() if getattr(self, name) == empty}
        if "order" in without and not self.reason:
            without.add("reason")
        if not self.text:
            without.add("text")
        return {name: value for name, value in _written(self).items() if name not in without}

    def anonymised(self) -> Self:
        """What may be known for ever: of which kind it was, when, and about which order."""
        return _anonymised(self)


_EMPTY = {"order": OrderPart(), "customer": CustomerPart(), "store": StorePart()}


SAYS_PAID = Q(snapshot__order__payment_status="paid")
"""Messages whose snapshot has the order paid."""


def anonymised_column(name: str) -> Func:
    """A column of snapshots after `anonymised`, by PostgreSQL: for any number of rows at once."""
    # What the snapshot never had must not come to be there as null.
    return Func(_kept_column(Snapshot, name), function="jsonb_strip_nulls", output_field=JSONField())


def store_of_outer_row() -> OuterRef:
    """In whose name the message of an outer query is, as JSON: the id of a store, if it is one at all."""
    return OuterRef("snapshot__store__id")


def about_customers(pks: Iterable[int]) -> Q:
    """The messages whose snapshot says that they went to these customers."""
    return Q(snapshot__customer__id__in=pks)


def _with_parcels(written: object) -> object:
    """The first snapshots knew no parcels: the order had one at most."""
    order = written.get("order") if isinstance(written, dict) else None
    if not isinstance(order, dict) or "parcels" in order:
        return written
    code, link = _text(order.get("tracking_code")), _text(order.get("tracking_link"))
    return {**written, "order": {**order, "parcels": [{"code": code, "link": link}] if code or link else []}}  # type: ignore[dict-item]


def _read[Part](part: Callable[..., Part], written: object) -> Part:
    if not isinstance(written, dict):
        return part()
    read = {name: value(written[name]) for name, value in _readers(part).items() if name in written}
    return part(**{name: value for name, value in read.items() if value is not None})


def _read_each[Part](part: Callable[..., Part], written: object) -> tuple[Part, ...]:
    return tuple(_read(part, one) for one in written if isinstance(one, dict)) if isinstance(written, list) else ()


@cache
def _readers(part: Any) -> dict[str, Callable[[object], Any]]:
    """What makes of each field, as it is written, its value; None if it cannot be one."""
    return {name: _reader(kind) for name, kind in _kinds(part).items()}


def _reader(kind: Any) -> Callable[[object], Any]:
    if _is_part(kind):
        return partial(_read, kind)
    if get_origin(kind) is tuple:
        return partial(_read_each, get_args(kind)[0])
    return _READERS[kind]


def _text(written: object) -> str | None:
    return written if isinstance(written, str) else None


def _whole(written: object) -> int | None:
    return written if isinstance(written, int) and not isinstance(written, bool) else None


def _decimal(written: object) -> Decimal | None:
    if isinstance(written, bool) or not isinstance(written, int | float | str):
        return None
    try:
        # By its digits: a float is meant as it is written.
        number = Decimal(written if isinstance(written, int) else str(written))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _moment(written: object) -> datetime | None:
    try:
        when = datetime.fromisoformat(written) if isinstance(written, str) else None
    except ValueError:
        return None
    return when if when and when.tzinfo else None


_READERS: dict[Any, Callable[[object], Any]] = {
    str: _text,
    int: _whole,
    Decimal: _decimal,
    Decimal | None: _decimal,
    datetime | None: _moment,
}


def _written(value: Any) -> Any:
    kind = type(value)
    if kind is str or kind is int:
        return value
    if kind is tuple:
        return [_written(each) for each in value]
    if kind is datetime:
        return value.isoformat()
    if is_dataclass(kind):
        return {
            name: write(part) for name, write, if_any in _writers(kind) if (part := getattr(value, name)) or not if_any
        }
    return str(value) if isinstance(value, Decimal) else "" if value is None else value


@cache
def _writers(part: Any) -> list[tuple[str, Callable[[Any], Any], bool]]:
    """Of each field its name, what writes it, and whether only if there is something in it."""
    return [(each.name, each.metadata.get("write", _written), "if_any" in each.metadata) for each in fields(part)]


def _anonymised[Part](part: Part) -> Part:
    kept = {name: getattr(part, name) for name in _kept(type(part))}
    return type(part)(**{name: _anonymised(value) if is_dataclass(value) else value for name, value in kept.items()})


def _kept_column(part: type, path: str) -> JSONObject:
    kept: dict[str, Any] = {
        name: _kept_column(kind, f"{path}__{name}") if _is_part(kind) else F(f"{path}__{name}")
        for name, kind in _kept(part).items()
    }
    return JSONObject(**kept)


def _kept(part: Any) -> dict[str, Any]:
    return {each.name: _kinds(part)[each.name] for each in fields(part) if each.metadata.get("kept")}


def _is_part(kind: Any) -> TypeIs[type]:
    return isinstance(kind, type) and is_dataclass(kind)


@cache
def _kinds(part: Any) -> dict[str, Any]:
    """The fields and their types."""
    return get_type_hints(part)
