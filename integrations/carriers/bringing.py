"""What the news of a connected carrier does to its order.

The order is brought where the news has it by the shortest way (`orders.services.bring_to`): the first word of a parcel
may never have come, and a later one overtake it. Only what may happen again and again is compared by the carriers'
clock.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import formats, timezone
from django.utils.translation import gettext as _

from integrations.carriers import CARRIERS, matching
from integrations.carriers import orders as carried
from integrations.carriers.meanings import WAY, Meaning
from integrations.carriers.models import CarrierConnection, CarrierNews
from integrations.carriers.news import Nothing, ParcelNews, Told
from integrations.carriers.updates import DESCRIPTION_LENGTH
from integrations.messages.log import NotificationLog
from integrations.signals import shipment_status_changed
from integrations.sources import worklist
from integrations.sources.models import ID_LENGTH, REASON_LENGTH
from orders.codes import compact_tracking
from orders.models import Order
from orders.services import bring_to
from orders.states import Brought, OrderState
from orders.statuses import DeliveryStatus

logger = logging.getLogger(__name__)

Result = CarrierNews.Result

# Who was told nothing of it for so long has heard of it otherwise.
_OLD = timedelta(days=3)
# A carrier's clock may be ahead, or of another time zone: then the time of receiving counts. What is not even of about
# this year is a mistake, and nobody knows where on the parcel's way it belongs.
_AHEAD, _FAR_AHEAD, _LONG_AGO = timedelta(minutes=5), timedelta(days=1), timedelta(days=365)
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


def describe(news: CarrierNews, told: ParcelNews) -> tuple[str, ...]:
    """Write on the row what the carrier said, and what that means in its connection; returns the names of the fields.

    What would move an order, and is of a time that cannot be, has no meaning.
    """
    news.statuses = [_storable(told.word)[:_STATUS_LENGTH]]
    meaning = _meaning(news, told)
    news.status = "" if meaning in WAY and _is_incredible(told) else meaning
    news.external_id = _storable(told.external_id)[:ID_LENGTH]
    news.description = _storable(told.description)[:DESCRIPTION_LENGTH]
    news.tracking_code = compact_tracking(_storable(told.codes[0]))[:_CODE_LENGTH] if told.codes else ""
    received_at = news.received_at if news.pk else timezone.now()
    when = told.occurred_at
    is_sound = when and not _is_incredible(told) and when <= timezone.now() + _AHEAD
    news.occurred_at = when if when and is_sound else received_at
    return "statuses", "status", "external_id", "description", "tracking_code", "occurred_at"


def _meaning(news: CarrierNews, told: ParcelNews) -> str:
    """What the carrier's word means in its connection; empty if nobody has said."""
    connection = connection_of(news)
    usual = CARRIERS[connection.source].MEANINGS if connection.source in CARRIERS else {}
    meaning = str(connection.mapping.get(told.word) or usual.get(told.word, ""))
    return meaning if meaning in Meaning else ""


def _is_incredible(told: ParcelNews) -> bool:
    now = timezone.now()
    return told.occurred_at is not None and not now - _LONG_AGO <= told.occurred_at <= now + _FAR_AHEAD


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
        # What waited for the order as well need not wait longer.
        _waiting(news).filter(result=Result.UNKNOWN).update(due_at=Now())


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
    if not news.status and told.occurred_at and _meaning(news, told):
        on = formats.date_format(told.occurred_at.date(), "SHORT_DATE_FORMAT")
        return Result.STAFF, _("The carrier says that this was on %(on)s, which cannot be: look into it.") % {"on": on}
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
    """The customer, or the staff where there was no further attempt of which the customer could be told."""
    if news.status != Meaning.GOES_BACK:
        return False
    rows = CarrierNews.objects.filter(order=order, status=Meaning.GOES_BACK).exclude(pk=news.pk)
    message = NotificationLog.objects.filter(order_event=OuterRef("event"))
    return rows.filter(Q(result=Result.STAFF) | Q(Exists(message), result=Result.APPLIED)).exists()


def _is_late(news: CarrierNews, order: Order) -> bool:
    """Whether something that may follow it, and come before it as well, has happened since."""
    return carried.recurs(news) and (carried.is_late(news, order) or _was_told_of_later(news, order))


def _was_told_of_later(news: CarrierNews, order: Order) -> bool:
    """Whether the carrier told where the parcel was at a later time, though that took the order no further."""
    results = (Result.REPEATED, Result.STAFF, Result.NOTED)
    rows = CarrierNews.objects.filter(order=order, tracking_code__iexact=news.tracking_code, result__in=results)
    return rows.filter(status__in=WAY, occurred_at__gt=news.occurred_at).exists()


def _is_repeated(news: CarrierNews, order: Order) -> bool:
    same = CarrierNews.objects.filter(order=order, status=news.status, occurred_at=news.occurred_at)
    return same.exclude(pk=news.pk).exists()


def _bring(news: CarrierNews, order: Order, tracking_url: str) -> tuple[str, str]:
    if reason := carried.obstacle(news, order):
        is_waiting = news.status == Meaning.DELIVERED and carried.has(order, news)
        return (Result.WAITING if is_waiting else Result.REFUSED), reason
    brought = bring_to(order, _state(news, order, tracking_url), notify=_tells(news, order))
    if brought.events:
        news.event = brought.events[-1]
        return Result.APPLIED, ""
    if news.status == Meaning.GOES_BACK and not brought.reason:
        return Result.STAFF, _("It goes back to the shop. The carrier says: %(word)s.") % {"word": news.description}
    return _not_brought(brought)


def _state(news: CarrierNews, order: Order, tracking_url: str = "") -> OrderState:
    aim = dict(_AIMS[news.status])
    if not order.tracking_code:
        aim |= {"tracking_code": news.tracking_code, "tracking_url": tracking_url}
    return OrderState(reason=news.description, **aim)


def _not_brought(brought: Brought) -> tuple[str, str]:
    if not brought.reason:
        return Result.REPEATED, ""
    return (Result.LATE if brought.late else Result.REFUSED), brought.reason


def _tells(news: CarrierNews, order: Order) -> bool:
    """Whether the customer is told: not of what is long over, nor of what was before the carrier was connected, and of
    several that wait only of the last that takes the order on."""
    if news.occurred_at < max(connection_of(news).created_at, timezone.now() - _OLD):
        return False
    return not _is_overtaken(news, order)


def _is_overtaken(news: CarrierNews, order: Order) -> bool:
    """Whether something newer that waits takes the order on from where this news has it. It is tried, and undone."""
    waiting = _waiting(news).filter(status__in=WAY).exclude(pk=news.pk).select_related("connection")
    newer = sorted((row for row in waiting if carried.clock(row) > carried.clock(news)), key=carried.clock)
    # What came in after something newer still will be late.
    newer = [
        row for row in newer if not any(each.pk < row.pk and carried.clock(each) > carried.clock(row) for each in newer)
    ]
    if not newer:
        return False
    with transaction.atomic():
        bring_to(order, _state(news, order), notify=False)
        moves_on = any(
            bring_to(order, _state(row, order), notify=False).events
            for row in newer
            if not (carried.obstacle(row, order) or _was_told_that_it_goes_back(row, order))
        )
        transaction.set_rollback(True)
    return moves_on


def _waiting(news: CarrierNews) -> QuerySet[CarrierNews]:
    """What waits to be worked off of the same parcel."""
    parcel = Q(external_id=news.external_id) if news.external_id else Q(tracking_code__iexact=news.tracking_code)
    return CarrierNews.objects.filter(parcel, connection=news.connection_id, due_at__isnull=False)
