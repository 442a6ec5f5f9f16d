"""What is written into a message's row when an order's status changes, and what is said of it later."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.messages.snapshot import Snapshot
from integrations.models import NotificationLog
from notifications import outbox, texts
from notifications.snapshot import snapshot_without_order
from orders.models import Order, OrderEvent, Store
from orders.services import apply_transition
from tests.factories import PHONE, TRACKING_CODE, make_instance, make_order
from tests.snapshots import WRITTEN


@pytest.mark.django_db
def test_the_row_holds_the_order_as_it_was_in_the_shape_of_this_release() -> None:
    make_instance()
    order = make_order(
        items=[
            {"description": "Queijo", "quantity": "1.5", "unit_price": "40.00"},
            {"description": "Geleia", "quantity": 2, "unit_price": "29.90"},
        ],
        freight="5.00",
        discount="2.00",
        delivery_address="Rua das Flores, 10",
        until="out_for_delivery",
    )
    apply_transition(order, "fail_delivery", reason="Ninguém em casa")
    Order.objects.update(total="1.00", delivery_attempts=9)
    Store.objects.update(name="Outra loja")
    row = NotificationLog.objects.get()
    happened = OrderEvent.objects.get(transition="fail_delivery").created_at.isoformat()
    written = WRITTEN["order_with_freight_and_weights"]
    changed: dict[str, Any] = {
        "id": order.pk, "code": order.code, "tracking_token": order.tracking_token, "pickup_code": order.pickup_code,
        "tracking_code": TRACKING_CODE, "parcels": [{"code": TRACKING_CODE, "link": ""}],
    }  # fmt: skip
    assert row.snapshot == written | {
        "occurred_at": happened,
        "order": written["order"] | changed,
        "customer": written["customer"] | {"id": order.customer.pk},
        "store": written["store"] | {"id": order.store.pk, "name": "Minha loja"},
    }


@pytest.mark.django_db
def test_the_rows_of_no_order_hold_what_this_release_writes() -> None:
    customer = make_order().customer
    when = datetime(2026, 11, 23, 12, tzinfo=UTC)
    store = {"id": customer.store.pk, "name": "Minha loja", "phone": "", "pickup_address": ""}
    assert snapshot_without_order("opt_out", customer, when).to_json() == WRITTEN["without_order"] | {
        "customer": {"id": customer.pk, "name": "Maria da Silva", "phone": PHONE},
        "store": store,
    }
    tested = outbox.add_test(make_instance(), PHONE).snapshot
    assert tested == WRITTEN["test"] | {"occurred_at": tested["occurred_at"], "store": store}


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("order", ["Código de rastreio: *AA123456785BR*", "K7MPXQ"]),
        (
            "order_to_pick_up",
            ["Código de retirada: *AB23*", "Endereço: Rua do Porto, 5", "Retire até segunda-feira, 30/11"],
        ),
        ("order_with_parcels", ["Código de rastreio: *AA123456785BR*", "Código de rastreio: *BB123456789BR*"]),
        ("order_with_freight_and_weights", ["Motivo: Ninguém em casa.", "(1ª tentativa)"]),
        ("without_order", ["Maria, você não vai mais receber nossos avisos", "_Loja da Ana_"]),
        ("test", ["23/11/2026 09:00:00"]),
    ],
)
def test_whatever_was_ever_written_is_said(name: str, lines: list[str]) -> None:
    snapshot = Snapshot.from_json(WRITTEN[name])
    text = texts.render(snapshot.event, snapshot)
    assert [line for line in lines if line not in text] == []


def test_an_item_whose_price_is_missing_is_listed_without_one() -> None:
    snapshot = Snapshot.from_json({"order": {"code": "K7MPXQ", "items": [{"description": "sem preço"}]}})
    assert "\n1× sem preço\n" in texts.render("create", snapshot)
