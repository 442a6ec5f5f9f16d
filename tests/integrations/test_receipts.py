"""Receipts only ever rise, whatever the order and number in which they come; none is lost."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.inbound.intake import process
from integrations.inbound.receipts import RANK
from integrations.models import EvolutionInstance, NotificationLog, WebhookEvent
from integrations.signals import ReceiptChange, message_receipt_changed
from tests.factories import make_instance
from tests.integrations.webhooks import flood_with_receipts, post, receipt

pytestmark = pytest.mark.django_db

Status = NotificationLog.Status
Receipt = NotificationLog.Receipt

WORDS = {
    "PENDING": Receipt.PENDING, "SERVER_ACK": Receipt.SERVER_ACK, "SENT": Receipt.SERVER_ACK, "ERROR": Receipt.ERROR,
    "FAILED": Receipt.ERROR, "DELIVERY_ACK": Receipt.DELIVERY_ACK, "DELIVERED": Receipt.DELIVERY_ACK,
    "READ": Receipt.READ, "PLAYED": Receipt.READ,
}  # fmt: skip


def make_row(key_id: str = "3EB0", **values: Any) -> NotificationLog:
    """A message that was sent under that id; with an empty id, one that is just being sent."""
    values = {"status": Status.SENT, "sent_at": Now(), "provider_message_id": key_id} | values
    values.setdefault("instance", EvolutionInstance.objects.first() or make_instance())
    return NotificationLog.objects.create(
        event="confirm", dedupe_key=f"test:{random.random()}", recipient="+5511987654321",
        snapshot={}, expires_at=Now() + timedelta(days=1), **values,
    )  # fmt: skip


def tell(*statuses: str, key_id: str = "3EB0") -> None:
    for status in statuses:
        assert post(receipt(key_id, status)) == 200
    process()


def state(row: NotificationLog) -> tuple[str, str, bool, bool]:
    row = NotificationLog.objects.get(pk=row.pk)
    return row.status, row.receipt, row.delivered_at is not None, row.read_at is not None


def events() -> list[tuple[bool, str]]:
    return [(event.processed_at is not None, event.error) for event in WebhookEvent.objects.order_by("pk")]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["PENDING"], ("sent", "pending", False, False)),
        (["SERVER_ACK"], ("sent", "server_ack", False, False)),
        (["SERVER_ACK", "PENDING"], ("sent", "server_ack", False, False)),
        (["DELIVERY_ACK"], ("sent", "delivery_ack", True, False)),
        (["READ"], ("sent", "read", True, True)),
        (["PLAYED"], ("sent", "read", True, True)),
        (["READ", "DELIVERY_ACK", "SERVER_ACK", "ERROR"], ("sent", "read", True, True)),
        (["ERROR"], ("sent", "error", False, False)),
        (["ERROR", "SERVER_ACK"], ("sent", "error", False, False)),
        (["ERROR", "DELIVERY_ACK"], ("sent", "delivery_ack", True, False)),
        (["DELIVERY_ACK", "ERROR"], ("sent", "delivery_ack", True, False)),
        (["SENT", "DELIVERED", "READ"], ("sent", "read", True, True)),
        (["FAILED"], ("sent", "error", False, False)),
        (["DELETED"], ("sent", "", False, False)),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_what_a_message_ends_with(statuses: list[str], expected: tuple[str, str, bool, bool], at_once: bool) -> None:
    row = make_row()
    if at_once:
        tell(*statuses)
    else:
        for status in statuses:
            tell(status)
    assert state(row) == expected
    assert set(events()) == {(True, "")}


def test_the_times_are_set_once() -> None:
    row = make_row()
    tell("DELIVERY_ACK")
    NotificationLog.objects.update(delivered_at=F("delivered_at") - timedelta(minutes=5))
    delivered_at = NotificationLog.objects.get().delivered_at
    tell("DELIVERY_ACK", "READ")
    row.refresh_from_db()
    assert delivered_at
    assert row.delivered_at == delivered_at
    assert row.read_at
    assert row.read_at > delivered_at
    read_at = row.read_at
    tell("READ", "PLAYED")
    assert NotificationLog.objects.get().read_at == read_at


def received(hours_ago: int, *statuses: str) -> datetime:
    """Store such receipts as if they had come then; returns when that was."""
    for status in statuses:
        assert post(receipt("3EB0", status)) == 200
    events = WebhookEvent.objects.filter(pk__in=WebhookEvent.objects.order_by("-pk")[: len(statuses)].values("pk"))
    events.update(received_at=Now() - timedelta(hours=hours_ago))
    return events[0].received_at


def test_the_times_are_those_at_which_the_receipts_came() -> None:
    row = make_row()
    received(3, "SERVER_ACK")
    read_at = received(1, "READ", "PLAYED")
    delivered_at = received(2, "DELIVERY_ACK", "DELIVERED")
    process()
    row.refresh_from_db()
    assert (row.delivered_at, row.read_at) == (delivered_at, read_at)


def test_an_earlier_receipt_that_is_worked_off_late_corrects_the_time() -> None:
    row = make_row()
    read_at = received(1, "READ")
    process()
    row.refresh_from_db()
    assert (row.delivered_at, row.read_at) == (read_at, read_at)
    delivered_at = received(2, "DELIVERY_ACK")
    process()
    row.refresh_from_db()
    assert (row.receipt, row.delivered_at, row.read_at) == ("read", delivered_at, read_at)


def test_nothing_else_of_the_row_changes_with_an_error() -> None:
    make_row()
    before = NotificationLog.objects.values().get()
    tell("ERROR")
    assert NotificationLog.objects.values().get() == before | {"receipt": "error"}


def test_the_same_id_at_another_instance_is_another_message() -> None:
    row = make_row()
    other = make_row(instance=make_instance(name="other", is_default=False))
    tell("READ")
    assert (state(row)[1], state(other)[1]) == ("read", "")


class TestBeforeItsMessage:
    def test_waits_and_is_joined(self) -> None:
        row = make_row("", status=Status.UNKNOWN, sent_at=None)
        tell("READ")
        assert events() == [(False, "")]
        assert state(row) == ("unknown", "", False, False)
        NotificationLog.objects.update(status=Status.SENT, sent_at=Now(), provider_message_id="3EB0")
        assert process() == 0
        WebhookEvent.objects.update(due_at=Now())
        assert process() == 1
        assert state(row) == ("sent", "read", True, True)
        assert events() == [(True, "")]

    @pytest.mark.parametrize(
        ("age", "pause"), [(0, 2), (1, 2), (60, 60), (1800, 1800), (4000, 3600), (23 * 3600, 3600)]
    )
    def test_is_tried_again_when_it_is_twice_as_old(self, age: int, pause: int) -> None:
        make_row("")
        post(receipt("3EB0", "READ"))
        WebhookEvent.objects.update(received_at=Now() - timedelta(seconds=age))
        process()
        [event] = WebhookEvent.objects.annotate(pause=F("due_at") - Now())
        assert event.processed_at is None
        assert abs(event.pause.total_seconds() - pause) < 1

    def test_is_given_up_after_a_day_and_kept(self) -> None:
        make_row("")
        post(receipt("3EB0", "READ"))
        WebhookEvent.objects.update(received_at=Now() - timedelta(days=1))
        process()
        assert events() == [(True, "unknown_message")]


def test_ten_good_deliveries_cost_no_statement_more_than_one() -> None:
    counts = []
    for number in (1, 10):
        for each in range(number):
            make_row(f"{number}-{each}")
            post(receipt(f"{number}-{each}", "DELIVERY_ACK"))
        with CaptureQueriesContext(connection) as queries:
            process()
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert set(NotificationLog.objects.values_list("receipt", flat=True)) == {"delivery_ack"}


class TestSignal:
    def test_tells_what_has_changed_after_the_commit(self, django_capture_on_commit_callbacks: Any) -> None:
        told: list[list[ReceiptChange]] = []

        def receive(*, changes: list[ReceiptChange], **_kwargs: Any) -> None:
            told.append(changes)
            raise ValueError("a receiver that fails changes nothing")

        one, two = make_row("one"), make_row("two")
        for key_id, status in [("one", "READ"), ("two", "ERROR"), ("one", "SERVER_ACK"), ("three", "READ")]:
            post(receipt(key_id, status))
        message_receipt_changed.connect(receive, weak=False)
        try:
            with django_capture_on_commit_callbacks(execute=True):
                process()
                assert told == []
            with django_capture_on_commit_callbacks(execute=True):
                tell("DELIVERY_ACK", key_id="one")
        finally:
            message_receipt_changed.disconnect(receive)
        assert told == [[ReceiptChange(one.pk, "read"), ReceiptChange(two.pk, "error")]]
        assert (state(one)[1], state(two)[1]) == ("read", "error")


@pytest.mark.django_db(transaction=True)
def test_none_of_a_thousand_from_several_clients_at_once_is_lost() -> None:
    assert flood_with_receipts(make_instance(), 400, patience=90).number == 1000


STEPS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([*WORDS, "DELETED", "odd"]))
    | st.sampled_from(["work off", "settle 0", "settle 1", "settle 2", "settle 3"]),
    max_size=40,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, repeated=st.integers(1, 3))
def test_none_is_lost_or_lowered_in_any_order_and_number(steps: list[Any], repeated: int) -> None:
    """Receipts for four messages, mixed with their settling and with the work: the highest is what remains."""
    NotificationLog.objects.all().delete()
    WebhookEvent.objects.all().delete()
    rows = [make_row("", status=Status.UNKNOWN, sent_at=None) for _ in range(4)]
    highest = dict.fromkeys(range(4), Receipt.NONE)
    seen = dict.fromkeys(range(4), Receipt.NONE)

    def check() -> None:
        for number, row in enumerate(rows):
            now = Receipt(NotificationLog.objects.get(pk=row.pk).receipt)
            assert RANK[seen[number]] <= RANK[now] <= RANK[highest[number]]
            seen[number] = now

    for step in steps * repeated:
        match step:
            case "work off":
                WebhookEvent.objects.update(due_at=Now())
                process()
                check()
            case str():
                unsettled = NotificationLog.objects.filter(pk=rows[int(step[-1])].pk, status=Status.UNKNOWN)
                unsettled.update(status=Status.SENT, sent_at=Now(), provider_message_id=f"key{step[-1]}")
            case number, status:
                assert post(receipt(f"key{number}", status)) == 200
                told = WORDS.get(status, Receipt.NONE)
                highest[number] = max(highest[number], told, key=lambda each: RANK[each])
    for number, row in enumerate(rows):
        NotificationLog.objects.filter(pk=row.pk).update(
            status=Status.SENT, sent_at=Now(), provider_message_id=f"key{number}"
        )
    WebhookEvent.objects.update(due_at=Now())
    process()
    for number, row in enumerate(rows):
        delivered, read = (RANK[highest[number]] >= RANK[least] for least in (Receipt.DELIVERY_ACK, Receipt.READ))
        assert state(row) == ("sent", highest[number], delivered, read)
    assert not WebhookEvent.objects.filter(processed_at=None).exists()
    assert not WebhookEvent.objects.exclude(error="").exists()
