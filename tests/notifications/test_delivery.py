"""From a wake-up to a settled row, against the sandbox over HTTP."""

from __future__ import annotations

import dataclasses
import threading
import uuid
from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError, connection
from django.db.models.functions import Now
from django.utils import timezone

from flowlog.devtools.sandbox.faults import Fault
from flowlog.monitoring import incidents
from integrations.evolution.client import EvolutionClient
from integrations.gateways import Outcome
from integrations.messages.sentences import sentence
from integrations.models import DeliveryAttempt, EvolutionInstance, NotificationLog
from notifications import claims, delivery
from notifications.delivery import SendResult, deliver
from notifications.sweep import sweep
from orders.services import apply_transition
from tests.factories import PHONE, make_instance, make_order
from tests.integrations.sandbox import SandboxProcess
from tests.processes import wait_until

# `deliver` gives its database connection back before the call: only real transactions will do.
pytestmark = pytest.mark.django_db(transaction=True)

Status = NotificationLog.Status


@pytest.fixture(autouse=True)
def instance() -> EvolutionInstance:
    return make_instance()


def pending(**values: Any) -> NotificationLog:
    return NotificationLog.objects.get(order=make_order(notify=True, **values))


def fresh(row: NotificationLog) -> NotificationLog:
    return NotificationLog.objects.get(pk=row.pk)


def slot_is_free() -> bool:
    return not EvolutionInstance.objects.filter(slot_token__isnull=False).exists()


def test_sent(gateway: SandboxProcess) -> None:
    row = pending()
    deliver(row.pk, task_id="task-7")
    row = fresh(row)
    assert (row.status, row.attempts, row.error_code, row.celery_task_id) == (Status.SENT, 1, "", "task-7")
    assert abs(timezone.now() - row.sent_at) < timedelta(seconds=10)  # type: ignore[operator]
    [message] = gateway.messages(PHONE)
    assert message["text"] == row.message
    assert row.provider_message_id.startswith("3EB0")
    attempt = row.delivery_attempts.get()
    assert (attempt.outcome, attempt.http_status, attempt.error_code) == ("sent", 201, "")
    assert row.provider_message_id in attempt.response_body
    assert attempt.duration > timedelta(0)  # type: ignore[operator]
    assert slot_is_free()
    assert EvolutionInstance.objects.get().state == "open"


def test_a_second_wake_up_sends_nothing(gateway: SandboxProcess) -> None:
    row = pending()
    deliver(row.pk)
    before = NotificationLog.objects.values().get()
    deliver(row.pk)
    assert NotificationLog.objects.values().get() == before
    assert len(gateway.messages()) == 1


def test_a_row_that_is_gone_is_no_error(gateway: SandboxProcess) -> None:
    deliver(987654321)
    assert gateway.messages() == []


def test_relayed_but_not_stored_is_sent_without_an_id_and_never_again(gateway: SandboxProcess) -> None:
    """The gateway names a query of before the send, as its minified release does."""
    gateway.fault(Fault.NOT_STORED)
    row = pending()
    deliver(row.pk)
    row = fresh(row)
    assert (row.status, row.provider_message_id, row.attempts) == (Status.SENT, "", 1)
    attempt = row.delivery_attempts.get()
    assert (attempt.http_status, "contact.findMany()" in attempt.response_body) == (400, True)
    NotificationLog.objects.update(next_attempt_at=Now())
    sweep()
    deliver(row.pk)
    assert gateway.texts(PHONE) == [row.message]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.NOT_ON_WHATSAPP, "not_on_whatsapp"),
        (Fault.META_RECIPIENT, "meta_recipient_not_allowed"),
        (Fault.META_OUTSIDE_24_HOURS, "meta_outside_24_hours"),
    ],
)
def test_permanent_fails_at_once_and_lets_the_next_go(gateway: SandboxProcess, fault: Fault, code: str) -> None:
    gateway.fault(fault)
    row = pending()
    assert row.order
    apply_transition(row.order, "confirm")
    deliver(row.pk)
    row = fresh(row)
    assert (row.status, row.error_code, row.error_message) == (Status.FAILED, code, sentence(code))
    assert gateway.messages() == []
    deliver(NotificationLog.objects.get(event="confirm").pk)
    assert len(gateway.messages()) == 1


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.META_RATE_LIMIT, "meta_rate_limit"),
        (Fault.META_OTHER, "meta_unavailable"),
        (Fault.META_UNKNOWN, "meta_error"),
        (Fault.DATABASE_DOWN, "gateway_database_down"),
    ],
)
def test_not_sent_for_certain_is_tried_again_later(gateway: SandboxProcess, fault: Fault, code: str) -> None:
    gateway.fault(fault)
    row = pending()
    deliver(row.pk)
    row = fresh(row)
    assert (row.status, row.attempts, row.error_code, row.wakes, row.woken_at) == (Status.PENDING, 1, code, 0, None)
    pause = row.next_attempt_at - timezone.now()
    assert timedelta(seconds=20) < pause < timedelta(seconds=37)
    deliver(row.pk)
    assert fresh(row).attempts == 1
    NotificationLog.objects.update(next_attempt_at=Now())
    deliver(row.pk)
    row = fresh(row)
    assert (row.status, row.attempts, row.error_code, row.error_message) == (Status.SENT, 2, "", "")
    assert gateway.texts() == [row.message]


def test_a_gateway_that_is_down_is_tried_again_later(settings: Any) -> None:
    row = pending()
    deliver(row.pk)
    row = fresh(row)
    assert (row.status, row.attempts, row.error_code) == (Status.PENDING, 1, "gateway_unreachable")
    assert row.delivery_attempts.get().http_status is None


def test_the_last_retry_comes_before_the_expiry(gateway: SandboxProcess) -> None:
    gateway.fault(Fault.META_RATE_LIMIT)
    row = pending()
    NotificationLog.objects.update(attempts=6, expires_at=Now() + timedelta(minutes=10))
    deliver(row.pk)
    row = fresh(row)
    assert (row.status, row.attempts) == (Status.PENDING, 7)
    assert row.expires_at - row.next_attempt_at == timedelta(seconds=60)


def test_a_retry_after_the_expiry_is_no_retry(gateway: SandboxProcess) -> None:
    gateway.fault(Fault.META_RATE_LIMIT)
    row = pending()
    NotificationLog.objects.update(expires_at=Now() + timedelta(seconds=10))
    deliver(row.pk)
    row = fresh(row)
    assert (row.status, row.error_code) == (Status.FAILED, "expired")
    assert row.delivery_attempts.get().error_code == "meta_rate_limit"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.CONNECTION_CLOSED_400, "connection_closed"),
        (Fault.CONNECTION_CLOSED_500, "connection_closed"),
        (Fault.NEVER_PAIRED, "never_paired"),
        (Fault.NEVER_CONNECTED, "never_connected"),
        (Fault.NEVER_CONNECTED_400, "never_connected"),
        (Fault.UNAUTHORIZED, "unauthorized"),
        (Fault.INSTANCE_NOT_FOUND, "instance_not_found"),
        (Fault.META_AUTH, "meta_auth"),
    ],
)
def test_instance_trouble_spends_no_attempt(gateway: SandboxProcess, fault: Fault, code: str) -> None:
    gateway.fault(fault)
    row = pending()
    deliver(row.pk)
    row = fresh(row)
    assert (row.status, row.attempts, row.error_code) == (Status.PENDING, 0, code)
    assert row.delivery_attempts.get().outcome == Outcome.INSTANCE_DOWN
    assert EvolutionInstance.objects.get().state == "close"
    assert slot_is_free()
    assert gateway.messages() == []


def test_without_a_licence_the_instance_is_held_and_the_row_says_why(gateway: SandboxProcess) -> None:
    gateway.options(licensed=False)
    row = pending()
    deliver(row.pk)
    row, instance = fresh(row), EvolutionInstance.objects.get()
    assert (row.status, row.attempts, row.error_code) == (Status.PENDING, 0, "license_required")
    activate = "O serviço de WhatsApp está sem licença (página /manager). Chame quem cuida do sistema."
    assert row.error_message == f"{activate} A mensagem será enviada assim que isso se resolver."
    assert (instance.held_code, instance.held_reason) == ("license_required", activate)
    [incident] = [each for each in incidents.present() if each.name == instance.name]
    assert activate in incident.detail
    gateway.options(licensed=True)
    EvolutionInstance.objects.update(probe_at=Now())
    deliver(row.pk)
    assert (fresh(row).status, gateway.texts(PHONE)) == (Status.SENT, [row.message])


@pytest.mark.parametrize(
    ("fault", "code", "arrived"),
    [
        (Fault.RESET, "connection_reset", 0),
        (Fault.RESET_AFTER_SEND, "connection_reset", 1),
        (Fault.SERVER_ERROR, "gateway_error", 0),
        (Fault.SERVER_ERROR_AFTER_SEND, "gateway_error", 1),
        (Fault.BAD_GATEWAY, "bad_gateway", 0),
        (Fault.TIMED_OUT, "whatsapp_timeout", 0),
    ],
)
def test_an_unknown_outcome_is_never_sent_again_by_itself(
    gateway: SandboxProcess, fault: Fault, code: str, arrived: int
) -> None:
    gateway.fault(fault)
    row, other = pending(), pending(customer_phone="+5511987650000")
    assert row.order
    apply_transition(row.order, "confirm")
    deliver(row.pk)
    sweep()
    deliver(row.pk)
    row = fresh(row)
    assert (row.status, row.attempts, row.error_code, row.lease_until) == (Status.UNKNOWN, 1, code, None)
    assert len(gateway.messages(PHONE)) == arrived
    deliver(NotificationLog.objects.get(event="confirm").pk)
    assert len(gateway.messages(PHONE)) == arrived
    deliver(other.pk)
    assert fresh(other).status == Status.SENT


def test_a_read_time_out_is_unknown(gateway: SandboxProcess, settings: Any) -> None:
    settings.NOTIFICATIONS = dataclasses.replace(settings.NOTIFICATIONS, read_timeout=0.3)
    gateway.options(hang_seconds=1)
    gateway.fault(Fault.HANG_THEN_SEND)
    row = pending()
    deliver(row.pk)
    assert (fresh(row).status, fresh(row).error_code) == (Status.UNKNOWN, "read_timeout")
    # Not while the next test counts its own.
    wait_until(gateway.messages, "the message to arrive all the same")


def test_the_soft_time_limit_inside_the_call_is_unknown(
    gateway: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_args: Any, **_kwargs: Any) -> None:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr("integrations.evolution.client.EvolutionClient.send_text", interrupted)
    row = pending()
    deliver(row.pk)
    assert (fresh(row).status, fresh(row).error_code) == (Status.UNKNOWN, "interrupted")
    assert slot_is_free()


def test_a_defect_inside_the_call_is_unknown_and_frees_the_slot(
    gateway: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: Any, **_kwargs: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("integrations.evolution.client.EvolutionClient.send_text", broken)
    row = pending()
    deliver(row.pk)
    assert (fresh(row).status, fresh(row).error_code) == (Status.UNKNOWN, "client_error")
    assert slot_is_free()


def test_an_answer_in_hand_survives_a_database_that_fails_for_a_moment(
    gateway: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle, failures = delivery.settle, iter([OperationalError, InterfaceError])

    def failing(*args: Any) -> None:
        for error in failures:
            raise error("the connection is lost")
        settle(*args)

    monkeypatch.setattr(delivery, "settle", failing)
    monkeypatch.setattr(delivery, "SETTLE_PAUSES", (0, 0, 0))
    row = pending()
    deliver(row.pk)
    assert (fresh(row).status, fresh(row).attempts) == (Status.SENT, 1)
    assert len(gateway.messages()) == 1


def test_no_database_connection_is_held_during_the_call(
    gateway: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[object] = []
    original = EvolutionClient.send_text

    def send_text(*args: Any, **kwargs: Any) -> Any:
        held.append(connection.connection)
        return original(*args, **kwargs)

    monkeypatch.setattr(EvolutionClient, "send_text", send_text)
    deliver(pending().pk)
    assert held == [None]


class TestLateAnswers:
    """A worker that answers after its claim was lost."""

    def claim(self) -> tuple[claims.Claim, DeliveryAttempt]:
        claim = claims.claim(pending().pk)
        assert claim
        attempt = claims.begin_attempt(claim)
        assert attempt
        return claim, attempt

    sent = SendResult(None, provider_message_id="3EB0LATE", http_status=201)
    refused = SendResult(Outcome.PERMANENT, "not_on_whatsapp", http_status=400)

    @pytest.mark.parametrize("status", [Status.UNKNOWN, Status.PENDING])
    def test_proof_makes_an_unknown_or_pending_row_sent(self, status: str) -> None:
        claim, attempt = self.claim()
        NotificationLog.objects.update(status=status, lease_until=None)
        delivery.settle(claim, attempt, self.sent)
        row = fresh(claim.notification)
        assert (row.status, row.provider_message_id) == (Status.SENT, "3EB0LATE")

    @pytest.mark.parametrize("code", ["outcome_unknown", "expired"])
    def test_proof_makes_one_that_was_given_up_sent(self, code: str) -> None:
        claim, attempt = self.claim()
        NotificationLog.objects.update(status=Status.FAILED, lease_until=None, error_code=code, error_message="x")
        delivery.settle(claim, attempt, self.sent)
        row = fresh(claim.notification)
        assert (row.status, row.provider_message_id, row.error_code, row.error_message) == (
            Status.SENT, "3EB0LATE", "", "",
        )  # fmt: skip
        assert row.sent_at == attempt.started_at

    @pytest.mark.parametrize(
        ("status", "code"),
        [(Status.FAILED, "not_on_whatsapp"), (Status.CANCELLED, ""), (Status.SKIPPED, "opted_out")],
    )
    def test_proof_changes_no_other_end(self, status: str, code: str) -> None:
        claim, attempt = self.claim()
        NotificationLog.objects.update(status=status, lease_until=None, error_code=code)
        before = NotificationLog.objects.values().get()
        delivery.settle(claim, attempt, self.sent)
        assert NotificationLog.objects.values().get() == before

    def test_proof_does_not_touch_a_row_that_another_is_sending(self) -> None:
        claim, attempt = self.claim()
        other = uuid.uuid4()
        NotificationLog.objects.update(claim_token=other)
        delivery.settle(claim, attempt, self.sent)
        row = fresh(claim.notification)
        assert (row.status, row.claim_token, row.provider_message_id) == (Status.SENDING, other, "")
        attempt.refresh_from_db()
        assert attempt.outcome == "sent"

    def taken_over(self) -> tuple[claims.Claim, DeliveryAttempt, claims.Claim]:
        """A claim whose row was put back, and the claim that another has of it by now."""
        claim, attempt = self.claim()
        NotificationLog.objects.update(status=Status.PENDING, lease_until=None, next_attempt_at=Now())
        EvolutionInstance.objects.update(slot_token=None, slot_until=None, next_send_at=Now())
        other = claims.claim(claim.notification.pk)
        assert other
        return claim, attempt, other

    def test_proof_before_another_begins_keeps_it_from_sending(self, gateway: SandboxProcess) -> None:
        claim, attempt, other = self.taken_over()
        delivery.settle(claim, attempt, self.sent)
        assert fresh(claim.notification).status == Status.SENDING
        delivery._send(other)
        row = fresh(claim.notification)
        assert (row.status, row.provider_message_id, row.attempts) == (Status.SENT, "3EB0LATE", 1)
        assert gateway.messages() == []
        assert EvolutionInstance.objects.get().slot_token is None

    @pytest.mark.parametrize(
        "result",
        [
            SendResult(Outcome.RETRYABLE, "gateway_unreachable"),
            SendResult(Outcome.INSTANCE_DOWN, "connection_closed"),
            SendResult(Outcome.PERMANENT, "not_on_whatsapp"),
            SendResult(Outcome.UNKNOWN, "read_timeout"),
        ],
    )
    def test_proof_while_another_sends_is_not_lost(self, result: SendResult) -> None:
        claim, attempt, other = self.taken_over()
        begun = claims.begin_attempt(other)
        assert begun
        delivery.settle(claim, attempt, self.sent)
        delivery.settle(other, begun, result)
        row = fresh(claim.notification)
        assert (row.status, row.provider_message_id, row.error_code) == (Status.SENT, "3EB0LATE", "")

    @pytest.mark.parametrize(
        "values",
        [
            {"status": Status.UNKNOWN, "lease_until": None},
            {"status": Status.SENT, "lease_until": None, "sent_at": Now()},
            {"status": Status.CANCELLED, "lease_until": None},
            {"status": Status.FAILED, "lease_until": None, "error_code": "outcome_unknown"},
        ],
    )
    def test_a_refusal_changes_nothing_but_the_attempt(self, values: dict[str, Any]) -> None:
        claim, attempt = self.claim()
        NotificationLog.objects.update(**values)
        before = NotificationLog.objects.values().get()
        delivery.settle(claim, attempt, self.refused)
        assert NotificationLog.objects.values().get() == before
        attempt.refresh_from_db()
        assert (attempt.outcome, attempt.error_code) == ("permanent", "not_on_whatsapp")


class TestWakingTheNext:
    def test_wakes_the_next_of_the_order(self, gateway: SandboxProcess, published: list[Any]) -> None:
        row = pending()
        assert row.order
        apply_transition(row.order, "confirm")
        published.clear()
        deliver(row.pk)
        assert published == [(NotificationLog.objects.get(event="confirm").pk, None)]

    def test_wakes_the_longest_waiting_of_the_instance(self, gateway: SandboxProcess, published: list[Any]) -> None:
        rows = [pending() for _ in range(3)]
        published.clear()
        deliver(rows[2].pk)
        assert fresh(rows[0]).status == Status.SENT
        assert published == [(rows[1].pk, None)]

    def test_wakes_the_next_of_the_order_where_another_instance_sends_it(
        self, gateway: SandboxProcess, published: list[Any]
    ) -> None:
        row = pending()
        assert row.order
        apply_transition(row.order, "confirm")
        second = NotificationLog.objects.get(event="confirm")
        other = EvolutionInstance.objects.create(name="other", store=row.order.store)
        NotificationLog.objects.filter(pk=second.pk).update(instance=other)
        published.clear()
        deliver(row.pk)
        assert published == [(second.pk, None)]

    def test_a_skipped_message_wakes_the_next_too(self, gateway: SandboxProcess, published: list[Any]) -> None:
        first, second = pending(customer_phone=""), pending()
        published.clear()
        deliver(first.pk)
        assert fresh(first).status == Status.SKIPPED
        assert published == [(second.pk, None)]

    def test_at_a_pace_the_next_is_woken_when_its_turn_comes(
        self, gateway: SandboxProcess, published: list[Any]
    ) -> None:
        EvolutionInstance.objects.update(messages_per_minute=30)
        first, second = pending(), pending()
        published.clear()
        deliver(first.pk)
        [(woken, countdown)] = published
        assert woken == second.pk
        assert countdown is not None
        assert 0 < countdown <= 2.5

    def test_a_countdown_is_never_longer_than_30_seconds(self, gateway: SandboxProcess, published: list[Any]) -> None:
        EvolutionInstance.objects.update(messages_per_minute=1)
        first, second = pending(), pending()
        published.clear()
        deliver(first.pk)
        assert published == [(second.pk, 30)]

    def test_when_nothing_waits_nothing_is_woken(self, gateway: SandboxProcess, published: list[Any]) -> None:
        row = pending()
        published.clear()
        deliver(row.pk)
        assert published == []


def test_workers_at_once_send_each_message_once_and_in_order(gateway: SandboxProcess) -> None:
    rows = []
    for number in range(4):
        order = make_order(notify=True, customer_phone=f"+551198765000{number}")
        apply_transition(order, "confirm")
        apply_transition(order, "pay")
        rows += list(NotificationLog.objects.filter(order=order).order_by("pk"))

    def work(offset: int) -> None:
        try:
            # How often is up to who is quicker: in vain it takes next to no time.
            for _round in range(1000):
                if not NotificationLog.objects.filter(status=Status.PENDING).exists():
                    break
                for row in rows[offset:] + rows[:offset]:
                    deliver(row.pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(3 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {fresh(row).status for row in rows} == {Status.SENT}
    for number in range(4):
        sent = NotificationLog.objects.filter(recipient=f"+551198765000{number}").order_by("order_event")
        assert gateway.texts(f"+551198765000{number}") == [row.message for row in sent]
