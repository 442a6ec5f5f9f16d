"""Properties of the table: whatever is tried, in whatever order, orders stay possible and the timeline agrees."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings as settings_of_django
from django.db import IntegrityError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders.models import Order, OrderEvent
from orders.services import apply_transition, apply_transition_bulk
from orders.statuses import DeliveryMethod, DeliveryStatus, OrderStatus, PaymentStatus
from orders.transitions import TRANSITIONS, Transition, TransitionNotAllowed, possible_transitions, way_ahead
from tests.factories import TRACKING_CODE, make_order

NAMES = (
    "create confirm pay refund ship out_for_delivery deliver fail_delivery ready_for_pickup "
    "pick_up expire_pickup cancel return_order"
)
# Beside these there are the corrections, which need a value that is not the order's.
OTHER_CODE = "AA987654325BR"
CORRECTIONS = {
    "correct_tracking": {"tracking_code": OTHER_CODE},
    "move_deadline": {"pickup_deadline": "2099-12-10T19:00:00-03:00"},
    "change_address": {"delivery_address": "Rua Nova, 7"},
}
BACK = ("back_to_preparation", "back_to_shipped", "back_to_counter", "reopen", "unpay")
STEPS = st.lists(st.sampled_from([*(name for name in NAMES.split() if name != "create"), *BACK]), max_size=25)
# The database rolls back around the whole test, not around each example: every example has an order of its own.
shared_database = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def data_for(name: str) -> dict[str, Any]:
    return {"tracking_code": TRACKING_CODE} if name == "ship" else {}


def statuses(order: Order) -> tuple[str, str, str]:
    return order.status, order.payment_status, order.delivery_status


def assert_timeline_agrees(order: Order) -> None:
    """Replaying the timeline gives the statuses; every entry starts where the one before ended."""
    before: tuple[str, str, str] = ("", "", "")
    for event in order.events.all():
        assert (event.from_status, event.from_payment_status, event.from_delivery_status) == before
        before = (event.status, event.payment_status, event.delivery_status)
    order.refresh_from_db()
    assert before == statuses(order)


def test_the_names_are_fixed() -> None:
    assert set(TRANSITIONS) == {*NAMES.split(), *CORRECTIONS, *BACK}


@pytest.mark.django_db
@shared_database
@given(method=st.sampled_from(DeliveryMethod.values), steps=STEPS)
def test_no_sequence_reaches_an_impossible_state(method: str, steps: list[str]) -> None:
    order = make_order(delivery_method=method)
    for name in steps:
        before, events = statuses(order), order.events.count()
        expected = TRANSITIONS[name].is_possible(order)
        try:
            apply_transition(order, name, notify=False, **data_for(name))
        except TransitionNotAllowed:
            assert not expected
            order.refresh_from_db()
            assert (statuses(order), order.events.count()) == (before, events)
        else:
            assert expected
            assert order.events.count() == events + 1
            assert order.events.last().transition == name  # type: ignore[union-attr]
    assert_timeline_agrees(order)


@pytest.mark.django_db
@shared_database
@given(methods=st.lists(st.sampled_from(DeliveryMethod.values), min_size=1, max_size=4), steps=STEPS)
def test_bulk_does_exactly_what_single_transitions_do(methods: list[str], steps: list[str]) -> None:
    alone = [make_order(delivery_method=method) for method in methods]
    together = [make_order(delivery_method=method) for method in methods]
    for name in steps:
        result = apply_transition_bulk(together, name, notify=False, **data_for(name))
        applied = []
        for position, order in enumerate(alone):
            try:
                apply_transition(order, name, notify=False, **data_for(name))
                applied.append(together[position])
            except TransitionNotAllowed as refusal:
                reason = str(refusal).replace(order.code, together[position].code)
                assert (together[position], reason) in result.refused
        assert result.applied == applied
    for order, twin in zip(alone, together, strict=True):
        twin.refresh_from_db()
        assert statuses(order) == statuses(twin)
        assert_timeline_agrees(twin)


def reachable() -> set[tuple[str, str, str, str]]:
    """Every combination of method and statuses that the table leads to, found by walking it."""
    found, front = set(), [(method.value, "pending", "pending", "pending") for method in DeliveryMethod]
    while front:
        state = front.pop()
        if state in found:
            continue
        found.add(state)
        for entry in TRANSITIONS.values():
            order = Order(
                code="X", delivery_method=state[0], status=state[1], payment_status=state[2], delivery_status=state[3]
            )
            if entry.is_possible(order):
                front.append(
                    (
                        state[0],
                        str(entry.status_to or state[1]),
                        str(entry.payment_to or state[2]),
                        str(entry.delivery_to or state[3]),
                    )
                )
    return found


@pytest.mark.django_db
def test_the_database_accepts_exactly_what_the_table_reaches() -> None:
    """A row outside the table's reach is refused by a constraint; payment is free of the other two."""
    order = make_order(delivery_method="pickup")
    ways = {(method, status, delivery) for method, status, _payment, delivery in reachable()}
    for method in DeliveryMethod.values:
        for status in OrderStatus.values:
            for delivery in DeliveryStatus.values:
                values: dict[str, Any] = {"delivery_method": method, "status": status, "delivery_status": delivery}
                values |= {"tracking_code": TRACKING_CODE, "pickup_deadline": order.created_at}
                if (method, status, delivery) in ways:
                    Order.objects.filter(pk=order.pk).update(**values)
                else:
                    with pytest.raises(IntegrityError), transaction.atomic():
                        Order.objects.filter(pk=order.pk).update(**values)


def order_at(state: tuple[str, str, str, str]) -> Order:
    order = make_order(delivery_method=state[0])
    values = {
        "status": state[1],
        "payment_status": state[2],
        "delivery_status": state[3],
        "tracking_code": TRACKING_CODE,
    }
    Order.objects.filter(pk=order.pk).update(**values, pickup_deadline=order.created_at)
    order.refresh_from_db()
    return order


@pytest.mark.django_db
def test_no_entry_fails_otherwise_than_by_a_refusal_wherever_it_is_tried() -> None:
    """Where it is possible it is applied, whatever the order's state; elsewhere nothing is asked of the database."""
    for state in sorted(reachable()):
        order = order_at(state)
        for entry in TRANSITIONS.values():
            if not entry.is_possible(order):
                with pytest.raises(TransitionNotAllowed):
                    entry.require_possible(order)
                continue
            data = CORRECTIONS.get(entry.name) or data_for(entry.name)
            with transaction.atomic():
                apply_transition(order, entry.name, notify=False, **data)
                assert order.events.latest("pk").transition == entry.name
                transaction.set_rollback(True)
            order.refresh_from_db()


@pytest.mark.django_db
def test_the_page_never_loses_its_way_while_a_step_can_still_be_hoped_for() -> None:
    ahead = {}
    for state in reachable():
        order = Order(
            code="X", delivery_method=state[0], status=state[1], payment_status=state[2], delivery_status=state[3]
        )
        ahead[state[0], state[1], state[3]] = [entry.name for entry in way_ahead(order)]
        goes_on = [entry for entry in possible_transitions(order) if entry.headline and not entry.is_setback]
        assert bool(goes_on) == bool(way_ahead(order)), state
        # It ends where no other step is to come.
        for entry in way_ahead(order):
            entry.change_statuses(order)
        assert (order.status == OrderStatus.COMPLETED) == bool(goes_on or state[1] == "completed"), state
    assert ahead["courier", "pending", "pending"] == ["confirm", "ship", "out_for_delivery", "deliver"]
    assert ahead["courier", "confirmed", "failed_attempt"] == ["out_for_delivery", "deliver"]
    assert ahead["pickup", "confirmed", "expired"] == ["ready_for_pickup", "pick_up"]
    assert ahead["pickup", "cancelled", "ready_for_pickup"] == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "may change nothing"),
        ({"delivery_to": DeliveryStatus.SHIPPED}, "may change nothing"),
        ({"delivery_to": DeliveryStatus.DELIVERED}, "say it to the customer"),
        ({"payment_to": PaymentStatus.PAID, "payment_from": frozenset(), "to_come": "Payment"}, "needs a `headline`"),
    ],
)
def test_an_entry_that_could_not_work_is_refused_when_it_is_made(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Transition(
            name="delay",
            label="Delay",
            done="Delayed",
            status_from=frozenset({OrderStatus.CONFIRMED}),
            delivery_from=frozenset({DeliveryStatus.SHIPPED}),
            **change,
        )


def test_what_each_entry_says_to_the_customer_is_there() -> None:
    icons = (settings_of_django.BASE_DIR / "templates" / "orders" / "public" / "icon.html").read_text()
    for entry in TRANSITIONS.values():
        assert entry.icon == "package" or f'"{entry.icon}"' in icons, entry.name
        assert bool(entry.headline) == bool(entry.advice), entry.name


@pytest.mark.django_db
@pytest.mark.parametrize(
    "values",
    [
        {"status": "lost"},
        {"payment_status": "lost"},
        {"delivery_status": "lost"},
        {"delivery_method": "drone"},
        {"total": "-0.01"},
        {"delivery_method": "correios_pac", "status": "confirmed", "delivery_status": "shipped", "tracking_code": ""},
        {"delivery_method": "pickup", "status": "confirmed", "delivery_status": "ready_for_pickup"},
    ],
)
def test_impossible_rows_are_refused(values: dict[str, str]) -> None:
    order = make_order()
    with pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.filter(pk=order.pk).update(**values)


@pytest.mark.django_db
def test_the_timeline_refuses_what_changes_nothing_and_a_second_creation() -> None:
    order = make_order()
    created = order.events.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        OrderEvent.objects.create(
            order=order,
            transition="confirm",
            **{
                f"{prefix}{field}": getattr(created, field)
                for prefix in ("", "from_")
                for field in ("status", "payment_status", "delivery_status")
            },
        )
    created.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        created.save(force_insert=True)
    assert order.events.count() == 1


def test_staff_are_offered_exactly_what_is_possible() -> None:
    order = Order(delivery_method="pickup", status="confirmed", payment_status="paid", delivery_status="pending")
    assert [entry.name for entry in possible_transitions(order)] == ["ready_for_pickup", "refund", "cancel"]
    order.delivery_status = DeliveryStatus.READY_FOR_PICKUP
    assert [entry.name for entry in possible_transitions(order)] == ["pick_up", "refund", "cancel"]
    assert PaymentStatus.PAID in TRANSITIONS["refund"].payment_from
