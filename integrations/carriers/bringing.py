"""What the news of a connected carrier does to its order.

The order is brought where the news has it by the shortest way (`orders.services.bring_to`): the first word of a parcel
may never have come, and a later one overtake it. Only what may happen again and again is compared by the carriers'
clock.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from integrations.carriers import CARRIERS, matching
from integrations.carriers import orders as carried
from integrations.carriers.meanings import WAY, Meaning
from integrations.carriers.models import CarrierConnection, CarrierNews
from integrations.carriers.news import Nothing, ParcelNews, Told
from integrations.carriers.updates import DESCRIPTION_LENGTH
from integrations.signals import shipment_status_changed
from integrations.sources import worklist
from integrations.sources.models import ID_LENGTH, REASON_LENGTH
from orders.models import Order
from orders.services import bring_to
from orders.states import Brought, OrderState
from orders.statuses import DeliveryStatus

logger = logging.getLogger(__name__)

Result = CarrierNews.Result

# Who was told nothing of it for so long has heard of it otherwise.
_OLD = timedelta(days=3)
# A carrier's clock may be a little ahead; what is from another year is a mistake.
_AHEAD, _LONG_AGO = timedelta(minutes=5), timedelta(days=365)
_AIMS: Mapping[str, dict[str, Any]] = {
    Meaning.POSTED: {"delivery": DeliveryStatus.SHIPPED},
    Meaning.OUT_FOR_DELIVERY: {"delivery": DeliveryStatus.OUT_FOR_DELIVERY},
    Meaning.FAILED_ATTEMPT: {"delivery": DeliveryStatus.FAILED_ATTEMPT},
    Meaning.GOES_BACK: {"delivery": DeliveryStatus.FAILED_ATTEMPT},
    Meaning.DELIVERED: {"delivery": DeliveryStatus.DELIVERED},
    Meaning.RETURNED: {"returned": True},
}
_CODE_LENGTH: int = CarrierNews._meta.get_field("tracking_code").max_length or 0
_STATUS_LENGTH = 60


def connection_of(news: CarrierNews) -> CarrierConnection:
    """By which it came; news that came by none is not for this module."""
    if news.connection is None:
        raise ValueError("It came by no connection.")
    return news.connection


def describe(news: CarrierNews, told: ParcelNews) -> None:
    """Write on the row what the carrier said, and what that means in its connection."""
    news.statuses = [_storable(told.word)[:_STATUS_LENGTH]]
    connection = connection_of(news)
    usual = CARRIERS[connection.source].MEANINGS if connection.source in CARRIERS else {}
    meaning = str(connection.mapping.get(told.word) or usual.get(told.word, ""))
    news.status = meaning if meaning in Meaning else ""
    news.external_id = _storable(told.external_id)[:ID_LENGTH]
    news.description = _storable(told.description)[:DESCRIPTION_LENGTH]
    news.tracking_code = _storable(told.codes[0])[:_CODE_LENGTH] if told.codes else ""
    received_at = news.received_at if news.pk else timezone.now()
    news.occurred_at = _credible(told.occurred_at) or received_at


def _credible(when: datetime | None) -> datetime | None:
    now = timezone.now()
    return when if when and now - _LONG_AGO <= when <= now + _AHEAD else None


def _storable(text: str) -> str:
    return text.replace("\0", "").encode(errors="replace").decode()


@transaction.atomic
def take_in(news: CarrierNews, told: Told, *, again_at: Any) -> None:
    """Bring the order on, and write on the row what became of it: it is worked off then. Raises `ForgottenError`.

    One that would move an order which is not known is looked at `again_at` that time: the order may get this code, or
    come in itself, only later.
    """
    if isinstance(told, Nothing):
        finish(news, result=Result.STAFF if told.trouble else Result.NOTHING, reason=told.reason)
        return
    describe(news, told)
    orders = matching.orders_of(connection_of(news), told)
    order = news.order = Order.objects.select_for_update().get(pk=orders[0].pk) if len(orders) == 1 else None
    if order:
        news.tracking_code = _storable(matching.code_of(order, told.codes))[:_CODE_LENGTH]
    _write(news)  # the parcels of one order are looked at together
    result, reason = _judge(news, told, order, several=len(orders) > 1)
    due_at = None
    if result == Result.UNKNOWN and news.status in WAY:
        news.attempts, due_at = news.attempts + 1, again_at
    finish(news, result=result, reason=reason, due_at=due_at)
    if order:
        shipment_status_changed.send(CarrierNews, news=news)
        if news.result == Result.WAITING:
            _deliver_by_the_last(order)


def _deliver_by_the_last(order: Order) -> None:
    """Of several parcels the last one by the carriers' clock delivers the order, whichever came in last."""
    waiting = CarrierNews.objects.filter(order=order, result=Result.WAITING, connection__isnull=False)
    last = max(waiting.select_related("connection"), key=carried.clock)
    result, reason = _bring(last, order, "")
    if result == Result.APPLIED:
        last.result, last.reason = result, reason
        last.save(update_fields=["result", "reason", "event"])  # its order is locked


def finish(news: CarrierNews, **values: Any) -> None:
    """Write down what the row now knows; unless `due_at` is among the values it is done. Raises `ForgottenError`."""
    for name, value in ({"due_at": None} | values).items():
        setattr(news, name, value)
    news.reason = _storable(news.reason)[:REASON_LENGTH]
    _write(news)
    code = news.order.code if news.order else "-"
    logger.info("Carrier's news %s, order %s: %s", news.pk, code, news.result)


def _write(news: CarrierNews) -> None:
    written = (
        "tracking_code", "order", "event", "status", "statuses", "external_id", "description", "occurred_at", "result",
        "reason", "attempts", "due_at",
    )  # fmt: skip
    worklist.write(news, written)


def _judge(news: CarrierNews, told: ParcelNews, order: Order | None, *, several: bool) -> tuple[str, str]:
    """The result, and why."""
    if not news.status:
        return Result.UNKNOWN_STATUS, _("Say what it means: %(statuses)s.") % {"statuses": ", ".join(news.statuses)}
    if news.status == Meaning.IGNORED:
        return Result.NOTHING, ""
    if order is None:
        return (Result.AMBIGUOUS if several else Result.UNKNOWN), ""
    if news.status == Meaning.STAFF:
        return Result.STAFF, _("The carrier says: %(word)s.") % {"word": news.description or told.word}
    return _judge_of(news, told, order)


def _judge_of(news: CarrierNews, told: ParcelNews, order: Order) -> tuple[str, str]:
    if news.status == Meaning.NOTED or _was_told_that_it_goes_back(news, order):
        return Result.NOTED, ""
    if _is_late(news, order):
        return (Result.REPEATED if _is_repeated(news, order) else Result.LATE), ""
    return _bring(news, order, told.tracking_url)


def _was_told_that_it_goes_back(news: CarrierNews, order: Order) -> bool:
    applied = CarrierNews.objects.filter(order=order, status=Meaning.GOES_BACK, result=Result.APPLIED)
    return news.status == Meaning.GOES_BACK and applied.exists()


def _is_late(news: CarrierNews, order: Order) -> bool:
    """Whether something that may follow it, and come before it as well, has happened since."""
    return carried.recurs(news) and carried.is_late(news, order)


def _is_repeated(news: CarrierNews, order: Order) -> bool:
    same = CarrierNews.objects.filter(order=order, status=news.status, occurred_at=news.occurred_at)
    return same.exclude(pk=news.pk).exists()


def _bring(news: CarrierNews, order: Order, tracking_url: str) -> tuple[str, str]:
    if reason := carried.obstacle(news, order):
        is_waiting = news.status == Meaning.DELIVERED and carried.has(order, news)
        return (Result.WAITING if is_waiting else Result.REFUSED), reason
    aim = dict(_AIMS[news.status])
    if not order.tracking_code:
        aim |= {"tracking_code": news.tracking_code, "tracking_url": tracking_url}
    state = OrderState(reason=news.description, **aim)
    brought = bring_to(order, state, notify=_tells(news))
    if brought.events:
        news.event = brought.events[-1]
        return Result.APPLIED, ""
    return _not_brought(brought)


def _not_brought(brought: Brought) -> tuple[str, str]:
    if not brought.reason:
        return Result.REPEATED, ""
    return (Result.LATE if brought.late else Result.REFUSED), brought.reason


def _tells(news: CarrierNews) -> bool:
    """Whether the customer is told: not of what is long over, nor of what was before the carrier was connected, and of
    several that were asked for at once only of the last."""
    if news.occurred_at < max(connection_of(news).created_at, timezone.now() - _OLD):
        return False
    return not _behind(news).filter(status__in=WAY).exists()


def _behind(news: CarrierNews) -> QuerySet[CarrierNews]:
    """What waits to be worked off of the same parcel."""
    parcel = Q(external_id=news.external_id) if news.external_id else Q(tracking_code=news.tracking_code)
    rows = CarrierNews.objects.filter(parcel, connection=news.connection_id, due_at__isnull=False, attempts=0)
    return rows.filter(pk__gt=news.pk)
