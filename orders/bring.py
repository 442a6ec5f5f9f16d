"""Bringing an order where a shop says that it is.

What a shop tells is a snapshot: several steps may lie between two of them, the first one may never have come, and the
same one comes again and again. The way is worked out from the table of transitions, by the shortest steps that lead
there; only the last of them is told. What staff have taken back is theirs to do again: a shop that goes on saying it
does not know.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import transaction
from django.utils.translation import gettext as _

from orders import journey
from orders.changes import NO_DELAY, Actor, lock_and_read, take
from orders.codes import tracking_codes, tracking_key
from orders.contacts import is_storable
from orders.models import Order, OrderEvent
from orders.states import Brought, OrderState
from orders.statuses import (
    HANDED_OVER,
    ON_THE_WAY,
    DeliveryMethod,
    DeliveryStatus,
    OrderStatus,
    PaymentStatus,
)
from orders.transitions import MAX_LENGTHS, TRANSITIONS, Data, Transition, TransitionNotAllowed, clean_data

type Step = tuple[Transition, Data]

_ALIVE = frozenset({OrderStatus.CONFIRMED, OrderStatus.COMPLETED, OrderStatus.RETURNED})
# Of two steps that may come in either order the table's first goes first, so that a payment is not told after what it
# was paid for; but that the money goes back is what is news of a cancellation or a return.
_STEPS = sorted(
    (entry for entry in TRANSITIONS.values() if not entry.corrects),
    key=lambda entry: entry.payment_to == PaymentStatus.REFUNDED,
)
_CORRECTION = TRANSITIONS["correct_tracking"]


class _Late(TransitionNotAllowed):
    """The order has been there, and has gone on."""


@dataclass(frozen=True, slots=True)
class _Aim:
    """Where the order is to be; None: anywhere."""

    statuses: frozenset[OrderStatus] | None = None
    payment: PaymentStatus | None = None
    delivery: DeliveryStatus | None = None

    def is_reached(self, order: Order) -> bool:
        return (
            (self.statuses is None or order.status in self.statuses)
            and self.payment in {None, order.payment_status}
            and self.delivery in {None, order.delivery_status}
        )


@transaction.atomic
def bring_to(
    order: Order, state: OrderState, *, actor: Actor = None, notify: bool = True, delay: timedelta = NO_DELAY
) -> Brought:
    """Bring the order, which is locked and re-read first, where the state says by the shortest legal way.

    The customer is told of the last step alone. What the table does not allow changes nothing, and the result says why;
    whoever calls keeps it. Nothing that a shop may say raises.

    A state of which only the payment can be reached is reached so far, since money is as true whatever became of the
    parcel; all else is done as a whole or not at all, so that nothing is told which the rest of the state belies. A
    tracking code is taken by `ship`. Another one of an order on its way is told as a correction where no person of the
    staff had a hand in the present one, and the order never had it before: else it is old, or theirs to decide.
    """
    lock_and_read(order)
    said = _in_words_of(order, state)
    timeline = journey.still_standing(list(order.events.all()))
    reason, late, is_partly = "", False, False
    try:
        steps = _steps(order, said, _aim(order, said), timeline)
    except TransitionNotAllowed as refusal:
        payment = _payment_alone(order, said, timeline)
        steps, is_partly = payment or [], payment is not None
        reason, late = str(refusal), isinstance(refusal, _Late)
    else:
        try:
            steps = [*_correction(order, said, timeline), *steps]
        except TransitionNotAllowed as refusal:
            reason, is_partly = str(refusal), True
    events: list[OrderEvent] = []
    for number, (transition, data) in enumerate(steps, 1):
        is_told = notify and number == len(steps)
        events += take(order, transition, data, actor=actor, notify=is_told, delay=delay)
    return Brought(tuple(events), reason, late, is_partly)


def _in_words_of(order: Order, state: OrderState) -> OrderState:
    """The state as the order's delivery method has it, and as it can be stored."""
    delivery, confirmed = state.delivery, state.confirmed
    is_pickup = order.delivery_method == DeliveryMethod.PICKUP
    if delivery in HANDED_OVER:
        delivery = DeliveryStatus.PICKED_UP if is_pickup else DeliveryStatus.DELIVERED
    elif delivery == DeliveryStatus.READY_FOR_PICKUP and not is_pickup:
        delivery, confirmed = None, True
    reason = " ".join(state.reason.split())[: MAX_LENGTHS["reason"]].strip()
    return replace(
        state,
        delivery=delivery,
        confirmed=confirmed or delivery not in {None, DeliveryStatus.PENDING},
        reason=reason if is_storable(reason) else "",
        tracking_url=state.tracking_url if _is_page(state.tracking_url) else "",
    )


def _is_page(url: str) -> bool:
    try:
        URLValidator(schemes=["https", "http"])(url)
    except ValidationError:
        return False
    return len(url) <= MAX_LENGTHS["tracking_url"]


def _aim(order: Order, said: OrderState) -> _Aim:
    if said.cancelled:
        return _Aim(frozenset({OrderStatus.CANCELLED}), said.payment)
    if said.returned:
        return _Aim(frozenset({OrderStatus.RETURNED}), said.payment)
    if said.confirmed or said.delivery:
        return _Aim(_ALIVE if said.confirmed else None, said.payment, said.delivery)
    is_refund = said.payment == PaymentStatus.REFUNDED != order.payment_status
    has_left = order.delivery_status in ON_THE_WAY | HANDED_OVER
    return _Aim(frozenset({OrderStatus.CANCELLED}) if is_refund and not has_left else None, said.payment)


def _steps(order: Order, said: OrderState, aim: _Aim, timeline: Sequence[OrderEvent]) -> list[Step]:
    """The way to the aim, with its data. Raises `TransitionNotAllowed` if it cannot be taken as a whole."""
    if said.returned and order.status != OrderStatus.RETURNED:
        # Whether it had been delivered before, or only tried to, nobody has said.
        TRANSITIONS["return_order"].require_possible(order)
    # What our own clock has ended does not begin again because a shop, which does not know, repeats itself.
    is_over = order.delivery_status == DeliveryStatus.EXPIRED and aim.delivery == DeliveryStatus.READY_FOR_PICKUP
    way = None if is_over else _shortest_way(order, aim.is_reached)
    if way is None:
        raise _refusal(order, said)
    _require_untouched(order, way, timeline)
    steps = [(entry, _data(entry, said)) for entry in way]
    ahead = copy(order)
    for entry, data in steps:
        entry.apply(ahead, data)
    return steps


def _payment_alone(order: Order, said: OrderState, timeline: Sequence[OrderEvent]) -> list[Step] | None:
    """The way to the payment that the state says, where the rest cannot be reached; None if it cannot either.

    Of an order that the shop has ended only a refund is told: who is thanked for a payment expects the goods.
    """
    ends = said.cancelled or said.returned
    if said.payment is None or (ends and said.payment != PaymentStatus.REFUNDED):
        return None
    try:
        aim = _Aim(_ALIVE if said.confirmed and not ends else None, said.payment)
        return _steps(order, replace(said, returned=False), aim, timeline)
    except TransitionNotAllowed:
        return None


def _shortest_way(order: Order, is_reached: Callable[[Order], bool]) -> list[Transition] | None:
    """The fewest steps of the table that lead there, none if the order is there, or None; corrections are no way."""
    found = {_place(order)}
    ahead: deque[tuple[Order, list[Transition]]] = deque([(order, [])])
    while ahead:
        at, way = ahead.popleft()
        if is_reached(at):
            return way
        for entry in _STEPS:
            if entry.is_possible(at):
                after = copy(at)
                entry.change_statuses(after)
                if _place(after) not in found:
                    found.add(_place(after))
                    ahead.append((after, [*way, entry]))
    return None


def _place(order: Order) -> tuple[str, str, str]:
    return order.status, order.payment_status, order.delivery_status


def _data(entry: Transition, said: OrderState) -> Data:
    told = {"reason": said.reason, "tracking_code": said.tracking_code, "tracking_url": said.tracking_url}
    return clean_data(entry, ((name, text) for name, text in told.items() if name in entry.takes))


def _require_untouched(order: Order, way: Sequence[Transition], timeline: Sequence[OrderEvent]) -> None:
    """Raise `TransitionNotAllowed` if a step of the way was taken back and not taken again since."""
    taken_back: set[str] = set()
    for event in timeline:
        entry = TRANSITIONS.get(event.transition)
        if entry and entry.corrects:
            taken_back |= entry.corrects
        else:
            taken_back.discard(event.transition)
    for entry in way:
        if entry.name in taken_back:
            raise TransitionNotAllowed(
                _("“%(step)s” was taken back by the staff for order %(code)s: only they can do it again.")
                % {"step": entry.label, "code": order.code}
            )


def _correction(order: Order, said: OrderState, timeline: Sequence[OrderEvent]) -> list[Step]:
    """The step that puts another tracking code right, if there is one. Raises `TransitionNotAllowed` if it is for the
    staff to decide."""
    new = _keys(said.tracking_code)
    is_on_its_way = _CORRECTION.is_possible(order) and not (said.cancelled or said.returned)
    if not is_on_its_way or new <= _keys(order.tracking_code):
        return []
    if any(new <= _keys((event.replaced or {}).get("tracking_code", "")) for event in timeline):
        return []
    by = [event.actor_id for event in timeline if "tracking_code" in _takes(event)]
    if by and by[-1] is not None:
        raise TransitionNotAllowed(_("The order has another tracking code: %(code)s.") % {"code": order.tracking_code})
    step = (_CORRECTION, _data(_CORRECTION, said))
    _CORRECTION.check(order, step[1])
    return [step]


def _keys(codes: str) -> set[str]:
    return {tracking_key(code) for code in tracking_codes(codes)}


def _takes(event: OrderEvent) -> tuple[str, ...]:
    return TRANSITIONS[event.transition].takes if event.transition in TRANSITIONS else ()


def _refusal(order: Order, said: OrderState) -> TransitionNotAllowed:
    """Why the order cannot get where the shop has it."""
    ends = {OrderStatus.CANCELLED: said.cancelled, OrderStatus.RETURNED: said.returned}
    told = [*(status for status, is_said in ends.items() if is_said), said.payment, said.delivery]
    here = (
        order.get_status_display(),
        order.get_payment_status_display(),
        order.get_delivery_status_display(),
        order.get_delivery_method_display(),
    )
    words = {
        "code": order.code,
        "said": " · ".join(str(each.label) for each in told if each) or OrderStatus.CONFIRMED.label,
        "here": " · ".join(here),
    }
    if any(ends.values()) or order.status == OrderStatus.CANCELLED or not _was_there(order, said.delivery):
        sentence = _("In the shop order %(code)s is “%(said)s”; here it is “%(here)s”, from where no step leads there.")
        return TransitionNotAllowed(sentence % words)
    return _Late(_("In the shop order %(code)s is “%(said)s”; here it has gone on: “%(here)s”.") % words)


def _was_there(order: Order, delivery: DeliveryStatus | None) -> bool:
    """Whether what the shop says of the parcel lies on its way to where it is."""
    before = copy(order)
    before.status, before.delivery_status = OrderStatus.CONFIRMED, delivery or order.delivery_status
    return _shortest_way(before, lambda at: at.delivery_status == order.delivery_status) is not None
