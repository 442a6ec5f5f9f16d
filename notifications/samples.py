"""Snapshots on which a text is looked at before it is anybody's message: a real order's, the hardest, the longest."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Exists, OuterRef, Subquery
from django.utils import timezone

from integrations.messages.kinds import KINDS
from integrations.messages.snapshot import CustomerPart, ItemPart, OrderPart, ParcelPart, Snapshot, StorePart
from notifications.snapshot import snapshots_as_they_are, snapshots_of, store_part
from notifications.variables import methods
from orders.models import Order, OrderEvent, Store
from orders.signals import StatusChange
from orders.statuses import DeliveryMethod
from orders.transitions import TRANSITIONS, Data, Transition

OFFERED = 15
_REASON = "Ninguém em casa"
_ADDRESS = "Rua das Flores, 120, apto. 31, Centro, São Paulo - SP"
_LONG_NAME = "Maria-Fernanda Aparecida de Vasconcelos e Albuquerque *Sobrinha*"
_ITEMS = ("Camiseta *azul* de algodão orgânico, manga longa", "Kit ~antigo~ _com 3 peças_", "Chapa 10*20*3 cm")
_PAGE = "kT3vQ9xYb2LmN8pRs5wZ0A"


def after(order: Order, transition: Transition, data: Data) -> Snapshot:
    """The order as it would be told of after the transition, whether or not it may take it now. Changes nothing.

    The order's store and customer are loaded. Without items that were fetched before, one query.
    """
    changed = copy(order)
    transition.change_statuses(changed)
    transition.effect(changed, data)
    event = OrderEvent(transition=transition.name, created_at=timezone.now())
    [taken] = snapshots_of([StatusChange(order=changed, event=event, notify=True, data=data)])
    return taken


def orders_for(store: Store, event: str) -> Sequence[Order]:
    """The store's latest orders of which this kind of message tells, or could; each with whether it `was_told`.

    One query.
    """
    if not KINDS[event].needs_order:
        return []
    done = OrderEvent.objects.filter(order=OuterRef("pk"), transition=event).order_by("-pk")
    fitting = Order.objects.filter(store=store, delivery_method__in=methods(event))
    annotated = fitting.select_related("store", "customer").annotate(
        was_told=Exists(done), note_then=Subquery(done.values("note")[:1])
    )
    return list(annotated.order_by("-pk")[:OFFERED])


def of_order(event: str, order: Order) -> Snapshot:
    """Of one of `orders_for`: as the order is, if it has been told of this before, else as it would be."""
    transition = TRANSITIONS.get(event)
    if transition is None or order.was_told:  # type: ignore[attr-defined]
        [taken] = snapshots_as_they_are(event, [order], timezone.now())
        has_reason = transition is not None and "reason" in transition.takes
        return replace(taken, reason=order.note_then or "") if has_reason else taken  # type: ignore[attr-defined]
    typed = {"reason": _REASON, "delivery_address": _ADDRESS, "pickup_deadline": _in_a_week().isoformat()}
    return after(order, transition, {name: value for name, value in typed.items() if name in transition.takes})


def example(store: Store, event: str) -> Snapshot:
    """One that stands for a real one where the store has none yet, or where the message is about no order."""
    taken = _made_up(event, store_part(store), name="Ana Souza", items=_ITEMS[:1])
    if not KINDS[event].needs_order:
        return taken
    method = DeliveryMethod.CORREIOS_PAC if DeliveryMethod.CORREIOS_PAC in methods(event) else DeliveryMethod.PICKUP
    parcel = ParcelPart(
        code="AA123456785BR", link="https://rastreamento.correios.com.br/app/index.php?objetos=AA123456785BR"
    )
    order = replace(taken.order, delivery_method=method, parcels=(parcel,), pickup_deadline=_in_a_week())
    return replace(taken, order=order, reason=_REASON)


def hardest(store: Store, event: str) -> Snapshot:
    """A long name, many items, marks of WhatsApp's everywhere, and nothing of what there may not be."""
    items = [_ITEMS[number % len(_ITEMS)] for number in range(25)]
    taken = _made_up(event, store_part(store), name=_LONG_NAME, items=items)
    return taken if not KINDS[event].needs_order else replace(taken, order=replace(taken.order, tracking_token=""))


def longest(event: str) -> Snapshot:
    """Everything there may be, each as long as it can be."""
    store = StorePart(
        name="W" * 100,
        phone="+5511987654321",
        pickup_address="W" * 300,
        signature="W" * 300,
        opening_hours="W" * 200,
    )
    taken = _made_up(event, store, name="W" * 120, items=["W" * 200] * 25)
    if not KINDS[event].needs_order:
        return taken
    order = replace(
        taken.order,
        delivery_address="W" * 300,
        delivery_attempts=99,
        freight=Decimal("99999999.99"),
        discount=Decimal("99999999.99"),
        parcels=tuple(ParcelPart(code="W" * 19, link="W" * 300) for _number in range(3)),
        tracking_token="W" * 40,
        pickup_deadline=_in_a_week(),
    )
    return replace(taken, order=order, reason="W" * 300)


def _made_up(event: str, store: StorePart, *, name: str, items: Sequence[str]) -> Snapshot:
    taken = Snapshot(event=event, occurred_at=timezone.now(), customer=CustomerPart(name=name), store=store)
    if not KINDS[event].needs_order:
        return taken
    order = OrderPart(
        code="K7MPXQ",
        delivery_method=next(each for each in DeliveryMethod if each in methods(event)),
        payment_status="paid",
        total=Decimal("149.90") * len(items),
        items=tuple(ItemPart(description=each, quantity=Decimal(2), unit_price=Decimal("74.95")) for each in items),
        tracking_token=_PAGE,
        pickup_code="AB23",
    )
    return replace(taken, order=order)


def _in_a_week() -> datetime:
    return timezone.now() + timedelta(days=7)
