"""Taking in a carrier's news; the one place that sends `shipment_status_changed`."""

from __future__ import annotations

import logging
from http import HTTPStatus

from django.db import IntegrityError, transaction

from integrations.carriers.errors import RefusedError
from integrations.carriers.models import CarrierNews
from integrations.carriers.payload import Payload
from integrations.signals import shipment_status_changed
from orders.models import Order
from orders.parcels import having
from orders.statuses import OrderStatus

logger = logging.getLogger(__name__)

_UNDER_WAY = (OrderStatus.PENDING, OrderStatus.CONFIRMED)

Result = CarrierNews.Result


@transaction.atomic
def take_in(payload: Payload, *, source: str, signature: str) -> CarrierNews:
    """Store the news, find its order and tell of it, all or nothing. Raises `RefusedError` for a replay.

    The order is locked before anything is written, so that two news of one parcel are judged one after the other.
    """
    orders = _orders_of(payload)
    order = Order.objects.select_for_update().get(pk=orders[0].pk) if len(orders) == 1 else None
    news = CarrierNews(
        source=source,
        signature=signature,
        tracking_code=payload.tracking_code,
        order=order,
        status=payload.status,
        description=payload.description,
        occurred_at=payload.occurred_at,
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
        shipment_status_changed.send(CarrierNews, news=news)
    logger.info("%s: %s, order %s: %s", source, news.status, order.code if order else "-", news.result)
    return news


def _orders_of(payload: Payload) -> list[Order]:
    """Whose parcel it may be: the order that is named, else those with this tracking code.

    Carriers use their codes again, so an order that is still under way goes before those that are done.
    """
    if payload.order:
        return list(Order.objects.filter(code=payload.order))
    found = list(having(Order.objects.all(), [payload.tracking_code])[:100])
    return [order for order in found if order.status in _UNDER_WAY] or found
