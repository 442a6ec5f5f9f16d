"""What this app does when it hears its own news: it may import `orders`, and so moves the order on."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from integrations.carriers.models import CarrierNews
from orders.models import Order
from orders.services import apply_transition
from orders.transitions import TransitionNotAllowed

Status, Result = CarrierNews.Status, CarrierNews.Result

_TRANSITIONS = {
    Status.POSTED: "ship",
    Status.OUT_FOR_DELIVERY: "out_for_delivery",
    Status.DELIVERED: "deliver",
    Status.FAILED_ATTEMPT: "fail_delivery",
}
# These two follow each other again and again, so the table of transitions alone does not tell old from new.
_RECURRING = {"out_for_delivery", "fail_delivery"}


def move_order(*, news: CarrierNews, **_kwargs: Any) -> None:
    """Apply the transition that fits the news, and write on it what became of it. The order is locked already."""
    order = news.order
    if order is None:
        return
    same = CarrierNews.objects.filter(order=order, status=news.status, occurred_at=news.occurred_at)
    same = same.exclude(pk=news.pk)
    if same.filter(result=Result.APPLIED).exists():
        news.result = Result.REPEATED
    elif _is_late(news, order):
        news.result = Result.LATE
    else:
        _apply(news, order)
    if news.result in {Result.REFUSED, Result.LATE} and same.exists():
        news.result = Result.REPEATED
    news.save(update_fields=["result", "reason", "event"])


def _is_late(news: CarrierNews, order: Order) -> bool:
    """Whether the order has gone on since.

    Carriers' news is compared by the carriers' clock. What staff entered they may have entered late, so it counts
    only where the table of transitions would let an old piece of news take the order back.
    """
    last = order.events.filter(transition__in=_TRANSITIONS.values()).order_by("-pk").first()
    if last is None:
        return False
    told = CarrierNews.objects.filter(event=last).first()
    if told:
        return news.occurred_at < told.occurred_at
    recurs = {last.transition, _TRANSITIONS[Status(news.status)]} <= _RECURRING
    return recurs and news.occurred_at < last.created_at


def _apply(news: CarrierNews, order: Order) -> None:
    if order.tracking_code and order.tracking_code.upper() != news.tracking_code.upper():
        words = _("The order has another tracking code: %(code)s.") % {"code": order.tracking_code}
        news.result, news.reason = Result.REFUSED, words
        return
    name = _TRANSITIONS[Status(news.status)]
    data: dict[str, Any] = {}
    if name == "ship":
        data = {"tracking_code": news.tracking_code}
    elif name == "fail_delivery":
        data = {"reason": news.description}
    try:
        apply_transition(order, name, **data)
    except TransitionNotAllowed as refusal:
        news.result, news.reason = Result.REFUSED, str(refusal)[:500]
    else:
        news.result, news.event = Result.APPLIED, order.events.latest("pk")
