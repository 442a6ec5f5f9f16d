"""The shape of snapshots: written as ever, read whatever was written, and anonymised alike in Python and in SQL."""

from __future__ import annotations

import re
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db.models.functions import Now
from hypothesis import given
from hypothesis import strategies as st

from integrations import retention
from integrations.messages import snapshot_words
from integrations.messages.snapshot import CustomerPart, ItemPart, OrderPart, ParcelPart, Snapshot, StorePart
from integrations.models import NotificationLog
from tests.embedded import BASE_DIR
from tests.snapshots import WRITTEN

# Those that the present release writes, and those that an earlier one or the purge has written.
PRESENT = ("order_with_freight_and_weights", "test", "without_order")
SPOILT: list[Any] = [
    {},
    [],
    "x",
    {"version": "2", "event": None, "occurred_at": "yesterday", "reason": ["x"], "order": [], "customer": "Maria"},
    {"occurred_at": "2026-11-23T12:00:00", "store": None, "order": {"items": {}, "parcels": "AA1", "code": "K7MPXQ"}},
    {"order": {"code": 7, "total": "NaN", "freight": "dear", "delivery_attempts": True, "tracking_code": 5}},
    {"order": {"items": [None, "x", {"quantity": [], "unit_price": {}}], "pickup_deadline": 3, "parcels": None}},
]
PARTS = (Snapshot, OrderPart, ItemPart, ParcelPart, CustomerPart, StorePart)
NAMES = st.sampled_from([*(each.name for part in PARTS for each in fields(part)), "another"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes().map(str)
ANYTHING = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner))


def test_the_first_snapshot_ever_written_is_read() -> None:
    link = "https://rastreamento.correios.com.br/app/index.php?objetos=AA123456785BR"
    assert Snapshot.from_json(WRITTEN["order"]) == Snapshot(
        version=1,
        event="ship",
        occurred_at=datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC),
        order=OrderPart(
            id=42,
            code="K7MPXQ",
            status="confirmed",
            payment_status="paid",
            delivery_status="shipped",
            delivery_method="correios_pac",
            delivery_address="Rua das Flores, 10",
            total=Decimal("119.80"),
            items=(ItemPart(description="Camiseta azul", quantity=Decimal(2), unit_price=Decimal("59.90")),),
            tracking_code="AA123456785BR",
            tracking_link=link,
            parcels=(ParcelPart(code="AA123456785BR", link=link),),
            tracking_token="kT3vQ9xYb2LmN8pRs5wZ0A",
            pickup_code="AB23",
        ),
        customer=CustomerPart(id=7, name="Maria da Silva", phone="+5511987654321"),
        store=StorePart(id=1, name="Loja da Ana", phone="+551133334444", pickup_address="Rua do Porto, 5"),
    )


@pytest.mark.parametrize("name", PRESENT)
def test_it_is_written_as_the_release_before_reads_it(name: str) -> None:
    written = Snapshot.from_json(WRITTEN[name]).to_json()
    assert (written, [*written]) == (WRITTEN[name], [*WRITTEN[name]])


@pytest.mark.parametrize("name", WRITTEN)
def test_all_that_was_ever_written_is_read_and_nothing_lost(name: str) -> None:
    again = Snapshot.from_json(WRITTEN[name]).to_json()
    for part, written in WRITTEN[name].items():
        values = again.get(part, {})
        assert ({key: values[key] for key in written} if isinstance(written, dict) else values) == written


def test_what_a_later_release_adds_is_passed_over() -> None:
    written = WRITTEN["order"]
    later = written | {"version": 2, "mood": "good", "order": written["order"] | {"gift": {"wrapped": True}}}
    assert Snapshot.from_json(later).to_json() == Snapshot.from_json(written).to_json() | {"version": 2}


def test_what_is_not_what_it_should_be_is_empty() -> None:
    nothing = Snapshot()
    assert [Snapshot.from_json(odd) for odd in (None, *SPOILT[:4])] == [nothing] * 5
    assert Snapshot.from_json(SPOILT[4]) == Snapshot(order=OrderPart(code="K7MPXQ"))
    assert Snapshot.from_json(SPOILT[5]) == nothing
    assert Snapshot.from_json(SPOILT[6]) == Snapshot(order=OrderPart(items=(ItemPart(),)))


@given(ANYTHING)
def test_no_snapshot_however_odd_raises(odd: Any) -> None:
    read = Snapshot.from_json(odd)
    assert Snapshot.from_json(read.to_json()) == read
    assert read.anonymised().customer == CustomerPart()
    snapshot_words.lines(read.anonymised())


@pytest.mark.django_db
def test_the_database_anonymises_as_python_does() -> None:
    known = {f"spoilt {number}": odd for number, odd in enumerate(SPOILT)} | WRITTEN
    for name, written in known.items():
        NotificationLog.objects.create(event="ship", dedupe_key=name, snapshot=written, expires_at=Now())
    retention.anonymise_messages(NotificationLog.objects.all())
    rows = {row.dedupe_key: row for row in NotificationLog.objects.all()}
    for name, written in known.items():
        assert rows[name].parsed_snapshot == Snapshot.from_json(written).anonymised(), name
    # Nothing else is left, such as nulls, and what was anonymised before stays as it was.
    assert rows["order"].snapshot == rows["anonymised_order"].snapshot == WRITTEN["anonymised_order"]
    assert rows["without_order"].snapshot == WRITTEN["anonymised_without_order"]
    assert rows["anonymised_without_order"].snapshot == WRITTEN["anonymised_without_order"]


def test_no_other_module_knows_how_a_snapshot_is_written() -> None:
    as_json = re.compile(r"""snapshot\w*(\.get\(|\[|__)|(\.get\(|\w\[)["'](order|customer|items|parcels)["']""")
    owner = BASE_DIR / "integrations" / "messages" / "snapshot.py"
    files = [path for app in ("flowlog", "integrations", "notifications") for path in (BASE_DIR / app).rglob("*.py")]
    assert owner in files
    # The sandbox plays others: an order there is a shop's own.
    others = {"migrations", "sandbox"}
    knowing = {path.name for path in files if as_json.search(path.read_text()) and not others & {*path.parts}}
    assert knowing == {owner.name}
    assert "snapshot__customer__id" in owner.read_text()
