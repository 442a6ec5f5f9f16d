"""A look-up that gets no answer, is cut short, or meets another, settles nothing that is not so."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from flowlog.devtools.sandbox.faults import Fault
from integrations.evolution.client import client
from integrations.gateways.transport import GatewaySession
from integrations.models import EvolutionInstance, NotificationLog
from notifications import claims, delivery, lookups
from notifications.delivery import SendResult
from notifications.lookups import look_up
from notifications.message_ids import own_id
from orders.models import Store
from tests.factories import PHONE
from tests.integrations.sandbox import SandboxProcess
from tests.integrations.webhooks import post, receipt
from tests.notifications.lookups.rows import Finding, Status, age, findings, fresh, row_of, sent, unknown

pytestmark = pytest.mark.django_db(transaction=True)


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
        claim = claims.claim(row.pk)
        assert claim
        attempt = claims.begin_attempt(claim)
        assert attempt
        taken = SendResult(None, provider_message_id=other.provider_message_id, http_status=201)
        delivery._settle_surely(claim, attempt, taken, until=0)
        assert (fresh(row).status, fresh(row).provider_message_id) == (Status.SENT, "")
        assert fresh(other).provider_message_id == other.provider_message_id
