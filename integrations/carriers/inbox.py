"""Taking in carriers' news; the one place that sends `shipment_status_changed`."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from http import HTTPStatus

from django.db import IntegrityError, transaction

from integrations.carriers import orders as carried
from integrations.carriers.models import CarrierNews
from integrations.carriers.updates import DESCRIPTION_LENGTH, Update
from integrations.signals import shipment_status_changed
from integrations.sources import RefusedError
from orders.models import Order
from orders.origin import OF_TESTS
from orders.parcels import having
from orders.statuses import OrderStatus

logger = logging.getLogger(__name__)

_UNDER_WAY = (OrderStatus.PENDING, OrderStatus.CONFIRMED)

Result = CarrierNews.Result


@transaction.atomic
def ingest(updates: Sequence[Update], *, source: str, mark: str) -> list[CarrierNews]:
    """Store what one request said, move the orders on and announce it, all or nothing; in the order of its times.

    `mark` is what the source's `verify` gave. Raises `RefusedError` for a replay.
    """
    if len(updates) > 1:
        _lock_orders(updates)
    in_time = sorted(updates, key=carried.clock)
    return [_ingest(update, source, _mark(mark, place)) for place, update in enumerate(in_time)]


def _lock_orders(updates: Sequence[Update]) -> None:
    """In one global order, so that two requests never wait for each other in a ring."""
    found = [_orders_of(update) for update in updates]
    pks = {orders[0].pk for orders in found if len(orders) == 1}
    list(Order.objects.select_for_update().filter(pk__in=pks).order_by("pk").values_list("pk"))


def _mark(mark: str, place: int) -> str:
    """One for each update of a request."""
    return hashlib.sha256(f"{mark}:{place}".encode()).hexdigest() if place else mark


def _ingest(update: Update, source: str, mark: str) -> CarrierNews:
    """The order is locked before anything is written, so that two news of one parcel are judged one after the other."""
    orders = _orders_of(update)
    order = Order.objects.select_for_update().get(pk=orders[0].pk) if len(orders) == 1 else None
    news = CarrierNews(
        source=source,
        signature=mark,
        tracking_code=update.tracking_code,
        order=order,
        status=update.status,
        description=update.description[:DESCRIPTION_LENGTH],
        occurred_at=update.occurred_at,
        result=Result.RECEIVED if order else Result.AMBIGUOUS if orders else Result.UNKNOWN,
    )
    try:
        with transaction.atomic():
            news.save(force_insert=True)
    except IntegrityError:
        raise RefusedError(
            HTTPStatus.CONFLICT, "This very request was received before. Sign it anew to send it again."
        ) from None
    if order:
        carried.apply(news, order)
        shipment_status_changed.send(CarrierNews, news=news)
    logger.info("%s: %s, order %s: %s", source, news.status, order.code if order else "-", news.result)
    return news


def _orders_of(update: Update) -> list[Order]:
    """Whose parcel it may be: the order that is named, else those with this tracking code.

    Carriers use their codes again, so an order that is still under way goes before those that are done.
    """
    orders = Order.objects.exclude(source__startswith=OF_TESTS)
    if update.order:
        return list(orders.filter(code=update.order))
    found = list(having(orders, [update.tracking_code])[:100])
    return [order for order in found if order.status in _UNDER_WAY] or found
