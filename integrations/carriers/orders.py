"""What a piece of carriers' news does to its order."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from itertools import permutations
from typing import Any

from django.utils.translation import gettext as _

from integrations.carriers.meanings import WAY, Meaning
from integrations.carriers.models import CarrierNews
from integrations.carriers.updates import Update
from orders import journey
from orders.codes import tracking_codes, tracking_key
from orders.models import Order, OrderEvent
from orders.services import apply_transition
from orders.transitions import TRANSITIONS, UNDO, TransitionNotAllowed, get_transition

logger = logging.getLogger(__name__)

Result = CarrierNews.Result

_TRANSITIONS: Mapping[str, str] = {
    Meaning.POSTED: "ship",
    Meaning.OUT_FOR_DELIVERY: "out_for_delivery",
    Meaning.FAILED_ATTEMPT: "fail_delivery",
    Meaning.GOES_BACK: "fail_delivery",
    Meaning.DELIVERED: "deliver",
    Meaning.RETURNED: "return_order",
}
# In the order of a parcel's way, which decides where the carrier gives two of them the same time.
_WAY = [meaning.value for meaning in WAY]
# Only those that carriers' own news may be compared with.
_STEPS = {*_TRANSITIONS.values()} - {"return_order"}
# Of those that may follow each other again and again the table alone does not tell old from new.
_RECURRING = {
    one
    for one, other in permutations(_STEPS, 2)
    if TRANSITIONS[one].delivery_to in TRANSITIONS[other].delivery_from
    and TRANSITIONS[other].delivery_to in TRANSITIONS[one].delivery_from
}

_CORRECTIONS = [entry.name for entry in TRANSITIONS.values() if entry.corrects & _STEPS]


def apply(news: CarrierNews, order: Order) -> None:
    """Apply the transition that fits the news, and write on it what became of it. The order, its own, is locked.

    What was refused before may only have come too early: it is tried again, all in the order of the carriers' clock.
    """
    earlier = CarrierNews.objects.filter(order=order).exclude(pk=news.pk)
    # What came by a connection is not tried again so. The nightly purge does not lock the order.
    refused = earlier.filter(result=Result.REFUSED, connection=None).select_for_update()
    # `news` comes first, so that of a repeat and what was refused at the time it is the repeat that is applied.
    for each in sorted([news, *refused], key=clock):
        if each is news or get_transition(_transition(each)).is_possible(order):
            _judge(each, order)
            if each is not news:
                logger.info("Refused before, order %s: %s: %s", order.code, each.status, each.result)
    same = earlier.filter(status=news.status, occurred_at=news.occurred_at, tracking_code__iexact=news.tracking_code)
    if news.result in {Result.REFUSED, Result.LATE} and same.exists():
        news.result, news.reason = Result.REPEATED, ""
        news.save(update_fields=["result", "reason"])


def clock(news: CarrierNews | Update) -> tuple[datetime, int]:
    """What tells earlier news from later."""
    return news.occurred_at, _WAY.index(news.status)


def _transition(news: CarrierNews) -> str:
    return _TRANSITIONS[news.status]


def _judge(news: CarrierNews, order: Order) -> None:
    if is_late(news, order):
        news.result, news.reason = Result.LATE, ""
    else:
        _apply(news, order)
    news.save(update_fields=["result", "reason", "event"])


def is_late(news: CarrierNews, order: Order) -> bool:
    """Whether the order has gone on since.

    Carriers' news is compared by the carriers' clock. What staff entered they may have entered late, so it counts
    only where the table of transitions would let an old piece of news take the order back.
    """
    applied = CarrierNews.objects.filter(order=order, result=Result.APPLIED).order_by("event_id").last()
    if applied and clock(news) <= clock(applied):
        return True
    last = _last_step(order)
    if last is None or (applied and applied.event_id == last.pk):
        return False
    return recurs(news) and last.transition in _RECURRING and news.occurred_at < last.created_at


def recurs(news: CarrierNews) -> bool:
    """Whether it may happen again and again."""
    return _transition(news) in _RECURRING


def _last_step(order: Order) -> OrderEvent | None:
    """The parcel's last step that was neither undone nor corrected."""
    names = [*_STEPS, *_CORRECTIONS, UNDO]
    steps: list[OrderEvent] = []
    for event in journey.still_standing(list(order.events.filter(transition__in=names))):
        corrected = TRANSITIONS[event.transition].corrects
        steps = [step for step in steps if step.transition not in corrected]
        if not corrected:
            steps.append(event)
    return steps[-1] if steps else None


def obstacle(news: CarrierNews, order: Order) -> str:
    """Why the news of this parcel is not yet, or not at all, the order's."""
    keys = [tracking_key(code) for code in tracking_codes(order.tracking_code)]
    if keys and news.tracking_code and not has(order, news):
        return _("The order has another tracking code: %(code)s.") % {"code": order.tracking_code}
    return _other_parcel(news, order, keys) if news.status == Meaning.DELIVERED and len(keys) > 1 else ""


def has(order: Order, news: CarrierNews) -> bool:
    """Whether the parcel is one of the order's."""
    return tracking_key(news.tracking_code) in [tracking_key(code) for code in tracking_codes(order.tracking_code)]


def _other_parcel(news: CarrierNews, order: Order, keys: list[str]) -> str:
    """The order is delivered with the last of its parcels, by the carriers' clock."""
    told = sorted(CarrierNews.objects.filter(order=order, status=Meaning.DELIVERED), key=clock)
    there = {tracking_key(each.tracking_code) for each in told}
    if missing := [key for key in keys if key not in there]:
        return _("Another parcel of the order was not delivered yet: %(codes)s.") % {"codes": ", ".join(missing)}
    if told[-1].pk != news.pk:
        return _("Another parcel of the order was delivered last: %(code)s.") % {"code": told[-1].tracking_code}
    return ""


def _apply(news: CarrierNews, order: Order) -> None:
    if reason := obstacle(news, order):
        news.result, news.reason = Result.REFUSED, reason
        return
    name = _transition(news)
    data: dict[str, Any] = {}
    if name == "ship" and not order.tracking_code:
        data = {"tracking_code": news.tracking_code}
    elif name == "fail_delivery":
        data = {"reason": news.description}
    try:
        apply_transition(order, name, **data)
    except TransitionNotAllowed as refusal:
        news.result, news.reason = Result.REFUSED, str(refusal)[:500]
    else:
        news.result, news.reason, news.event = Result.APPLIED, "", order.events.latest("pk")
