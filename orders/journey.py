"""An order's way as its customer sees it: what has happened, where it is now, and what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flowlog.translations import Words
from orders.models import Order, OrderEvent
from orders.statuses import OrderStatus, PaymentStatus
from orders.transitions import TRANSITIONS, UNDO, done_words, way_ahead

# Payment and tracking have lines of their own on the page: they may change at any point of the way.
_ASIDE = {entry.name for entry in TRANSITIONS.values() if not entry.headline}
# An order's history is short; one that is not must not make the page heavy.
_SHOWN_STEPS = 30


@dataclass(frozen=True, slots=True)
class Step:
    """One point of the way. `when` is None for what is still to come."""

    words: Words
    when: datetime | None = None
    is_current: bool = False
    is_setback: bool = False


@dataclass(frozen=True, slots=True)
class Journey:
    """`headline` and `advice` say to the customer where the order is, `icon` shows it.

    `is_over` is whether it ended as it should.
    """

    headline: Words
    advice: Words
    icon: str
    steps: list[Step]
    is_setback: bool = False
    is_over: bool = False


def of(order: Order) -> Journey:
    """The way of the order, from its timeline."""
    events = still_standing([event for event in order.events.all() if event.transition not in _ASIDE])
    past = [
        Step(done_words(event.transition), event.created_at, event is events[-1], _is_setback(event.transition))
        for event in events[-_SHOWN_STEPS:]
    ]
    steps = past + [Step(entry.to_come) for entry in way_ahead(order)]
    now = TRANSITIONS.get(events[-1].transition)
    if now is None:  # a later version had it
        return Journey(done_words(events[-1].transition), "", "package", steps)
    is_paid = order.payment_status == PaymentStatus.PAID
    advice = (is_paid and now.advice_if_paid) or now.advice
    is_over = now.status_to == OrderStatus.COMPLETED
    return Journey(now.headline, advice, now.icon, steps, is_setback=now.is_setback, is_over=is_over)


def still_standing(events: Sequence[OrderEvent]) -> list[OrderEvent]:
    """Without those that were taken back, and the entries that say so."""
    undone = {pk for event in events if event.transition == UNDO for pk in (event.replaced or {}).get("undone", ())}
    return [event for event in events if event.transition != UNDO and event.pk not in undone]


def _is_setback(transition: str) -> bool:
    return transition in TRANSITIONS and TRANSITIONS[transition].is_setback
