"""What a piece of a shop's news does to its order."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.datastructures import CaseInsensitiveMapping
from django.utils.translation import gettext as _

from integrations.models import NotificationLog, ShopConnection, ShopNews
from integrations.shops import SHOPS, placing, polled
from integrations.shops.meanings import Meaning, meanings_of
from integrations.shops.models import ID_LENGTH, NUMBER_LENGTH, REASON_LENGTH
from integrations.shops.news import Nothing, OrderNews, Told
from integrations.shops.polling import can_poll
from integrations.sources import worklist
from orders.models import Order
from orders.services import bring_to, tell_of_creation
from orders.states import OrderState
from orders.statuses import DeliveryMethod, DeliveryStatus, OrderStatus, PaymentStatus

logger = logging.getLogger(__name__)

Result = ShopNews.Result

# What was ordered so shortly before the shop was connected still waits for its news.
_RECENT = timedelta(days=2)

# That an order is to be gone about with.
_CONFIRMED = frozenset({
    Meaning.CONFIRMED, Meaning.PAID, Meaning.READY, Meaning.SHIPPED, Meaning.SHIPPED_IF_TRACKED,
    Meaning.OUT_FOR_DELIVERY, Meaning.DELIVERED, Meaning.FAILED_ATTEMPT,
})  # fmt: skip
# Of several the last one counts.
_WAY: Mapping[Meaning, DeliveryStatus] = {
    Meaning.READY: DeliveryStatus.READY_FOR_PICKUP,
    Meaning.SHIPPED: DeliveryStatus.SHIPPED,
    Meaning.OUT_FOR_DELIVERY: DeliveryStatus.OUT_FOR_DELIVERY,
    Meaning.FAILED_ATTEMPT: DeliveryStatus.FAILED_ATTEMPT,
    Meaning.DELIVERED: DeliveryStatus.DELIVERED,
}


def read(news: ShopNews) -> Told:
    """What was sent. Raises `RefusedError`."""
    body = bytes(news.body)
    if news.headers == polled.HEADERS:
        return polled.read(body)
    told: Told = SHOPS[news.connection.source].read(CaseInsensitiveMapping(news.headers), body)
    return told


def describe(news: ShopNews, told: OrderNews) -> tuple[str, ...]:
    """Write on the row which order it tells of, and what; returns the names of the fields."""
    news.external_id = placing.storable(told.external_id)[:ID_LENGTH]
    news.external_number = placing.storable(told.external_number)[:NUMBER_LENGTH]
    news.statuses, news.changed_at = [placing.storable(each) for each in told.statuses], told.changed_at
    return "external_id", "external_number", "statuses", "changed_at"


@transaction.atomic
def take_in(news: ShopNews, told: OrderNews | Nothing) -> None:
    """Make the order or bring it on, and write on the row what became of it: it is worked off then.

    The order is locked before the row, as an erasure does. Raises `ValidationError` for what cannot be an order, and
    `ForgottenError`.
    """
    if isinstance(told, Nothing):
        _not_an_order(news, told)
    else:
        describe(news, told)
        news.result, news.reason = _judge(news, told)
        # What went wrong with asking is over when that succeeds.
        if news.connection.last_error and not can_poll(news.connection):
            ShopConnection.objects.filter(pk=news.connection_id).update(last_error="")
    finish(news)


def finish(news: ShopNews, **values: Any) -> None:
    """Write down what the row now knows; unless `due_at` is among the values it is done. Raises `ForgottenError`."""
    for name, value in ({"due_at": None} | values).items():
        setattr(news, name, value)
    news.reason = placing.storable(news.reason)[:REASON_LENGTH]
    written = ("external_id", "external_number", "statuses", "changed_at", "order", "result", "reason", "attempts")
    worklist.write(news, (*written, "due_at"))
    logger.info("Shop's news %s, order %s: %s", news.pk, news.order.code if news.order else "-", news.result)


def _not_an_order(news: ShopNews, told: Nothing) -> None:
    news.result, news.reason = (Result.STAFF if told.trouble else Result.NOT_AN_ORDER), told.reason
    if told.trouble:
        ShopConnection.objects.filter(pk=news.connection_id).update(last_error=told.reason[:REASON_LENGTH])


def _judge(news: ShopNews, told: OrderNews) -> tuple[str, str]:
    """The result, and why."""
    connection = news.connection
    news.order = known = order_of(connection, told.external_id)
    meanings, unknown = meanings_of(told.statuses, connection.mapping, SHOPS[connection.source].MEANINGS)
    if unknown:
        return Result.UNKNOWN_STATUS, _("Say what it means: %(statuses)s.") % {"statuses": ", ".join(unknown)}
    if _is_late(news):
        return Result.LATE, ""
    if meanings <= {Meaning.IGNORED}:
        return Result.NOT_AN_ORDER, _("This status means nothing for an order.")
    if known and _says_nothing_new(news, told, known):
        return Result.NOTHING_NEW, ""
    wanted = wanted_of(meanings, told, known)
    is_recent = not _was_placed_before(connection, told)
    tells = known is not None or is_recent
    is_placed = is_recent and not wanted and Meaning.PLACED in meanings and not _goes_on(news)
    if known and is_placed and tell_of_creation(known):
        return Result.APPLIED, ""  # it came in with a status that nobody is told of
    news.order = order = known or placing.place(connection, told, notify=is_placed)
    found = _bring(news, told, wanted, made=known is None, tells=tells)
    return _for_a_person(meanings, told, order) or found


def order_of(connection: ShopConnection, external_id: str) -> Order | None:
    """The order that was made of what this shop told."""
    orders = Order.objects.filter(store=connection.store_id, source=connection.source, external_id=external_id)
    return orders.first() if external_id else None


def _was_placed_before(connection: ShopConnection, told: OrderNews) -> bool:
    """Whether the order is older than the connection, so that its customer waits for no news of ours: an old one that
    somebody archives, or edits with many others, comes like a new one."""
    return told.placed_at is not None and told.placed_at < connection.created_at - _RECENT


def _says_nothing_new(news: ShopNews, told: OrderNews, order: Order) -> bool:
    """Whether the shop has only repeated what counted last, as it does when a note is edited.

    What staff and carriers have done since is not to be done over: a second attempt to deliver is no second failure.
    """
    last = _of_same_order(news).filter(result__in=(Result.APPLIED, Result.NOTHING_NEW)).order_by("changed_at", "pk")
    counted = last.last()
    is_same = counted is not None and counted.statuses == news.statuses
    return is_same and told.tracking_code in {"", order.tracking_code}


def _is_late(news: ShopNews) -> bool:
    """Whether newer news of the order counted already. At the same time there may be two."""
    return _of_same_order(news).filter(result__in=ShopNews.JUDGED, changed_at__gt=news.changed_at).exists()


def _of_same_order(news: ShopNews) -> QuerySet[ShopNews]:
    """All other news of its order."""
    return ShopNews.objects.filter(
        connection__store=news.connection.store_id,
        connection__source=news.connection.source,
        external_id=news.external_id,
    ).exclude(pk=news.pk)


def wanted_of(meanings: Iterable[Meaning], told: OrderNews, order: Order | None) -> dict[str, Any]:
    """What the meanings ask for together, as fields of an `OrderState`; empty if the order is only to be there."""
    found = set(meanings)
    if Meaning.SHIPPED_IF_TRACKED in found and (done := _if_done(told, order)):
        found.add(done)
    wanted: dict[str, Any] = {}
    if found & _CONFIRMED:
        wanted["confirmed"] = True
    if Meaning.REFUNDED in found:
        wanted["payment"] = PaymentStatus.REFUNDED
    # A shop goes on saying that it was paid when the money went back here.
    elif Meaning.PAID in found and (order is None or order.payment_status != PaymentStatus.REFUNDED):
        wanted["payment"] = PaymentStatus.PAID
    if under_way := [delivery for meaning, delivery in _WAY.items() if meaning in found]:
        wanted["delivery"] = under_way[-1]
    wanted |= {meaning.value: True for meaning in (Meaning.CANCELLED, Meaning.RETURNED) if meaning in found}
    return wanted


def _if_done(told: OrderNews, order: Order | None) -> Meaning | None:
    """What is meant by the shop's being done with an order, where that can be told."""
    method = order.delivery_method if order else told.placed.delivery_method
    if method == DeliveryMethod.PICKUP:
        waits = order is not None and order.delivery_status == DeliveryStatus.READY_FOR_PICKUP
        return Meaning.DELIVERED if waits else None
    return Meaning.SHIPPED if told.tracking_code or (order and order.tracking_code) else None


def _bring(news: ShopNews, told: OrderNews, wanted: dict[str, Any], *, made: bool, tells: bool) -> tuple[str, str]:
    order = news.order
    if not wanted or order is None:
        return (Result.APPLIED if made else Result.NOTHING_NEW), ""
    state = _state(told, wanted)
    tells = tells and _hears(order, wanted) and not _is_overtaken(news, order, state)
    brought = bring_to(order, state, notify=tells)
    if brought.reason:
        return (Result.LATE if brought.late else Result.REFUSED), brought.reason
    return (Result.APPLIED if made or brought.events else Result.NOTHING_NEW), ""


def _state(told: OrderNews, wanted: dict[str, Any]) -> OrderState:
    return OrderState(
        reason=told.cancel_reason, tracking_code=told.tracking_code, tracking_url=told.tracking_url, **wanted
    )


def _hears(order: Order, wanted: Mapping[str, Any]) -> bool:
    """Of an order of which nobody told them anything, as one that was never paid, they do not hear that it is off."""
    return not wanted.get("cancelled") or NotificationLog.objects.filter(order=order).exists()


def _is_overtaken(news: ShopNews, order: Order, state: OrderState) -> bool:
    """Whether what waits takes the order on from where this has it, of which the customer is told then instead. It is
    tried, and undone."""
    newer = _waiting_after(news)
    if not newer:
        return False
    with transaction.atomic():
        bring_to(order, state, notify=False)
        moves_on = any(
            bring_to(order, _state(told, wanted), notify=False).events
            for told in newer
            if (wanted := _wanted_next(news.connection, told, order)) and _hears(order, wanted)
        )
        transaction.set_rollback(True)
    return moves_on


def _goes_on(news: ShopNews) -> bool:
    """The same of an order that is only placed: whatever it may become takes it on, but that it is off."""
    following = (_wanted_next(news.connection, told, None) for told in _waiting_after(news))
    return any(wanted and not wanted.get("cancelled") for wanted in following)


def _wanted_next(connection: ShopConnection, told: OrderNews, order: Order | None) -> dict[str, Any]:
    meanings, unknown = meanings_of(told.statuses, connection.mapping, SHOPS[connection.source].MEANINGS)
    return {} if unknown or _was_placed_before(connection, told) else wanted_of(meanings, told, order)


def _waiting_after(news: ShopNews) -> list[OrderNews]:
    """What came after it of the same order, by the shop's clock too, and has waited with it while nobody was there."""
    if not worklist.waited_out_a_standstill(news):
        return []
    rows = _of_same_order(news).filter(
        connection=news.connection_id, due_at__lte=Now(), pk__gt=news.pk, changed_at__gte=news.changed_at
    )
    found = (read(row) for row in rows.select_related("connection").order_by("pk"))
    return [told for told in found if isinstance(told, OrderNews)]


def _for_a_person(meanings: Iterable[Meaning], told: OrderNews, order: Order) -> tuple[str, str] | None:
    """What nobody but a person can tell."""
    found = set(meanings)
    if Meaning.STAFF in found:
        return Result.STAFF, _("The shop's status: %(statuses)s.") % {"statuses": ", ".join(told.statuses)}
    is_here = order.delivery_status in (DeliveryStatus.PENDING, DeliveryStatus.READY_FOR_PICKUP)
    if Meaning.SHIPPED_IF_TRACKED in found and is_here and order.status == OrderStatus.CONFIRMED:
        return Result.STAFF, _("The shop is done with it, and tells no tracking code: is it on its way?")
    return None
