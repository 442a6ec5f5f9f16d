from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.models import NotificationLog
from orders.models import Customer, Order, OrderEvent, OrderItem, Store
from orders.services import (
    TransitionNotAllowed,
    apply_transition,
    apply_transition_bulk,
    create_order,
    expire_due_pickups,
)
from orders.signals import StatusChange, order_status_changed
from tests.factories import PHONE, make_instance, make_order

pytestmark = pytest.mark.django_db

ITEMS = [
    {"description": "Caneca", "quantity": 3, "unit_price": "19.90"},
    {"description": "Pôster", "quantity": 1, "unit_price": Decimal("45.50")},
]


def create(**values: Any) -> Order:
    arguments: dict[str, Any] = {
        "store": Store.get_default(),
        "customer_name": "João Souza",
        "customer_phone": "(11) 98765-4321",
        "items": ITEMS,
        "delivery_method": "pickup",
    }
    return create_order(**arguments | values)


def everything() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (Customer, Order, OrderItem, OrderEvent, NotificationLog))


class TestCreateOrder:
    def test_stores_order_items_customer_and_the_first_timeline_entry(self) -> None:
        ana = User.objects.create_user("ana")
        order = create(customer_cpf="390.533.447-05", notes=" frágil ", actor=ana)
        order.refresh_from_db()
        assert order.total == Decimal("105.20")
        assert (order.status, order.payment_status, order.delivery_status) == ("pending",) * 3
        assert order.notes == "frágil"
        assert (order.customer.name, order.customer.phone, order.customer.cpf) == (
            "João Souza",
            "+5511987654321",
            "39053344705",
        )
        assert [str(item) for item in order.items.all()] == ["3× Caneca", "1× Pôster"]
        event = order.events.get()
        assert (event.transition, event.actor, event.from_status, event.status) == ("create", ana, "", "pending")

    def test_freight_discount_and_goods_by_weight_make_the_total(self) -> None:
        items = [
            {"description": "Queijo", "quantity": "1.5", "unit_price": "39.99"},
            {"description": "Linguiça", "quantity": Decimal("0.335"), "unit_price": "30.00"},
            {"description": "Caneca", "quantity": 2, "unit_price": "10.00"},
        ]
        order = create(items=items, freight="12.30", discount=Decimal("5.00"))
        order.refresh_from_db()
        # 59,985 and 10,05: each line in cents, half a cent upwards.
        assert [item.subtotal for item in order.items.all()] == [Decimal("59.99"), Decimal("10.05"), Decimal("20.00")]
        assert (order.freight, order.discount, order.total) == (Decimal("12.30"), Decimal("5.00"), Decimal("97.34"))
        assert [str(item) for item in order.items.all()] == ["1,5× Queijo", "0,335× Linguiça", "2× Caneca"]
        told = NotificationLog.objects.get().snapshot["order"]
        assert [item["quantity"] for item in told["items"]] == ["1.5", "0.335", 2]
        assert (told["freight"], told["discount"], told["total"]) == ("12.30", "5.00", "97.34")

    def test_the_discount_may_be_all_of_it(self) -> None:
        assert create(freight="10", discount="115.20").total == 0

    @pytest.mark.parametrize(
        "values",
        [
            {"freight": "-0.01"}, {"discount": "-0.01"}, {"freight": "12,30"}, {"freight": "NaN"}, {"freight": ""},
            {"freight": "1.234"}, {"discount": "105.21"}, {"freight": "10", "discount": "115.21"},
            {"discount": "1e999999999"}, {"freight": "99999999.99", "items": [{**ITEMS[0], "unit_price": "Infinity"}]},
            *({"items": [{**ITEMS[0], "quantity": quantity}]} for quantity in (
                "0", "-1", "0.0001", "1,5", "NaN", "1e999999999", "", None, "abc", "9999999999",
            )),
        ],
    )  # fmt: skip
    def test_amounts_that_cannot_be_are_refused(self, values: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            create(**values)
        assert everything() == (0, 0, 0, 0, 0)

    def test_what_the_release_before_knows_of_goods_by_weight(self) -> None:
        create(items=[{**ITEMS[0], "quantity": "1.5"}, {**ITEMS[0], "quantity": "3"}])
        with connection.cursor() as cursor:
            cursor.execute("SELECT quantity, exact_quantity FROM orders_orderitem ORDER BY id")
            assert cursor.fetchall() == [(2, Decimal("1.500")), (3, None)]
            cursor.execute("UPDATE orders_orderitem SET quantity = quantity + 1")
        assert [item.quantity for item in OrderItem.objects.all()] == [3, 4]

    def test_codes_are_short_readable_and_the_token_is_long(self) -> None:
        orders = [create(notify=False) for _ in range(30)]
        assert len({order.code for order in orders}) == 30
        for order in orders:
            assert len(order.code) == 6
            assert not set(order.code) & set("0O1IL")
            assert len(order.tracking_token) >= 22

    def test_takes_another_code_when_one_is_in_use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        used = create().code
        codes = iter([used, "ABCDEF"])
        monkeypatch.setattr("orders.codes.order_code", lambda: next(codes))
        monkeypatch.setattr(Order._meta.get_field("code"), "default", lambda: used)
        monkeypatch.setattr(Order._meta.get_field("code"), "_get_default", lambda: used)
        assert create().code == "ABCDEF"

    def test_the_same_phone_is_the_same_customer(self) -> None:
        first = create(customer_cpf="39053344705")
        second = create(customer_name="João S. Souza", customer_phone="+5511987654321")
        assert first.customer_id == second.customer_id
        customer = Customer.objects.get()
        assert (customer.name, customer.cpf) == ("João Souza", "39053344705")
        assert second.ordered_as == "João S. Souza"

    def test_a_customer_without_phone_is_a_new_one_each_time(self) -> None:
        assert create(customer_phone="").customer_id != create(customer_phone=" ").customer_id

    @pytest.mark.parametrize(
        "wrong",
        [
            {"customer_phone": "123"},
            {"customer_name": "  "},
            {"customer_name": "x" * 121},
            {"customer_cpf": "12345678900"},
            {"items": []},
            {"items": [{"description": "Caneca", "quantity": 0, "unit_price": "1"}]},
            {"items": [{"description": "Caneca", "quantity": "many", "unit_price": "1"}]},
            {"items": [{"description": "", "quantity": 1, "unit_price": "1"}]},
            {"items": [{"description": "Caneca", "quantity": 1, "unit_price": "-1"}]},
            {"items": [{"description": "Caneca", "quantity": 1, "unit_price": "1.999"}]},
            {"items": [{"description": "Caneca", "quantity": 1, "unit_price": "dear"}]},
            {"items": [{"description": "Caneca", "quantity": 1}]},
            {"items": [{"description": "Caneca", "quantity": 1, "unit_price": "NaN"}]},
            {"items": [{"description": "Ouro", "quantity": 2_000_000_000, "unit_price": "99999999.99"}]},
            {"delivery_method": "drone"},
            {"customer_name": "João\0"},
            {"notes": "\ud800"},
            {"delivery_address": "x" * 301},
        ],
    )
    def test_refuses_bad_input_and_stores_nothing(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            create(**wrong)
        assert everything() == (0, 0, 0, 0, 0)

    def test_refuses_a_customer_of_another_store(self) -> None:
        other = Customer.objects.create(store=Store.objects.create(name="Outra"), name="Rui", phone=PHONE)
        order = Order(store=Store.get_default(), customer=other, delivery_method="pickup")
        from orders.services import add_order

        with pytest.raises(ValidationError):
            add_order(order, [OrderItem(description="Caneca", unit_price=Decimal(1))])
        assert Order.objects.count() == 0


class TestApplyTransition:
    def test_returns_the_same_object_with_its_new_statuses(self) -> None:
        order = make_order()
        assert apply_transition(order, "confirm") is order
        assert order.status == "confirmed"
        assert Order.objects.get().status == "confirmed"

    def test_works_on_the_row_not_on_a_stale_object(self) -> None:
        order = make_order()
        stale = Order.objects.get()
        apply_transition(order, "confirm")
        with pytest.raises(TransitionNotAllowed):
            apply_transition(stale, "confirm")
        apply_transition(stale, "pay")
        assert (stale.status, stale.payment_status) == ("confirmed", "paid")

    def test_reads_the_customer_anew_too(self) -> None:
        make_instance()
        order = make_order()
        assert order.customer.name == "Maria da Silva"
        Customer.objects.update(name="Mariana Souza")
        apply_transition(order, "confirm")
        assert order.customer.name == "Mariana Souza"
        assert NotificationLog.objects.get().snapshot["customer"]["name"] == "Mariana Souza"

    def test_keeps_what_others_changed_in_other_fields(self) -> None:
        order = make_order()
        Order.objects.update(notes="não tocar a campainha")
        apply_transition(order, "confirm")
        assert Order.objects.get().notes == "não tocar a campainha"

    @pytest.mark.parametrize("method", ["correios_pac", "correios_sedex", "carrier"])
    def test_ship_needs_a_tracking_code(self, method: str) -> None:
        order = make_order(until="confirmed", delivery_method=method)
        for empty in ("", "  "):
            with pytest.raises(TransitionNotAllowed) as refusal:
                apply_transition(order, "ship", tracking_code=empty)
            assert order.code in str(refusal.value)
        apply_transition(order, "ship", tracking_code=" aa123456785br ")
        assert Order.objects.get().tracking_code == "AA123456785BR"
        assert order.events.last().note == "AA123456785BR"  # type: ignore[union-attr]

    def test_a_tracking_code_whose_capitals_are_longer_is_stored_as_it_is(self) -> None:
        order = make_order(until="confirmed", delivery_method="correios_pac")
        apply_transition(order, "ship", tracking_code="ß" * 60)
        assert Order.objects.get().tracking_code == "ß" * 60

    def test_a_courier_needs_no_tracking_code_and_no_payment(self) -> None:
        order = make_order(until="confirmed")
        apply_transition(order, "ship")
        assert (order.delivery_status, order.payment_status) == ("shipped", "pending")

    def test_a_carrier_may_have_a_tracking_page(self) -> None:
        order = make_order(until="confirmed", delivery_method="carrier")
        with pytest.raises(TransitionNotAllowed):
            apply_transition(order, "ship", tracking_code="X1", tracking_url="javascript:alert(1)")
        apply_transition(order, "ship", tracking_code="X1", tracking_url="https://carrier.example/X1")
        assert order.tracking_link == "https://carrier.example/X1"

    def test_a_code_is_stored_as_its_carrier_writes_it(self) -> None:
        order = make_order(until="confirmed", delivery_method="correios_pac")
        page = "https://rastreamento.correios.com.br/app/index.php?objetos=aa123456785br"
        apply_transition(order, "ship", tracking_code=f"Objeto: {page}")
        assert Order.objects.get().tracking_code == "AA123456785BR"

    def test_a_correction_changes_the_tracking_alone_and_is_told(self) -> None:
        make_instance()
        order = make_order(until="shipped", delivery_method="correios_pac")
        before = (order.status, order.payment_status, order.delivery_status)
        apply_transition(order, "correct_tracking", tracking_code="AA 323 456 781 BR")
        order.refresh_from_db()
        assert (order.status, order.payment_status, order.delivery_status) == before
        assert order.tracking_code == "AA323456781BR"
        event = order.events.last()
        assert event is not None
        assert (event.transition, event.note) == ("correct_tracking", "AA323456781BR")
        row = NotificationLog.objects.get()
        assert (row.event, row.order_event) == ("correct_tracking", event)
        assert row.snapshot["order"]["parcels"] == [
            {
                "code": "AA323456781BR",
                "link": "https://rastreamento.correios.com.br/app/index.php?objetos=AA323456781BR",
            }
        ]

    def test_a_correction_that_corrects_nothing_is_refused(self) -> None:
        order = make_order(until="shipped", delivery_method="correios_pac")
        for code in ("", " aa123456785br "):
            with pytest.raises(TransitionNotAllowed):
                apply_transition(order, "correct_tracking", tracking_code=code)
        for other in (make_order(until="confirmed", delivery_method="carrier"), make_order(until="shipped")):
            with pytest.raises(TransitionNotAllowed):
                apply_transition(other, "correct_tracking", tracking_code="X1")
        assert not OrderEvent.objects.filter(transition="correct_tracking").exists()

    def test_pick_up_checks_the_code_that_the_customer_shows(self) -> None:
        order = make_order(until="ready_for_pickup")
        with pytest.raises(TransitionNotAllowed):
            apply_transition(order, "pick_up", pickup_code="2222" if order.pickup_code != "2222" else "3333")
        assert Order.objects.get().delivery_status == "ready_for_pickup"
        apply_transition(order, "pick_up", pickup_code=f" {order.pickup_code.lower()} ")
        assert (order.status, order.delivery_status) == ("completed", "picked_up")

    def test_pick_up_works_without_a_code(self) -> None:
        assert apply_transition(make_order(until="ready_for_pickup"), "pick_up").status == "completed"

    def test_ready_for_pickup_sets_the_deadline_to_when_the_counter_closes(self) -> None:
        Store.objects.filter(pk=Store.get_default().pk).update(pickup_days=3, pickup_until="19:30")
        order = make_order(until="ready_for_pickup")
        deadline = timezone.localtime(order.pickup_deadline)
        assert deadline.date() == timezone.localdate() + timedelta(days=3)
        assert (deadline.hour, deadline.minute) == (19, 30)

    def test_the_counter_closes_by_the_clock_where_the_store_is(self) -> None:
        zone = ZoneInfo("America/Rio_Branco")
        Store.objects.filter(pk=Store.get_default().pk).update(pickup_until="18:00", time_zone=zone.key)
        deadline = make_order(until="ready_for_pickup").pickup_deadline
        assert deadline
        local = deadline.astimezone(zone)
        assert (local.hour, local.minute) == (18, 0)
        assert timezone.localtime(deadline).hour == 20

    def test_counts_failed_attempts_and_notes_the_reason(self) -> None:
        order = make_order(until="out_for_delivery")
        apply_transition(order, "fail_delivery", reason="ninguém em\n casa")
        apply_transition(order, "out_for_delivery")
        apply_transition(order, "fail_delivery")
        assert order.delivery_attempts == 2
        notes = order.events.filter(transition="fail_delivery").values_list("note", flat=True)
        assert list(notes) == ["ninguém em casa", ""]

    def test_a_refusal_changes_nothing_and_says_why(self) -> None:
        make_instance()
        order = make_order()
        before = everything()
        row = Order.objects.values().get()
        for name in ("deliver", "ship", "ready_for_pickup", "refund", "create", "fly"):
            with pytest.raises(TransitionNotAllowed) as refusal:
                apply_transition(order, name)
            assert len(str(refusal.value)) > 15
        assert everything() == before
        assert Order.objects.values().get() == row

    @pytest.mark.parametrize("reason", ["x" * 301, "a\0b", "\ud800"])
    def test_refuses_a_text_that_cannot_be_stored(self, reason: str) -> None:
        order = make_order()
        with pytest.raises(TransitionNotAllowed):
            apply_transition(order, "cancel", reason=reason)
        assert Order.objects.get().status == "pending"

    def test_data_that_the_transition_does_not_take_is_the_callers_mistake(self) -> None:
        order = make_order()
        with pytest.raises(TypeError, match="tracking_cod"):
            apply_transition(order, "confirm", tracking_cod="X")
        assert Order.objects.get().status == "pending"

    def test_a_receiver_that_fails_undoes_the_whole_change(self) -> None:
        order = make_order()

        def fail(**_kwargs: Any) -> None:
            raise RuntimeError("no outbox")

        order_status_changed.connect(fail)
        try:
            with pytest.raises(RuntimeError):
                apply_transition(order, "confirm")
        finally:
            order_status_changed.disconnect(fail)
        assert Order.objects.get().status == "pending"
        assert OrderEvent.objects.count() == 1


class TestSignal:
    def test_carries_a_batch_with_one_send(self) -> None:
        orders = [make_order() for _ in range(3)]
        batches: list[list[StatusChange]] = []

        def receive(*, changes: list[StatusChange], **_kwargs: Any) -> None:
            batches.append(changes)

        order_status_changed.connect(receive)
        try:
            apply_transition_bulk(orders, "confirm", notify=False)
            apply_transition(orders[0], "cancel", reason="sem estoque")
        finally:
            order_status_changed.disconnect(receive)
        assert [len(batch) for batch in batches] == [3, 1]
        assert {change.order for change in batches[0]} == set(orders)
        assert {change.notify for change in batches[0]} == {False}
        assert batches[1][0].data == {"reason": "sem estoque"}
        assert batches[1][0].event.transition == "cancel"


class TestBulk:
    def test_applies_what_it_can_and_explains_the_rest(self) -> None:
        good, bad = make_order(), make_order(until="confirmed")
        result = apply_transition_bulk([good, bad], "confirm")
        assert result.applied == [good]
        assert [(order, bad.code in reason) for order, reason in result.refused] == [(bad, True)]
        assert OrderEvent.objects.filter(transition="confirm", order=bad).count() == 1

    def test_costs_the_same_few_statements_for_any_number(self) -> None:
        make_instance()
        counts = []
        for size in (2, 40):
            orders = [make_order() for _ in range(size)]
            with CaptureQueriesContext(
                connection,
            ) as queries:
                assert len(apply_transition_bulk(orders, "confirm").applied) == size
            counts.append(len(queries))
        assert counts[0] == counts[1] <= 10

    def test_gives_each_order_its_own_code_in_as_few_statements(self) -> None:
        counts = []
        for size in (2, 40):
            orders = [make_order(until="confirmed", delivery_method="carrier") for _ in range(size)]
            each = {order.pk: {"tracking_code": f"X-{order.pk}"} for order in orders}
            with CaptureQueriesContext(connection) as queries:
                assert len(apply_transition_bulk(orders, "ship", notify=False, each=each).applied) == size
            counts.append(len(queries))
            codes = Order.objects.filter(pk__in=each).values_list("pk", "tracking_code", "delivery_status")
            assert set(codes) == {(pk, f"X-{pk}", "shipped") for pk in each}
            notes = OrderEvent.objects.filter(order__in=each, transition="ship").values_list("order", "note")
            assert set(notes) == {(pk, f"X-{pk}") for pk in each}
        assert counts[0] == counts[1] <= 10

    def test_says_what_does_not_exist_any_more(self) -> None:
        order = make_order()
        gone = Order(pk=order.pk + 1, code="GONE22")
        result = apply_transition_bulk([order, gone], "confirm")
        assert result.applied == [order]
        assert [refused for refused, _reason in result.refused] == [gone]

    def test_of_nothing_is_nothing(self) -> None:
        result = apply_transition_bulk([], "confirm")
        assert (result.applied, result.refused) == ([], [])


class TestExpiry:
    def test_expires_what_is_past_its_deadline_and_nothing_else(self) -> None:
        past = timezone.now() - timedelta(minutes=1)
        due, later, gone = (make_order(until="ready_for_pickup") for _ in range(3))
        apply_transition(gone, "cancel")
        Order.objects.filter(pk__in=[due.pk, gone.pk]).update(pickup_deadline=past)
        assert expire_due_pickups() == 1
        assert dict(Order.objects.values_list("pk", "delivery_status")) == {
            due.pk: "expired",
            later.pk: "ready_for_pickup",
            gone.pk: "ready_for_pickup",
        }
        assert due.events.last().actor is None  # type: ignore[union-attr]
        assert expire_due_pickups() == 0
