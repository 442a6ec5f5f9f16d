"""A message of unknown outcome is settled by evidence, never by guessing: the gateway has it, or has not."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from flowlog.devtools.sandbox.faults import Fault
from flowlog.models import Heartbeat
from integrations.evolution.client import client
from integrations.models import NotificationLog
from notifications import claims, lookups, tasks
from notifications.delivery import deliver
from notifications.lookups import look_up
from orders.models import Store
from orders.services import apply_transition
from tests.factories import PHONE, make_instance
from tests.integrations.raw_server import Connection, raw_server
from tests.integrations.sandbox import SandboxProcess
from tests.notifications.lookups.rows import Finding, Status, age, findings, fresh, row_of, sent, unknown

pytestmark = pytest.mark.django_db(transaction=True)


def test_each_call_of_a_look_up_is_a_sign_of_life(gateway: SandboxProcess, settings: Any) -> None:
    """Together they may take two minutes; a worker that is dead is silent for less."""
    sent()
    row = unknown(gateway, Fault.RESET)
    age(row, 120)
    heard = []

    def answer_slowly(gateway_side: Connection) -> None:
        while gateway_side.request():
            heard.append(Heartbeat.objects.filter(queue="whatsapp").delete()[0])
            connection.close()
            gateway_side.answer(b'{"messages": {"total": 0, "pages": 0, "records": []}}', "200 OK")

    settings.HEARTBEAT_INTERVAL = 1e-9
    with raw_server(answer_slowly) as server:
        settings.EVOLUTION_API_URL = server.url
        tasks.look_up.apply((row.pk,), routing_key="whatsapp")
    assert findings(row) == [("not_found", "")]
    # Its own id, both forms of the number, and the bare one; these also for the message to compare with.
    assert heard == [1] * 7


class TestWhen:
    @pytest.mark.parametrize(
        ("elapsed", "due"),
        [(0, 5), (0.2, 5), (5, 30), (29.9, 30), (30, 120), (91, 120), (120, 240), (240, 480), (480, 960), (960, 1560)],
    )
    def test_after_5_and_30_and_120_seconds_and_then_less_and_less_often(self, elapsed: float, due: float) -> None:
        began = timezone.now()
        assert lookups.next_after(began, timedelta(seconds=elapsed)) - began == timedelta(seconds=due)

    def test_the_first_is_on_the_row_as_soon_as_the_outcome_is_unknown(self, gateway: SandboxProcess) -> None:
        row = row_of()
        gateway.fault(Fault.RESET)
        deliver(row.pk)
        row = fresh(row)
        assert row.lookup_at == row.delivery_attempts.get().started_at + timedelta(seconds=5)

    def test_before_its_time_it_does_nothing_in_one_statement(self, gateway: SandboxProcess) -> None:
        row = unknown(gateway, Fault.RESET_AFTER_SEND)
        NotificationLog.objects.update(lookup_at=Now() + timedelta(seconds=5))
        before = NotificationLog.objects.values().get()
        with CaptureQueriesContext(connection) as queries:
            look_up(row.pk)
        assert [query["sql"].split()[0] for query in queries] == ["SELECT"]
        assert NotificationLog.objects.values().get() == before

    @pytest.mark.parametrize("status", [Status.PENDING, Status.SENT, Status.FAILED, Status.CANCELLED])
    def test_what_is_not_unknown_is_left_alone(self, gateway: SandboxProcess, status: str) -> None:
        row = row_of()
        sent_at = {"sent_at": Now()} if status == Status.SENT else {}
        NotificationLog.objects.update(status=status, error_code="x", lookup_at=Now(), **sent_at)
        before = NotificationLog.objects.values().get()
        look_up(row.pk)
        assert NotificationLog.objects.values().get() == before
        assert findings(row) == []

    def test_the_next_is_on_the_row_before_the_gateway_is_asked(self, gateway: SandboxProcess) -> None:
        row = unknown(gateway, Fault.RESET)
        look_up(row.pk)
        row = fresh(row)
        began = row.delivery_attempts.get(kind="send").started_at
        assert (row.status, row.lookup_at) == (Status.UNKNOWN, began + timedelta(seconds=5))
        assert findings(row) == [(Finding.NOT_FOUND, "")]
        look_up(row.pk)
        assert findings(row) == [(Finding.NOT_FOUND, "")]


class TestFound:
    @pytest.mark.parametrize(
        "phone", [PHONE, "+5531987654321", "+5585999998888", "+5531912345678", "+551133334444", "+14155550123"]
    )
    @pytest.mark.parametrize("fault", [Fault.RESET_AFTER_SEND, Fault.SERVER_ERROR_AFTER_SEND])
    def test_is_proof_at_once_with_and_without_the_ninth_digit(
        self, gateway: SandboxProcess, phone: str, fault: Fault
    ) -> None:
        row = unknown(gateway, fault, customer_phone=phone)
        look_up(row.pk)
        row = fresh(row)
        [message] = gateway.messages()
        assert (row.status, row.provider_message_id) == (Status.SENT, message["key_id"])
        assert (row.error_code, row.error_message, row.lookup_at, row.attempts) == ("", "", None, 1)
        assert row.sent_at == row.delivery_attempts.get(kind="send").started_at
        assert findings(row) == [(Finding.FOUND, "")]
        deliver(row.pk)
        assert len(gateway.messages()) == 1

    def test_lets_the_next_of_the_order_go(self, gateway: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
        woken: list[int] = []
        monkeypatch.setattr("notifications.wakeups.publish", lambda rows, **_: woken.extend(row.pk for row in rows))
        row = unknown(gateway, Fault.RESET_AFTER_SEND)
        assert row.order
        apply_transition(row.order, "confirm")
        confirmed = NotificationLog.objects.get(event="confirm")
        woken.clear()
        look_up(row.pk)
        assert woken == [confirmed.pk]

    def test_only_the_very_same_text_counts(self, gateway: SandboxProcess) -> None:
        row = unknown(gateway, Fault.RESET)
        client().send_text("flowlog", PHONE, row.message + "!")
        client().send_text("flowlog", "+5511900000000", row.message)
        look_up(row.pk)
        assert fresh(row).status == Status.UNKNOWN
        assert findings(row) == [(Finding.NOT_FOUND, "")]

    def test_only_of_its_own_instance(self, gateway: SandboxProcess) -> None:
        row = unknown(gateway, Fault.RESET_AFTER_SEND)
        other = make_instance(name="never-created", is_default=False)
        NotificationLog.objects.update(instance=other)
        look_up(row.pk)
        assert fresh(row).status == Status.UNKNOWN
        assert findings(row) == [(Finding.NO_ANSWER, "instance_not_found")]

    def test_a_message_from_before_its_first_attempt_is_another(self, gateway: SandboxProcess) -> None:
        row = unknown(gateway, Fault.RESET_AFTER_SEND)
        NotificationLog.objects.update(first_attempt_at=Now() + timedelta(seconds=12))
        look_up(row.pk)
        assert fresh(row).status == Status.UNKNOWN
        NotificationLog.objects.update(first_attempt_at=Now() + timedelta(seconds=8), lookup_at=Now())
        look_up(row.pk)
        assert fresh(row).status == Status.SENT

    def test_a_message_that_belongs_to_another_row_is_not_taken(self, gateway: SandboxProcess) -> None:
        other = sent()
        row = unknown(gateway, Fault.RESET_AFTER_SEND)
        mine, theirs = (message["key_id"] for message in reversed(gateway.messages()))
        assert theirs == other.provider_message_id
        NotificationLog.objects.filter(pk=row.pk).update(message=other.message)
        look_up(row.pk)
        assert (fresh(row).status, fresh(row).provider_message_id) == (Status.UNKNOWN, "")
        NotificationLog.objects.filter(pk=row.pk).update(message=row.message, lookup_at=Now())
        look_up(row.pk)
        assert (fresh(row).status, fresh(row).provider_message_id) == (Status.SENT, mine)

    def test_the_late_answer_of_the_send_itself_is_proof_without_asking(self, gateway: SandboxProcess) -> None:
        row = unknown(gateway, Fault.RESET)
        row.delivery_attempts.update(outcome=Finding.SENT, provider_message_id="3EB0LATE")
        look_up(row.pk)
        assert (fresh(row).status, fresh(row).provider_message_id) == (Status.SENT, "3EB0LATE")
        assert findings(row) == []


class TestNotFound:
    @pytest.mark.parametrize("seconds", [0, 29, 119])
    def test_proves_nothing_while_the_request_may_be_under_way(self, gateway: SandboxProcess, seconds: int) -> None:
        sent(customer_phone="+5511900000000")
        row = unknown(gateway, Fault.RESET)
        age(row, seconds)
        look_up(row.pk)
        assert fresh(row).status == Status.UNKNOWN
        assert findings(row) == [(Finding.NOT_FOUND, "")]

    def test_after_that_it_is_sent_again(self, gateway: SandboxProcess) -> None:
        sent(customer_phone="+5511900000000")
        row = unknown(gateway, Fault.RESET)
        age(row, 120)
        look_up(row.pk)
        again = fresh(row)
        assert (again.status, again.error_code, again.attempts) == (Status.PENDING, "did_not_arrive", 1)
        assert (again.lookup_at, again.lease_until) == (None, None)
        deliver(row.pk)
        again = fresh(row)
        assert (again.status, again.attempts, again.message) == (Status.SENT, 2, row.message)
        assert gateway.texts(PHONE) == [row.message]

    def test_again_and_again_only_with_the_pauses_of_every_retry(self, gateway: SandboxProcess) -> None:
        row = unknown(gateway, Fault.RESET)
        age(row, 120)
        NotificationLog.objects.update(attempts=4)
        look_up(row.pk)
        again = fresh(row)
        pause = again.next_attempt_at - timezone.now()
        assert again.status == Status.PENDING
        assert timedelta(seconds=1800 * 0.8 - 125) < pause < timedelta(seconds=1800 * 1.2 - 115)

    @pytest.mark.parametrize("keeps", [True, False])
    @pytest.mark.parametrize("setting", list(Store.OnUnknownOutcome))
    def test_the_store_decides_where_the_gateway_keeps_nothing(
        self, gateway: SandboxProcess, keeps: bool, setting: str
    ) -> None:
        Store.objects.update(on_unknown_outcome=setting)
        gateway.forget("flowlog", not keeps)
        sent(customer_phone="+5511900000000")
        row = unknown(gateway, Fault.RESET)
        age(row, 120)
        look_up(row.pk)
        row = fresh(row)
        if not keeps and setting == Store.OnUnknownOutcome.ASK_STAFF:
            assert (row.status, row.error_code) == (Status.FAILED, "outcome_unknown")
            assert row.error_message
        else:
            assert (row.status, row.error_code) == (Status.PENDING, "did_not_arrive")
        assert gateway.texts(PHONE) == []

    @pytest.mark.parametrize("latest", ["none", "without id"])
    def test_without_a_message_to_compare_with_the_store_decides_too(
        self, gateway: SandboxProcess, latest: str
    ) -> None:
        Store.objects.update(on_unknown_outcome=Store.OnUnknownOutcome.ASK_STAFF)
        if latest == "without id":
            sent(customer_phone="+5511900000000")
            gateway.fault(Fault.NOT_STORED)
            assert sent(customer_phone="+5511900000001").provider_message_id == ""
        row = unknown(gateway, Fault.RESET)
        age(row, 120)
        look_up(row.pk)
        assert (fresh(row).status, fresh(row).error_code) == (Status.FAILED, "outcome_unknown")

    def test_too_late_to_send_again_it_has_expired(self, gateway: SandboxProcess) -> None:
        row = unknown(gateway, Fault.RESET)
        age(row, 120)
        NotificationLog.objects.update(expires_at=Now() + timedelta(seconds=20))
        look_up(row.pk)
        assert (fresh(row).status, fresh(row).error_code) == (Status.FAILED, "expired")


class TestNeverBegun:
    """A worker that died between the claim and its request."""

    def test_is_proven_unsent_at_once(self, gateway: SandboxProcess) -> None:
        row = row_of()
        claim = claims.claim(row.pk)
        assert claim
        NotificationLog.objects.update(status=Status.UNKNOWN, lease_until=None, error_code="lease_expired")
        look_up(row.pk)
        again = fresh(row)
        assert (again.status, again.attempts, again.error_code) == (Status.PENDING, 0, "")
        assert again.next_attempt_at == row.next_attempt_at
        assert findings(row) == []
        assert claims.begin_attempt(claim) is None
        assert fresh(row).status == Status.PENDING

    def test_an_attempt_of_an_earlier_claim_does_not_count_as_its_own(self, gateway: SandboxProcess) -> None:
        row = unknown(gateway, Fault.RESET)
        NotificationLog.objects.update(claim_token=uuid.uuid4())
        look_up(row.pk)
        assert (fresh(row).status, fresh(row).attempts) == (Status.PENDING, 1)
