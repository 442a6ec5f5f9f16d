"""What is written to be told: in the transaction of what it tells of, for whom it is wanted, and how it looks then."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from integrations.messages import state_changes
from integrations.models import NotificationLog
from orders.erasure import erase
from orders.models import Order, Store
from orders.services import apply_transition, apply_transition_bulk, create_order
from orders.transitions import TRANSITIONS
from orders.undo import undo
from outgoing import bodies, kinds
from outgoing.models import OutgoingAttempt, OutgoingEvent
from tests.factories import PHONE, TRACKING_CODE, make_order
from tests.meetings import another
from tests.outgoing.endpoints import make_endpoint, told
from tests.staff import make_staff

pytestmark = pytest.mark.django_db

Status, Receipt = NotificationLog.Status, NotificationLog.Receipt


def body(event: OutgoingEvent) -> Any:
    return json.loads(bodies.body_of(event))


def test_each_step_is_told_as_the_order_was_then() -> None:
    make_endpoint()
    order = make_order(until="shipped", delivery_method="correios_pac")
    assert told() == [("order.created", "pending"), ("order.confirmed", "pending"), ("order.shipped", "pending")]
    first, _confirmed, last = OutgoingEvent.objects.order_by("pk")
    assert body(last) == {
        "type": "order.shipped",
        "timestamp": last.created_at.isoformat().replace("+00:00", "Z"),
        "data": {
            "order": {
                "code": order.code, "store": order.store.name, "status": "confirmed", "payment_status": "pending",
                "delivery_status": "shipped", "delivery_method": "correios_pac", "total": "119.80", "reference": None,
                "parcels": [{
                    "code": TRACKING_CODE,
                    "link": f"https://rastreamento.correios.com.br/app/index.php?objetos={TRACKING_CODE}",
                }],
            }
        },
    }  # fmt: skip
    assert (body(first)["data"]["order"]["status"], body(first)["data"]["order"]["parcels"]) == ("pending", [])
    # By default it names nobody.
    everything = json.dumps([body(row) for row in OutgoingEvent.objects.all()])
    assert [word for word in ("Maria", PHONE, PHONE[3:]) if word in everything] == []


def test_where_an_order_comes_from_is_told() -> None:
    make_endpoint()
    create_order(
        store=Store.get_default(), customer_name="Ana", customer_phone=PHONE, delivery_method="courier",
        items=[{"description": "Caneca", "quantity": 1, "unit_price": "10"}], source="woocommerce", external_id="11",
        external_number="1011",
    )  # fmt: skip
    told = body(OutgoingEvent.objects.get())["data"]["order"]
    assert told["reference"] == {"source": "woocommerce", "id": "11", "number": "1011"}


def test_what_is_undone_is_told_nowhere() -> None:
    make_endpoint()
    with transaction.atomic():
        make_order()
        assert told() == [("order.created", "pending")]
        transaction.set_rollback(True)
    assert told() == []


def test_an_endpoint_is_told_what_it_chose_and_while_it_is_on() -> None:
    some, _secret = make_endpoint(kinds=["order.pay", "message.read"])
    off, _secret = make_endpoint(is_on=False)
    every, _secret = make_endpoint()
    other, _secret = make_endpoint(store=Store.objects.create(name="Outra"))
    apply_transition(make_order(until="confirmed"), "pay", notify=False)
    assert told(some) == [("order.paid", "pending")]
    assert [name for name, _state in told(every)] == ["order.created", "order.confirmed", "order.paid"]
    assert told(off) + told(other) == []


def test_many_orders_at_once_are_told_of_each() -> None:
    orders = [make_order(customer_phone=f"+551198765111{number}") for number in range(3)]
    make_endpoint()
    apply_transition_bulk(Order.objects.all(), "confirm", notify=False)
    codes = [event.payload["order"]["code"] for event in OutgoingEvent.objects.order_by("pk")]
    assert (sorted(codes), {kind for kind, _state in told()}) == (sorted(o.code for o in orders), {"order.confirmed"})


def test_a_step_that_is_undone_is_told() -> None:
    make_endpoint(kinds=["order.undo"])
    ana, order = make_staff(), make_order()
    apply_transition(order, "confirm", actor=ana)
    assert undo([order.events.latest("pk").pk], actor=ana).applied == [order]
    assert told() == [("order.step_undone", "pending")]
    assert OutgoingEvent.objects.get().payload["order"]["status"] == "pending"


def test_what_becomes_of_a_message_is_told_once_each() -> None:
    make_endpoint(kinds=[kind for kind, _words in kinds.choices() if kind.startswith("message.")])
    order = make_order(notify=True)
    rows = NotificationLog.objects.filter(order=order)
    state_changes.to_sending(rows, "0f8fad5b-d9cb-469f-a165-70867728950e", lease_until=timezone.now(), task_id="")  # type: ignore[arg-type]
    assert told() == []
    state_changes.to_sent(rows, "X1")
    for receipt in (Receipt.SERVER_ACK, Receipt.DELIVERY_ACK, Receipt.DELIVERY_ACK, Receipt.READ):
        rows.update(receipt=receipt)
    assert [name for name, _state in told()] == ["message.sent", "message.delivered", "message.read"]
    event, row = OutgoingEvent.objects.latest("pk"), rows.get()
    assert event.payload["message"] == {"id": row.pk, "about": "create", "status": "sent", "error_code": ""}
    assert body(event)["data"]["order"]["code"] == order.code
    rows.update(receipt=Receipt.ERROR)
    state_changes.to_failed(rows, "not_delivered", sent_at=None)
    kinds_told = [name for name, _state in told()][3:]
    assert kinds_told == ["message.undelivered", "message.failed"]
    assert "not_delivered" in json.dumps(OutgoingEvent.objects.latest("pk").payload)


@pytest.mark.django_db(transaction=True)
def test_a_message_moves_on_while_somebody_has_its_order() -> None:
    make_endpoint(kinds=["message.sent"])
    order = make_order(notify=True)
    with another() as other, other.transaction():
        other.does(lambda: list(Order.objects.select_for_update().filter(pk=order.pk)))
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '1s'")
            state_changes.to_sent(NotificationLog.objects.filter(order=order), "X1")
    assert told() == [("message.sent", "pending")]


def test_a_message_about_no_order_is_nobodys_news() -> None:
    make_endpoint()
    row = NotificationLog.objects.create(
        event="test", dedupe_key="x", snapshot={}, expires_at=timezone.now(), recipient=PHONE
    )
    state_changes.to_cancelled(NotificationLog.objects.filter(pk=row.pk))
    assert told() == []


def test_the_phone_goes_where_it_is_wanted_and_an_erasure_takes_it_back() -> None:
    make_endpoint(with_phone=True, kinds=["order.create"])
    make_endpoint(kinds=["order.create"])
    order, other = make_order(), make_order(customer_phone="+5511987650000")
    OutgoingAttempt.objects.create(event=OutgoingEvent.objects.filter(order=order)[0], milliseconds=1, answer=PHONE)
    phones = OutgoingEvent.objects.order_by("pk").values_list("payload__customer", flat=True)
    assert list(phones) == [{"phone": PHONE}, None, {"phone": "+5511987650000"}, None]
    Order.objects.filter(pk=order.pk).update(tracking_url="https://rastreio.example/maria")
    proof = erase(order.customer)
    assert proof.counts["outgoing"] == 1
    assert list(phones.all()) == [None, None, {"phone": "+5511987650000"}, None]
    kept = [*OutgoingEvent.objects.values("payload"), *OutgoingAttempt.objects.values("answer")]
    assert PHONE not in json.dumps(kept)
    # What it tells of the order stays, and goes out.
    assert body(OutgoingEvent.objects.filter(order=order)[0])["data"]["order"]["code"] == order.code
    assert other.customer.phone == "+5511987650000"


def test_who_asks_learns_which_system_got_the_phone() -> None:
    from orders.disclosure import collect

    make_endpoint(with_phone=True, kinds=["order.create"])
    order = make_order()
    [sent] = collect(order.customer)["Enviado a sistemas da própria loja"]
    assert {key: sent[key] for key in ("sistema", "evento", "telefone")} == {
        "sistema": "ERP", "evento": "order.created", "telefone": "(11) 98765-4321",
    }  # fmt: skip


def test_types_are_those_that_receivers_compare() -> None:
    types = [kinds.type_of(kind) for kind, _words in kinds.choices()]
    assert len(set(types)) == len(types) == len(TRANSITIONS) + 1 + 7
    assert {"order.created", "order.paid", "order.shipped", "order.out_for_delivery", "order.picked_up"} <= set(types)
    assert kinds.type_of("order.something_new") == "order.something_new"
