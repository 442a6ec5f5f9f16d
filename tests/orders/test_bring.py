"""A shop says how an order looks: it is brought there in one go, and told of once, or stays as it is with a reason."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.models import NotificationLog
from orders.models import Order
from orders.services import apply_transition, bring_to, expire_due_pickups
from orders.states import Brought, OrderState
from orders.statuses import DeliveryMethod, DeliveryStatus, PaymentStatus
from orders.transitions import TRANSITIONS, TransitionNotAllowed
from tests.factories import TRACKING_CODE, make_instance, make_order
from tests.meetings import another
from tests.orders.test_transitions import (
    BACK,
    CORRECTIONS,
    NAMES,
    OTHER_CODE,
    assert_timeline_agrees,
    order_at,
    reachable,
    statuses,
)
from tests.staff import make_staff

PAID, REFUNDED = PaymentStatus.PAID, PaymentStatus.REFUNDED
SHIPPED, OUT, DELIVERED = DeliveryStatus.SHIPPED, DeliveryStatus.OUT_FOR_DELIVERY, DeliveryStatus.DELIVERED
READY, FAILED = DeliveryStatus.READY_FOR_PICKUP, DeliveryStatus.FAILED_ATTEMPT
# What a shop means by its words for the usual stations.
PROCESSING = OrderState(payment=PAID, confirmed=True)
POSTED = OrderState(payment=PAID, delivery=SHIPPED, tracking_code=TRACKING_CODE)


def way(order: Order) -> list[str]:
    return list(order.events.order_by("pk").values_list("transition", flat=True))[1:]


def told(order: Order) -> list[str]:
    return list(NotificationLog.objects.filter(order=order).order_by("pk").values_list("event", flat=True))


def names(result: Brought) -> list[str]:
    return [event.transition for event in result.events]


@pytest.mark.django_db
class TestTheWay:
    @pytest.mark.parametrize(
        ("method", "state", "steps"),
        [
            ("courier", OrderState(), ""),
            ("courier", OrderState(confirmed=True), "confirm"),
            ("courier", OrderState(payment=PAID), "pay"),
            ("courier", PROCESSING, "confirm pay"),
            ("correios_pac", POSTED, "confirm pay ship"),
            ("courier", OrderState(delivery=OUT), "confirm ship out_for_delivery"),
            ("courier", OrderState(payment=PAID, delivery=DELIVERED), "confirm pay ship deliver"),
            ("courier", OrderState(delivery=FAILED), "confirm ship fail_delivery"),
            ("courier", OrderState(delivery=READY), "confirm"),
            ("courier", OrderState(delivery=DeliveryStatus.PICKED_UP), "confirm ship deliver"),
            ("pickup", OrderState(payment=PAID, delivery=READY), "confirm pay ready_for_pickup"),
            ("pickup", OrderState(delivery=DELIVERED), "confirm ready_for_pickup pick_up"),
            ("pickup", OrderState(delivery=DeliveryStatus.EXPIRED), "confirm ready_for_pickup expire_pickup"),
            ("courier", OrderState(cancelled=True), "cancel"),
            ("courier", OrderState(cancelled=True, payment=PAID), "pay cancel"),
            ("courier", OrderState(cancelled=True, payment=REFUNDED, delivery=SHIPPED), "pay cancel refund"),
            ("courier", OrderState(payment=REFUNDED), "pay cancel refund"),
            ("courier", OrderState(payment=REFUNDED, confirmed=True), "confirm pay refund"),
            ("courier", OrderState(payment=REFUNDED, delivery=SHIPPED), "confirm pay ship refund"),
        ],
    )
    def test_of_a_new_order_is_told_once_at_its_end(self, method: str, state: OrderState, steps: str) -> None:
        order = make_order(delivery_method=method)
        result = bring_to(order, state)
        assert (names(result), result.reason, result.late) == (steps.split(), "", False)
        assert (way(order), told(order)) == (steps.split(), steps.split()[-1:])
        assert_timeline_agrees(order)
        assert bring_to(order, state) == Brought()
        assert (way(order), told(order)) == (steps.split(), steps.split()[-1:])

    def test_every_step_of_the_table_is_taken_from_wherever_it_can_be(self) -> None:
        """Where one step leads to what is said, that very one is taken."""
        walked = set()
        for place in sorted(reachable()):
            order = order_at(place)
            for entry in TRANSITIONS.values():
                renews = entry.name == "ready_for_pickup" and place[3] == "expired"
                if entry.corrects or entry.name in CORRECTIONS or renews or not entry.is_possible(order):
                    continue
                state = OrderState(
                    payment=entry.payment_to,
                    delivery=entry.delivery_to,
                    confirmed=entry.name == "confirm",
                    cancelled=entry.name == "cancel",
                    returned=entry.name == "return_order",
                )
                with transaction.atomic():
                    result = bring_to(order, state, notify=False)
                    assert (names(result)[-1:], result.reason) == ([entry.name], ""), place
                    transaction.set_rollback(True)
                order.refresh_from_db()
                walked.add(entry.name)
        assert walked == set(NAMES.split()) - {"create"}

    def test_goes_on_from_where_the_order_is(self) -> None:
        order = make_order(delivery_method="correios_pac")
        for state in (PROCESSING, POSTED, OrderState(delivery=FAILED, reason="ausente"), OrderState(delivery=OUT)):
            bring_to(order, state)
        bring_to(order, OrderState(payment=PAID, delivery=DELIVERED))
        bring_to(order, OrderState(returned=True, reason="não serviu"))
        steps = ["pay", "ship", "fail_delivery", "out_for_delivery", "deliver", "return_order"]
        assert (way(order), told(order)) == (["confirm", *steps], steps)
        assert [event.note for event in order.events.all()][3:] == [TRACKING_CODE, "ausente", "", "", "não serviu"]

    def test_is_told_in_the_name_and_at_the_time_asked_for(self) -> None:
        make_instance()
        order, ana = make_order(), make_staff()
        before = timezone.now()
        bring_to(order, PROCESSING, actor=ana, delay=timedelta(minutes=5))
        assert {event.actor for event in order.events.all()[1:]} == {ana}
        (row,) = NotificationLog.objects.all()
        assert (row.event, row.next_attempt_at >= before + timedelta(minutes=5)) == ("pay", True)

    def test_is_silent_if_nobody_is_to_be_told(self) -> None:
        order = make_order()
        assert names(bring_to(order, PROCESSING, notify=False)) == ["confirm", "pay"]
        assert told(order) == []

    def test_costs_one_statement_a_step(self) -> None:
        order = make_order()
        with CaptureQueriesContext(connection) as queries:
            bring_to(order, PROCESSING, notify=False)
        # A savepoint around it all, the lock, the order and its timeline; then an order's row with its entry for each.
        assert len(queries) == 7


@pytest.mark.django_db
class TestWhatTheTableDoesNotAllow:
    @pytest.mark.parametrize(
        ("values", "state", "late", "said", "here"),
        [
            ({"until": "delivered"}, OrderState(delivery=SHIPPED), True, "enviado", "concluído · … · entregue"),
            ({"until": "shipped"}, OrderState(delivery=DeliveryStatus.PENDING), True, "a preparar", "… · enviado"),
            ({"until": "delivered"}, OrderState(cancelled=True), False, "cancelado", "concluído · … · entregue"),
            ({"until": "ready_for_pickup"}, OrderState(delivery=SHIPPED), False, "enviado", "… · pronto para retirada"),
            ({"until": "confirmed"}, OrderState(delivery=DeliveryStatus.EXPIRED), False, "retirada vencida", "…"),
        ],
    )
    def test_changes_nothing_and_says_why(
        self, values: dict[str, Any], state: OrderState, late: bool, said: str, here: str
    ) -> None:
        order = make_order(**values)
        before, steps = statuses(order), way(order)
        result = bring_to(order, state)
        order.refresh_from_db()
        assert (statuses(order), way(order), told(order)) == (before, steps, [])
        assert (result.events, result.late) == ((), late)
        assert f"o pedido {order.code} está como “{said}”" in result.reason
        assert all(part in result.reason for part in here.split("…"))

    def test_who_pays_for_what_is_cancelled_is_for_the_staff(self) -> None:
        order = make_order()
        bring_to(order, OrderState(cancelled=True))
        result = bring_to(order, PROCESSING)
        assert (result.events, result.late, way(order), told(order)) == ((), False, ["cancel"], ["cancel"])
        assert result.reason == (
            f"Na loja o pedido {order.code} está como “pago”; aqui está como “cancelado · aguardando pagamento · "
            "a preparar · Motoboy”, de onde nenhum passo leva até lá."
        )

    def test_a_payment_that_went_back_is_old_news(self) -> None:
        order = make_order()
        bring_to(order, OrderState(payment=REFUNDED, delivery=SHIPPED))
        result = bring_to(order, OrderState(payment=PAID, delivery=SHIPPED))
        assert (result.events, result.late, told(order)) == ((), True, ["refund"])

    def test_what_staff_refunded_and_kept_open_is_not_cancelled_for_it(self) -> None:
        order = make_order(until="confirmed")
        for name in ("pay", "refund"):
            apply_transition(order, name, actor=make_staff(name), notify=False)
        assert bring_to(order, OrderState(payment=REFUNDED)) == Brought()
        assert way(order) == ["confirm", "pay", "refund"]

    def test_whether_what_comes_back_had_arrived_is_not_made_up(self) -> None:
        order = make_order(until="shipped")
        result = bring_to(order, OrderState(returned=True))
        assert (result.events, result.late, way(order)) == ((), False, ["confirm", "ship"])
        assert result.reason.startswith("“Registrar devolução” não é possível")

    def test_a_shop_that_repeats_itself_does_not_renew_a_pickup_that_expired(self) -> None:
        order = make_order(until="ready_for_pickup")
        Order.objects.update(pickup_deadline=timezone.now() - timedelta(minutes=1))
        assert expire_due_pickups() == 1
        result = bring_to(order, OrderState(delivery=READY))
        assert (result.events, result.late, told(order)) == ((), True, ["expire_pickup"])
        # Who comes too late and gets it all the same has it.
        assert names(bring_to(order, OrderState(delivery=DELIVERED))) == ["ready_for_pickup", "pick_up"]
        assert told(order) == ["expire_pickup", "pick_up"]

    @pytest.mark.parametrize(
        ("until", "correction", "state"),
        [
            ("shipped", "back_to_preparation", OrderState(delivery=SHIPPED)),
            ("delivered", "back_to_shipped", OrderState(delivery=DELIVERED)),
            ("confirmed", "unpay", PROCESSING),
            ("confirmed", "reopen", OrderState(cancelled=True)),
        ],
    )
    def test_what_staff_took_back_is_theirs_to_do_again(self, until: str, correction: str, state: OrderState) -> None:
        order = make_order(until=until)
        bring_to(order, state, notify=False)
        apply_transition(order, correction, actor=make_staff(), notify=False)
        steps = way(order)
        result = bring_to(order, state)
        assert (result.events, result.late, way(order), told(order)) == ((), False, steps, [])
        again = {"back_to_preparation": "ship", "back_to_shipped": "deliver", "unpay": "pay", "reopen": "cancel"}
        assert f"“{TRANSITIONS[again[correction]].label}”" in result.reason
        apply_transition(order, again[correction], notify=False)
        assert bring_to(order, state) == Brought()

    def test_money_is_told_even_if_the_rest_has_to_wait(self) -> None:
        order = make_order(delivery_method="correios_pac")
        result = bring_to(order, OrderState(payment=PAID, delivery=SHIPPED))
        assert (names(result), result.late) == (["confirm", "pay"], False)
        assert result.reason == f"O pedido {order.code} vai por Correios PAC: informe o código de rastreio."
        assert told(order) == ["pay"]
        assert names(bring_to(order, POSTED)) == ["ship"]
        assert told(order) == ["pay", "ship"]

    def test_no_payment_is_told_of_what_the_shop_has_cancelled(self) -> None:
        order = make_order(until="delivered")
        assert names(bring_to(order, OrderState(cancelled=True, payment=PAID))) == []
        result = bring_to(order, OrderState(cancelled=True, payment=REFUNDED))
        assert (names(result), told(order)) == (["pay", "refund"], ["refund"])
        assert "cancelado · reembolsado" in result.reason


@pytest.mark.django_db
class TestWhatAShopMayWrite:
    def test_what_can_be_no_page_or_reason_is_left_out(self) -> None:
        order = make_order(delivery_method="carrier")
        url = "javascript:alert(1)"
        result = bring_to(order, OrderState(delivery=SHIPPED, tracking_code="X-1", tracking_url=url, reason="\0"))
        assert (names(result), result.reason) == (["confirm", "ship"], "")
        order.refresh_from_db()
        assert (order.tracking_code, order.tracking_url) == ("X-1", "")
        bring_to(order, OrderState(delivery=FAILED, reason=" nin\nguém " * 100))
        note = order.events.latest("pk").note
        assert (len(note) <= 300, note.startswith("nin guém nin guém")) == (True, True)

    def test_a_code_that_cannot_be_stored_is_refused(self) -> None:
        order = make_order(delivery_method="carrier")
        for code in ("7" * 61, "A\0B"):
            result = bring_to(order, OrderState(delivery=SHIPPED, tracking_code=code))
            assert (result.events, bool(result.reason), way(order)) == ((), True, [])

    def test_another_code_of_the_shop_is_told_as_a_correction(self) -> None:
        order = make_order(delivery_method="correios_pac")
        bring_to(order, POSTED)
        again = OrderState(payment=PAID, delivery=SHIPPED, tracking_code="aa 987 654 325 br")
        assert names(bring_to(order, again)) == ["correct_tracking"]
        # The first one is old by now, whoever still says it.
        assert bring_to(order, POSTED) == Brought()
        assert told(order) == ["ship", "correct_tracking"]
        assert Order.objects.get().tracking_code == OTHER_CODE

    def test_a_code_that_changes_on_the_way_is_not_told_beside_what_follows(self) -> None:
        order = make_order(delivery_method="correios_pac")
        bring_to(order, POSTED)
        result = bring_to(order, OrderState(delivery=OUT, tracking_code=OTHER_CODE))
        assert (names(result), told(order)) == (["correct_tracking", "out_for_delivery"], ["ship", "out_for_delivery"])

    def test_the_code_of_what_is_cancelled_is_not_put_right(self) -> None:
        order = make_order(delivery_method="correios_pac")
        bring_to(order, POSTED)
        result = bring_to(order, OrderState(cancelled=True, reason="extravio", tracking_code=OTHER_CODE))
        assert (names(result), told(order)) == (["cancel"], ["ship", "cancel"])
        assert Order.objects.get().tracking_code == TRACKING_CODE

    def test_a_code_that_staff_gave_is_theirs(self) -> None:
        order = make_order(until="confirmed", delivery_method="correios_pac")
        apply_transition(order, "ship", actor=make_staff(), notify=False, tracking_code=OTHER_CODE)
        result = bring_to(order, POSTED)
        assert (names(result), result.reason) == (["pay"], f"O pedido tem outro código de rastreio: {OTHER_CODE}.")
        assert (told(order), Order.objects.get().tracking_code) == (["pay"], OTHER_CODE)

    def test_one_of_several_parcels_is_nothing_new(self) -> None:
        order = make_order(until="confirmed", delivery_method="correios_pac")
        apply_transition(order, "ship", notify=False, tracking_code=f"{TRACKING_CODE}, {OTHER_CODE}")
        assert bring_to(order, OrderState(delivery=SHIPPED, tracking_code=OTHER_CODE)) == Brought()


STATES = st.builds(
    OrderState,
    payment=st.sampled_from([None, PAID, REFUNDED]),
    delivery=st.sampled_from([None, None, *DeliveryStatus]),
    confirmed=st.booleans(),
    cancelled=st.sampled_from([False] * 9 + [True]),
    returned=st.sampled_from([False] * 9 + [True]),
    reason=st.sampled_from(["", "ausente"]),
    tracking_code=st.sampled_from(["", TRACKING_CODE, OTHER_CODE]),
)
# As a shop lives through them; what comes is a piece of it with repeats, gaps and some in the wrong order.
STORY = [
    OrderState(),
    PROCESSING,
    POSTED,
    OrderState(payment=PAID, delivery=OUT),
    OrderState(payment=PAID, delivery=FAILED),
    OrderState(payment=PAID, delivery=DELIVERED),
    OrderState(payment=REFUNDED, returned=True),
]
SEQUENCES = st.lists(STATES, max_size=7) | st.lists(st.sampled_from(STORY), max_size=9)
# How far along its way a message tells the customer that the order is; a failed attempt and the next one alternate.
RANKS = {
    "confirm": 0, "ship": 1, "ready_for_pickup": 1, "correct_tracking": 2, "out_for_delivery": 2, "fail_delivery": 2,
    "expire_pickup": 2, "deliver": 3, "pick_up": 3, "return_order": 4, "cancel": 4,
}  # fmt: skip
RECUR = {"out_for_delivery", "fail_delivery", "correct_tracking"}


def is_where(order: Order, state: OrderState) -> bool:
    """Whether the order is as the state says, in the words of its method."""
    is_pickup = order.delivery_method == "pickup"
    meant = {DELIVERED: DeliveryStatus.PICKED_UP} if is_pickup else {DeliveryStatus.PICKED_UP: DELIVERED, READY: None}
    delivery = meant.get(state.delivery, state.delivery) if state.delivery else None
    if state.cancelled or state.returned:
        at_its_place = order.status == ("cancelled" if state.cancelled else "returned")
    else:
        at_its_place = delivery in {None, order.delivery_status}
        if state.confirmed or state.delivery not in {None, DeliveryStatus.PENDING}:
            at_its_place = at_its_place and order.status not in {"pending", "cancelled"}
    return at_its_place and state.payment in {None, order.payment_status}


def assert_no_message_belies_another(messages: list[str]) -> None:
    once = [name for name in messages if name not in RECUR]
    assert len(once) == len(set(once))
    ranks = [RANKS[name] for name in messages if name in RANKS]
    assert ranks == sorted(ranks)
    if "refund" in messages:
        assert "pay" not in messages[messages.index("refund") :]
    for end in {"cancel", "return_order"} & set(messages):
        assert set(messages[messages.index(end) + 1 :]) <= {"refund", "pay"}


@pytest.mark.django_db
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(method=st.sampled_from(DeliveryMethod.values), states=SEQUENCES)
def test_any_states_end_where_the_newest_says_or_are_refused(method: str, states: list[OrderState]) -> None:
    order = make_order(delivery_method=method)
    for state in states:
        before, messages = (statuses(order), order.tracking_code), told(order)
        result = bring_to(order, state)
        order.refresh_from_db()
        assert told(order) == messages + names(result)[-1:]
        if result.reason:
            assert result.reason.strip()
            # Money may be told; else nothing has changed.
            assert set(names(result)) <= {"confirm", "pay", "refund"}
        else:
            assert is_where(order, state)
        if not result.events:
            assert (statuses(order), order.tracking_code) == before
        assert bring_to(order, state).events == ()
    assert_timeline_agrees(order)
    assert_no_message_belies_another(told(order))


@pytest.mark.django_db
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(DeliveryMethod.values),
    news=st.lists(STATES | st.sampled_from(STORY) | st.sampled_from([*NAMES.split()[1:], *BACK]), max_size=10),
)
def test_staff_and_shop_by_turns_never_say_two_things_at_once(method: str, news: list[OrderState | str]) -> None:
    order = make_order(delivery_method=method)
    for each in news:
        if isinstance(each, str):
            with suppress(TransitionNotAllowed):
                data: dict[str, Any] = {"tracking_code": OTHER_CODE} if each == "ship" else {}
                apply_transition(order, each, notify=False, **data)
            continue
        messages = told(order)
        result = bring_to(order, each)
        assert told(order) == messages + names(result)[-1:]
        assert not {*names(result)} & {*BACK}
        assert result.reason or is_where(Order.objects.get(pk=order.pk), each)
        assert bring_to(order, each).events == ()
    assert_timeline_agrees(order)


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_applies_and_the_other_finds_nothing_new() -> None:
    order = make_order(delivery_method="correios_pac")
    with another() as one, another() as two:
        with one.transaction():
            first = one.does(lambda: bring_to(Order.objects.get(), POSTED))
            begun: Future[Brought] = two.begins(lambda: bring_to(Order.objects.get(), POSTED))
            two.waits_or_ends(begun)
            assert not begun.done()
        assert (names(first), begun.result()) == (["confirm", "pay", "ship"], Brought())
    assert (way(order), told(order)) == (["confirm", "pay", "ship"], ["ship"])
