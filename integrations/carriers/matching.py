"""Whose parcel a connected carrier tells of: of the connection's store alone."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import QuerySet

from integrations.carriers.models import CarrierConnection, CarrierNews
from integrations.carriers.news import ParcelNews
from orders.codes import compact, compact_tracking, tracking_codes, tracking_key
from orders.models import Order
from orders.origin import OF_TESTS
from orders.parcels import having
from orders.statuses import OrderStatus

UNDER_WAY = (OrderStatus.PENDING, OrderStatus.CONFIRMED)
_MOST = 100


def orders_of(connection: CarrierConnection, told: ParcelNews) -> list[Order]:
    """The order that a tag names, else those with one of the codes, else the one that this parcel was known to be of.

    Carriers use their codes again, so an order that is still under way goes before those that are done.
    """
    orders = Order.objects.filter(store=connection.store_id).exclude(source__startswith=OF_TESTS)
    for found in (_tagged(orders, told.tags), _coded(orders, told.codes), _known(connection, told.external_id)):
        if found:
            return [order for order in found if order.status in UNDER_WAY] or found
    return []


def _tagged(orders: QuerySet[Order], tags: Sequence[str]) -> list[Order]:
    """By our own code, before the number in the shop, before the id in the shop: one may be the other's of another."""
    bare = [number for tag in tags if "\0" not in tag and (number := tag.lstrip("#").strip())]
    ways = (
        {"code__in": [compact(tag) for tag in bare]},
        {"external_number__in": [*bare, *(f"#{tag}" for tag in bare)]},
        {"external_id__in": bare},
    )
    for way in ways if bare else ():
        if found := list(orders.filter(**way)[:_MOST]):
            return found
    return []


def _coded(orders: QuerySet[Order], codes: Sequence[str]) -> list[Order]:
    written = [compact_tracking(code) for code in codes if "\0" not in code]
    return list(having(orders, written)[:_MOST]) if written else []


def _known(connection: CarrierConnection, external_id: str) -> list[Order]:
    if not external_id:
        return []
    told = CarrierNews.objects.filter(connection=connection, external_id=external_id, order__isnull=False)
    latest = told.select_related("order").order_by("-pk").first()
    return [latest.order] if latest and latest.order else []


def code_of(order: Order, codes: Sequence[str]) -> str:
    """The parcel's code: the one that the order has, else the likeliest."""
    known = {tracking_key(code) for code in tracking_codes(order.tracking_code)}
    written = [compact_tracking(code) for code in codes]
    return next((code for code in written if tracking_key(code) in known), written[0] if written else "")
