"""A message of unknown outcome is settled by evidence, never by guessing."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from flowlog.devtools.sandbox.faults import Fault
from flowlog.models import Heartbeat
from integrations.evolution.client import client
from integrations.evolution.transport import GatewaySession
from integrations.gateways import Outcome
from integrations.inbound.intake import work_off
from integrations.models import DeliveryAttempt, EvolutionInstance, NotificationLog, WebhookEvent
from notifications import claims, delivery, lookups, tasks
from notifications.delivery import Result, deliver
from notifications.lookups import look_up
from notifications.message_ids import own_id
from notifications.sweep import sweep
from orders.models import Store
from orders.services import apply_transition
from tests.factories import PHONE, make_instance, make_order
from tests.integrations.raw_server import Connection, raw_server
from tests.integrations.sandbox import SandboxProcess
from tests.integrations.webhooks import JID, post, receipt, sent_message

# `look_up` gives its database connection back before it asks: only real transactions will do.
pytestmark = pytest.mark.django_db(transaction=True)

Status = NotificationLog.Status
Finding = DeliveryAttempt.Result


@pytest.fixture(autouse=True)
def instance() -> EvolutionInstance:
    return make_instance()


def row_of(**values: Any) -> NotificationLog:
    return NotificationLog.objects.get(order=make_order(notify=True, **values))


def fresh(row: NotificationLog) -> NotificationLog:
    return NotificationLog.objects.get(pk=row.pk)


def sent(**values: Any) -> NotificationLog:
    """A message that went out as it should, so that a control query has something to find."""
    row = row_of(**values)
    deliver(row.pk)
    assert fresh(row).status == Status.SENT
    return fresh(row)


def unknown(gateway: SandboxProcess, fault: Fault, **values: Any) -> NotificationLog:
    """A message that met the fault, with its first look-up due now."""
    row = row_of(**values)
    gateway.fault(fault)
    deliver(row.pk)
    assert fresh(row).status == Status.UNKNOWN
    NotificationLog.objects.filter(pk=row.pk).update(lookup_at=Now())
    return fresh(row)


def age(row: NotificationLog, seconds: float) -> None:
    """Let its request, and what reached the phone, lie that far back."""
    back = timedelta(seconds=seconds)
    row.delivery_attempts.update(started_at=F("started_at") - back)
    NotificationLog.objects.filter(pk=row.pk).update(
        first_attempt_at=F("first_attempt_at") - back, lookup_at=F("lookup_at") - back
    )


def findings(row: NotificationLog) -> list[tuple[str, str]]:
    looks = row.delivery_attempts.filter(kind=DeliveryAttempt.Kind.LOOK_UP)
    return list(looks.values_list("outcome", "error_code"))


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


class TestNoAnswer:
    @pytest.mark.parametrize(("status", "code"), [(500, "gateway_error"), (503, "bad_gateway"), (401, "unauthorized")])
    def test_changes_nothing_and_is_tried_again(self, gateway: SandboxProcess, status: int, code: str) -> None:
        row = unknown(gateway, Fault.RESET)
        age(row, 120)
        gateway.options(search_status=status)
        look_up(row.pk)
        row = fresh(row)
        assert (row.status, row.error_code) == (Status.UNKNOWN, "connection_reset")
        assert findings(row) == [(Finding.NO_ANSWER, code)]
        assert row.lookup_at
        assert timedelta(seconds=110) < row.lookup_at - timezone.now() < timedelta(seconds=121)
        assert EvolutionInstance.objects.get().held_at is None

    def test_no_database_connection_is_held_meanwhile(
        self, gateway: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        held: list[object] = []
        request = GatewaySession.request

        def asking(*args: Any, **kwargs: Any) -> Any:
            held.append(connection.connection)
            return request(*args, **kwargs)

        sent(customer_phone="+5511900000000")
        row = unknown(gateway, Fault.RESET)
        age(row, 120)
        assert post(receipt("3EB0GONE", "READ")) == 200
        monkeypatch.setattr(GatewaySession, "request", asking)
        look_up(row.pk)
        assert fresh(row).status == Status.PENDING
        # Its own id, the addresses of the number, the id that was received, and the number of what there is to compare.
        assert held == [None] * 7


class TestCutShort:
    """A gateway so slow that a look-up's time limit comes before all is asked: the next one goes on from there."""

    @pytest.fixture
    def asked(self, gateway: SandboxProcess, monkeypatch: pytest.MonkeyPatch, settings: Any) -> list[str]:
        """What is asked, each call as long as the longest; Celery's soft limit comes when it would."""
        asked, request, begin = [], GatewaySession.request, lookups._begin
        times, clock = settings.NOTIFICATIONS, [0.0]

        def begin_in_time(notification_id: int) -> Any:
            clock[0] = 0.0
            return begin(notification_id)

        def asking(session: Any, method: str, url: str, **options: Any) -> Any:
            clock[0] += times.call_timeout
            if clock[0] > times.lookup_soft_time_limit:
                raise SoftTimeLimitExceeded
            where = options["json"]["where"]
            asked.append(where["key"].get("id") or where["key"]["remoteJid"])
            return request(session, method, url, **options)

        def slow() -> list[str]:
            monkeypatch.setattr(lookups, "_begin", begin_in_time)
            monkeypatch.setattr(GatewaySession, "request", asking)
            return asked

        self.slow = slow
        return asked

    def test_they_come_to_a_decision_together(self, gateway: SandboxProcess, asked: list[str]) -> None:
        sent()
        sent(customer_phone="+5511900000000")
        row = unknown(gateway, Fault.RESET)
        age(row, 120)
        self.slow()
        for _ in range(9):
            look_up(row.pk)
            if fresh(row).status != Status.UNKNOWN:
                break
            # It goes on at once.
            assert NotificationLog.objects.filter(pk=row.pk, lookup_at__lte=Now()).exists()
        assert (fresh(row).status, fresh(row).error_code) == (Status.PENDING, "did_not_arrive")
        number = len(findings(row))
        assert findings(row) == [(Finding.NO_ANSWER, "interrupted")] * (number - 1) + [(Finding.NOT_FOUND, "")]
        assert 2 <= number <= 4
        # What was answered for good is not asked again.
        assert asked.count(own_id(row)) == 1

    @pytest.mark.parametrize("setting", list(Store.OnUnknownOutcome))
    def test_one_alone_decides_nothing(self, gateway: SandboxProcess, asked: list[str], setting: str) -> None:
        Store.objects.update(on_unknown_outcome=setting)
        sent(customer_phone="+5511900000000")
        row = unknown(gateway, Fault.RESET)
        age(row, 120)
        self.slow()
        look_up(row.pk)
        assert (fresh(row).status, findings(row)) == (Status.UNKNOWN, [(Finding.NO_ANSWER, "interrupted")])
        assert gateway.texts(PHONE) == []

    def test_what_was_answered_too_early_is_asked_again(self, gateway: SandboxProcess, asked: list[str]) -> None:
        row = unknown(gateway, Fault.RESET)
        age(row, 119)
        look_up(row.pk)
        assert fresh(row).status == Status.UNKNOWN
        client().send_text("flowlog", PHONE, row.message)  # the request was under way all the time
        age(row, 2)
        NotificationLog.objects.update(lookup_at=Now())
        self.slow()
        look_up(row.pk)
        assert fresh(row).status == Status.SENT

    def test_of_another_claim_it_is_no_answer(self, gateway: SandboxProcess) -> None:
        row = unknown(gateway, Fault.RESET_AFTER_SEND)
        age(row, 120)
        row.delivery_attempts.create(
            kind="look_up",
            claim_token=uuid.uuid4(),
            outcome="no_answer",
            error_code="interrupted",
            response_body='["number"]',
        )
        NotificationLog.objects.filter(pk=row.pk).update(first_attempt_at=Now() - timedelta(minutes=9))
        look_up(row.pk)
        assert fresh(row).status == Status.SENT


class TestNeverBegun:
    """A worker that died between the claim and its request."""

    def test_is_proven_unsent_at_once(self, gateway: SandboxProcess) -> None:
        row = row_of()
        held = claims.claim(row.pk)
        assert held
        NotificationLog.objects.update(status=Status.UNKNOWN, lease_until=None, error_code="lease_expired")
        look_up(row.pk)
        again = fresh(row)
        assert (again.status, again.attempts, again.error_code) == (Status.PENDING, 0, "")
        assert again.next_attempt_at == row.next_attempt_at
        assert findings(row) == []
        assert claims.begin_attempt(held) is None
        assert fresh(row).status == Status.PENDING

    def test_an_attempt_of_an_earlier_claim_does_not_count_as_its_own(self, gateway: SandboxProcess) -> None:
        row = unknown(gateway, Fault.RESET)
        NotificationLog.objects.update(claim_token=uuid.uuid4())
        look_up(row.pk)
        assert (fresh(row).status, fresh(row).attempts) == (Status.PENDING, 1)


class TestRaces:
    def test_what_another_settled_meanwhile_is_left_alone(
        self, gateway: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = unknown(gateway, Fault.RESET_AFTER_SEND)
        ask = lookups._ask

        def settled_meanwhile(*args: Any) -> Any:
            answer = ask(*args)
            NotificationLog.objects.update(
                status=Status.SENDING, lease_until=Now() + timedelta(minutes=1), claim_token=uuid.uuid4()
            )
            return answer

        monkeypatch.setattr(lookups, "_ask", settled_meanwhile)
        look_up(row.pk)
        assert (fresh(row).status, fresh(row).provider_message_id) == (Status.SENDING, "")
        assert findings(row) == [(Finding.FOUND, "")]

    def test_two_look_ups_at_once_ask_once(self, gateway: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
        row = unknown(gateway, Fault.RESET)
        next_after, others = lookups.next_after, []

        def another_begins_meanwhile(*args: Any) -> Any:
            monkeypatch.setattr(lookups, "next_after", next_after)
            others.append(lookups._begin(row.pk))
            return next_after(*args)

        monkeypatch.setattr(lookups, "next_after", another_begins_meanwhile)
        assert lookups._begin(row.pk) is None
        [other] = others
        assert other is not None

    def test_an_id_that_another_row_has_by_now_does_not_stop_the_settling(self, gateway: SandboxProcess) -> None:
        other = sent(customer_phone="+5511900000000")
        row = row_of()
        held = claims.claim(row.pk)
        assert held
        attempt = claims.begin_attempt(held)
        assert attempt
        taken = Result(None, provider_message_id=other.provider_message_id, http_status=201)
        delivery._settle_surely(held, attempt, taken, until=0)
        assert (fresh(row).status, fresh(row).provider_message_id) == (Status.SENT, "")
        assert fresh(other).provider_message_id == other.provider_message_id


class TestTold:
    """The gateway's own account of what it sent, which came by webhook."""

    def told(self, row: NotificationLog, key_id: str = "3EB0TOLD", *, late: float = 0, **changed: Any) -> None:
        assert row.first_attempt_at
        timestamp = int(row.first_attempt_at.timestamp() + late)
        arguments: dict[str, Any] = {"text": row.message, "timestamp": timestamp} | changed
        assert post(sent_message(key_id, **arguments)) == 200

    def test_is_proof_without_asking(self, gateway: SandboxProcess) -> None:
        row = unknown(gateway, Fault.RESET)
        self.told(row)
        look_up(row.pk)
        assert (fresh(row).status, fresh(row).provider_message_id) == (Status.SENT, "3EB0TOLD")
        assert fresh(row).sent_at == row.delivery_attempts.get().started_at
        assert findings(row) == []

    def test_makes_the_look_up_due_at_once(self, gateway: SandboxProcess) -> None:
        row = unknown(gateway, Fault.RESET)
        later = Now() + timedelta(minutes=2)
        NotificationLog.objects.update(lookup_at=later, woken_at=Now())
        self.told(row, text="another")
        work_off()
        assert not lookups.due().exists()
        self.told(row)
        work_off()
        assert lookups.due().get() == row
        assert fresh(row).status == Status.UNKNOWN
        swept = sweep()
        assert swept.looked_up == 1

    def test_while_it_is_being_sent_has_it_looked_up_as_soon_as_it_is_unknown(self, gateway: SandboxProcess) -> None:
        held = claims.claim(row_of().pk)
        assert held
        attempt = claims.begin_attempt(held)
        assert attempt
        self.told(fresh(held.notification))
        work_off()
        delivery.settle(held, attempt, Result(Outcome.UNKNOWN, "read_timeout"))
        assert lookups.due().get() == held.notification
        look_up(held.notification.pk)
        row = fresh(held.notification)
        assert (row.status, row.provider_message_id) == (Status.SENT, "3EB0TOLD")
        assert findings(row) == []

    def test_of_the_other_form_of_the_number(self, gateway: SandboxProcess) -> None:
        row = unknown(gateway, Fault.RESET)
        self.told(row, jid="551187654321@s.whatsapp.net")
        look_up(row.pk)
        assert fresh(row).status == Status.SENT

    @pytest.mark.parametrize(
        "changed",
        [
            {"text": "Outra mensagem"}, {"jid": "5511900000000@s.whatsapp.net"}, {"jid": "987654321098765@lid"},
            {"late": -12}, {"key_id": ""},
        ],
    )  # fmt: skip
    def test_of_another_message_proves_nothing(self, gateway: SandboxProcess, changed: dict[str, Any]) -> None:
        row = unknown(gateway, Fault.RESET)
        self.told(row, **changed)
        work_off()
        look_up(row.pk)
        assert fresh(row).status == Status.UNKNOWN
        assert findings(row) == [(Finding.NOT_FOUND, "")]

    def test_of_an_id_that_another_message_has_proves_nothing(self, gateway: SandboxProcess) -> None:
        other = sent(customer_phone="+5511900000000")
        row = unknown(gateway, Fault.RESET)
        self.told(row, other.provider_message_id)
        look_up(row.pk)
        assert fresh(row).status == Status.UNKNOWN

    def test_of_another_instance_proves_nothing(self, gateway: SandboxProcess) -> None:
        row = unknown(gateway, Fault.RESET)
        assert row.first_attempt_at
        body = sent_message("3EB0", row.message, int(row.first_attempt_at.timestamp()))
        assert post(body | {"instance": "other"}, instance="other") == 200
        assert post(body | {"instance": "other"}) == 200
        look_up(row.pk)
        assert fresh(row).status == Status.UNKNOWN

    def test_never_changes_a_message_that_is_being_sent(self, gateway: SandboxProcess) -> None:
        row = row_of()
        held = claims.claim(row.pk)
        assert held
        assert claims.begin_attempt(held)
        before = NotificationLog.objects.values().get()
        self.told(fresh(row))
        assert post(receipt("3EB0TOLD", "READ")) == 200
        work_off()
        assert NotificationLog.objects.values().get() == before

    def test_its_receipt_that_came_before_is_joined(self, gateway: SandboxProcess) -> None:
        row = unknown(gateway, Fault.RESET)
        assert post(receipt("3EB0TOLD", "DELIVERY_ACK")) == 200
        self.told(row)
        work_off()
        look_up(row.pk)
        WebhookEvent.objects.update(due_at=Now())
        work_off()
        assert (fresh(row).status, fresh(row).receipt) == (Status.SENT, "delivery_ack")
        assert fresh(row).delivered_at


class TestReceived:
    """The gateway says what became of a message to this number by an id that no row has."""

    def hidden(self, gateway: SandboxProcess, text: str = "") -> tuple[NotificationLog, str]:
        """One that went out, but is kept under an address that names nobody; with its id."""
        gateway.options(lid_rows=True)
        row = unknown(gateway, Fault.RESET_AFTER_SEND)
        [message] = gateway.messages()
        NotificationLog.objects.filter(pk=row.pk).update(message=text or row.message)
        return row, message["key_id"]

    @pytest.mark.parametrize("jid", [JID, "551187654321@s.whatsapp.net", "5511987654321"])
    @pytest.mark.parametrize("status", ["SERVER_ACK", "ERROR", "READ"])
    def test_has_the_gateway_asked_for_that_id(self, gateway: SandboxProcess, status: str, jid: str) -> None:
        row, key_id = self.hidden(gateway)
        look_up(row.pk)
        assert findings(row) == [(Finding.NOT_FOUND, "")]
        NotificationLog.objects.update(lookup_at=Now() + timedelta(minutes=2))
        assert post(receipt(key_id, status, remoteJid=jid)) == 200
        work_off()
        assert lookups.due().get() == row
        assert fresh(row).status == Status.UNKNOWN
        look_up(row.pk)
        assert (fresh(row).status, fresh(row).provider_message_id) == (Status.SENT, key_id)
        WebhookEvent.objects.update(due_at=Now())
        work_off()
        assert fresh(row).receipt == status.lower()

    @pytest.mark.parametrize("jid", ["5511900000000@s.whatsapp.net", "987654321098765@lid", "", "551187654321@g.us"])
    def test_of_another_chat_proves_nothing(self, gateway: SandboxProcess, jid: str) -> None:
        row, key_id = self.hidden(gateway)
        NotificationLog.objects.update(lookup_at=Now() + timedelta(minutes=2))
        assert post(receipt(key_id, "READ", remoteJid=jid)) == 200
        work_off()
        assert not lookups.due().exists()
        NotificationLog.objects.update(lookup_at=Now())
        look_up(row.pk)
        assert (fresh(row).status, findings(row)) == (Status.UNKNOWN, [(Finding.NOT_FOUND, "")])

    def test_of_other_words_proves_nothing(self, gateway: SandboxProcess) -> None:
        row, key_id = self.hidden(gateway, text="Outra mensagem")
        assert post(receipt(key_id, "READ")) == 200
        look_up(row.pk)
        assert (fresh(row).status, findings(row)) == (Status.UNKNOWN, [(Finding.NOT_FOUND, "")])

    def test_of_an_earlier_time_or_an_id_that_is_gone_proves_nothing(self, gateway: SandboxProcess) -> None:
        row, key_id = self.hidden(gateway)
        for each in (key_id, "3EB0GONE", ""):
            assert post(receipt(each, "READ")) == 200
        WebhookEvent.objects.update(received_at=Now() + timedelta(seconds=15))
        NotificationLog.objects.update(first_attempt_at=Now() + timedelta(seconds=12))
        look_up(row.pk)
        assert (fresh(row).status, findings(row)) == (Status.UNKNOWN, [(Finding.NOT_FOUND, "")])

    def test_of_an_id_that_another_message_has_proves_nothing(self, gateway: SandboxProcess) -> None:
        other = sent()
        assert post(receipt(other.provider_message_id, "READ")) == 200
        row = unknown(gateway, Fault.RESET)
        NotificationLog.objects.filter(pk=row.pk).update(message=other.message)
        look_up(row.pk)
        assert fresh(row).status == Status.UNKNOWN


class TestItsOwnId:
    """Where the gateway takes the id that a message is to have, that id is proof by itself."""

    @pytest.fixture(autouse=True)
    def takes_ids(self, gateway: SandboxProcess) -> None:
        gateway.options(version="2.4.0-rc2")

    def test_is_of_the_gateways_form_and_the_same_in_each_attempt(self, settings: Any) -> None:
        row, other = row_of(), row_of()
        assert re.fullmatch("3EB0[0-9A-F]{18}", own_id(row))
        assert own_id(row) == own_id(fresh(row))
        # After a backup was restored another message may have the same key.
        assert len({own_id(row), own_id(other), own_id(restored_with_the_key_of(row))}) == 3
        known = own_id(row)
        settings.SECRET_KEY = "another installation's"
        assert own_id(row) != known

    def test_is_the_messages_and_a_repeat_is_the_same_message(self, gateway: SandboxProcess) -> None:
        Store.objects.update(on_unknown_outcome=Store.OnUnknownOutcome.RESEND)
        gateway.options(keep_messages=False)
        row = unknown(gateway, Fault.RESET_AFTER_SEND)
        age(row, 120)
        look_up(row.pk)
        assert fresh(row).status == Status.PENDING
        NotificationLog.objects.update(next_attempt_at=Now())
        deliver(row.pk)
        assert (fresh(row).status, fresh(row).attempts, fresh(row).provider_message_id) == ("sent", 2, own_id(row))
        assert [each["key_id"] for each in gateway.messages()] == [own_id(row)]

    def test_is_found_whatever_the_address_and_the_words(self, gateway: SandboxProcess) -> None:
        row = unknown(gateway, Fault.RESET)
        client().send_text("flowlog", "+5511900000000", "Em outras palavras", own_id(row))
        look_up(row.pk)
        assert (fresh(row).status, fresh(row).provider_message_id) == (Status.SENT, own_id(row))
        assert findings(row) == [(Finding.FOUND, "")]

    @pytest.mark.parametrize("told", ["kept", "sent", "received"])
    def test_is_proof_after_the_secret_key_was_changed(self, gateway: SandboxProcess, settings: Any, told: str) -> None:
        row = unknown(gateway, Fault.RESET)
        known = own_id(row)
        if told == "kept":
            client().send_text("flowlog", "+5511900000000", "Em outras palavras", known)
        else:
            lid = "987654321098765@lid"
            body = sent_message(known, "…", 1, lid) if told == "sent" else receipt(known, "READ", remoteJid=lid)
            assert post(body) == 200
        settings.EARLIER_SECRET_KEYS, settings.SECRET_KEY = [settings.SECRET_KEY], "another-key-for-the-time-after"
        look_up(row.pk)
        assert (fresh(row).status, fresh(row).provider_message_id) == (Status.SENT, known)
        assert own_id(row) != known

    def test_of_another_row_proves_nothing(self, gateway: SandboxProcess) -> None:
        row, other = unknown(gateway, Fault.RESET), row_of()
        client().send_text("flowlog", "+5511900000000", "Em outras palavras", own_id(other))
        assert post(receipt(own_id(other), "DELIVERY_ACK")) == 200
        look_up(row.pk)
        assert (fresh(row).status, findings(row)) == (Status.UNKNOWN, [(Finding.NOT_FOUND, "")])

    @pytest.mark.parametrize("jid", [JID, "987654321098765@lid", "5511987654321"])
    def test_told_of_by_the_gateway_is_proof_without_asking(self, gateway: SandboxProcess, jid: str) -> None:
        row = unknown(gateway, Fault.RESET)
        assert post(sent_message(own_id(row), "Em outras palavras", 1, jid)) == 200
        work_off()
        look_up(row.pk)
        assert (fresh(row).status, fresh(row).provider_message_id) == (Status.SENT, own_id(row))
        assert findings(row) == []

    def test_in_a_receipt_is_proof_and_the_receipt_is_joined(self, gateway: SandboxProcess) -> None:
        row = unknown(gateway, Fault.RESET)
        assert post(receipt(own_id(row), "DELIVERY_ACK", remoteJid="987654321098765@lid")) == 200
        work_off()
        look_up(row.pk)
        assert (fresh(row).status, fresh(row).provider_message_id) == (Status.SENT, own_id(row))
        assert findings(row) == []
        WebhookEvent.objects.update(due_at=Now())
        work_off()
        assert fresh(row).receipt == "delivery_ack"

    def test_of_another_instance_proves_nothing(self, gateway: SandboxProcess) -> None:
        make_instance(name="other", is_default=False)
        row = unknown(gateway, Fault.RESET)
        for body in (receipt(own_id(row), "READ"), sent_message(own_id(row), row.message, 1)):
            assert post(body | {"instance": "other"}, instance="other") == 200
        look_up(row.pk)
        assert fresh(row).status == Status.UNKNOWN

    def test_is_ignored_by_older_gateways_which_proves_nothing(self, gateway: SandboxProcess) -> None:
        gateway.options(version="2.3.7")
        row = unknown(gateway, Fault.RESET_AFTER_SEND)
        look_up(row.pk)
        [message] = gateway.messages()
        assert message["key_id"] != own_id(row)
        assert (fresh(row).status, fresh(row).provider_message_id) == (Status.SENT, message["key_id"])


def restored_with_the_key_of(row: NotificationLog) -> NotificationLog:
    return NotificationLog(pk=row.pk, created_at=row.created_at + timedelta(microseconds=1))
