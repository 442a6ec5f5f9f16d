"""No two transactions ever wait for each other: all take their locks in one order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from flowlog.operations.checklists import trial
from integrations import retention
from integrations.inbound import questions
from integrations.inbound.intake import process
from integrations.instances.connections import hold, resume
from integrations.models import CustomerReply, EvolutionInstance, NotificationLog, WebhookEvent
from notifications import claims
from notifications.actions import cancel, resend
from notifications.sweep import sweep
from orders.erasure import erase
from orders.models import Customer
from orders.services import apply_transition
from tests.factories import make_instance, make_order
from tests.integrations import webhooks
from tests.integrations.webhooks import post
from tests.locks import watched
from tests.meetings import Other, another
from tests.staff import make_staff

pytestmark = pytest.mark.django_db(transaction=True)

Status = NotificationLog.Status


@pytest.fixture(autouse=True)
def one_lock_order() -> None:
    """Not in this file, whose tests watch what they mean to."""


@pytest.fixture(autouse=True)
def instance() -> EvolutionInstance:
    return make_instance()


def row(**values: Any) -> NotificationLog:
    created = NotificationLog.objects.get(order=make_order(notify=True))
    NotificationLog.objects.filter(pk=created.pk).update(**values)
    return NotificationLog.objects.get(pk=created.pk)


def put_off(**values: Any) -> NotificationLog:
    """One that waits because the gateway was away."""
    return row(
        error_code="gateway_unreachable",
        created_at=Now() - timedelta(hours=1),
        next_attempt_at=Now() - timedelta(minutes=1),
        **values,
    )


class Gate:
    """Stops a thread before its first statement of some kind, until it may go."""

    def __init__(self, beginning: str) -> None:
        self._beginning = beginning
        self.reached, self.may_go = threading.Event(), threading.Event()

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(self._beginning):
            self.reached.set()
            assert self.may_go.wait(30)
        return execute(sql, params, many, context)


class TestMeetings:
    @pytest.fixture
    def other(self) -> Iterator[Other]:
        with another() as other:
            yield other

    @pytest.mark.parametrize("told", ["close", "open"])
    def test_a_lost_connection_is_told_during_a_claim(
        self, instance: EvolutionInstance, other: Other, told: str
    ) -> None:
        waiting = put_off()
        assert post(webhooks.connection(told, 401)) == 200
        gate = Gate('UPDATE "integrations_evolutioninstance"')

        def claim() -> claims.Claim | None:
            with connection.execute_wrapper(gate):
                return claims.claim(waiting.pk)

        claiming = other.begins(claim)
        # It has its message, and not yet the instance.
        assert gate.reached.wait(30)
        with another() as third:
            telling = third.begins(process)
            third.waits_or_ends(telling)
            gate.may_go.set()
            assert telling.result() == 1
        claimed = claiming.result()
        instance.refresh_from_db()
        assert instance.state == told
        # Either the claim came before the hold, or it did not come about.
        assert (claimed is None) == (told == "close")
        assert WebhookEvent.objects.filter(processed_at__isnull=True).count() == 0

    def test_a_cancellation_of_many_meets_the_sweep(self, other: Other) -> None:
        rows = [row(expires_at=Now() - timedelta(seconds=9 - number)) for number in range(3)]
        with other.transaction():
            other.does(lambda: NotificationLog.objects.filter(pk=rows[1].pk).update(wakes=1))
            # It passes by what is locked, and so waits for nobody.
            assert sweep().expired == 2
        assert sweep().expired == 1

    @pytest.mark.parametrize("work", [hold, resume])
    def test_hold_and_resume_wait_for_no_message(
        self, instance: EvolutionInstance, other: Other, work: Callable[..., bool]
    ) -> None:
        locked, free = put_off(), put_off()
        if work is resume:
            EvolutionInstance.objects.update(held_at=Now(), held_code="x", probe_at=Now())
        with other.transaction():
            other.does(lambda: NotificationLog.objects.filter(pk=locked.pk).update(wakes=1))
            assert work(instance.pk, "gateway_unreachable") if work is hold else work(instance.pk)
        locked.refresh_from_db()
        free.refresh_from_db()
        assert free.next_attempt_at == free.created_at
        assert locked.next_attempt_at > locked.created_at

    def test_a_receipt_of_a_message_in_other_hands_is_left_for_later(
        self, instance: EvolutionInstance, other: Other
    ) -> None:
        sent = row(status=Status.SENT, sent_at=Now(), provider_message_id="3EB0A1")
        assert post(webhooks.receipt("3EB0A1", "READ")) == 200
        with other.transaction():
            other.does(lambda: NotificationLog.objects.filter(pk=sent.pk).update(wakes=1))
            assert process() == 1
        sent.refresh_from_db()
        assert sent.receipt == ""
        WebhookEvent.objects.update(due_at=Now())
        assert process() == 1
        sent.refresh_from_db()
        assert sent.receipt == "read"

    def test_a_receipt_waits_for_no_message_of_unknown_outcome(self, other: Other) -> None:
        locked, free = (row(status=Status.UNKNOWN, lookup_at=Now() + timedelta(hours=1)) for _ in range(2))
        assert post(webhooks.receipt("3EB0OFNOBODY", "READ")) == 200
        with other.transaction():
            other.does(lambda: NotificationLog.objects.filter(pk=locked.pk).update(wakes=1))
            with another() as third:
                telling = third.begins(process)
                third.waits_or_ends(telling)
                waited = not telling.done()
        assert telling.result() == 1
        assert not waited
        due = NotificationLog.objects.filter(lookup_at__lte=Now())
        assert list(due) == [free]

    def test_a_resend_meets_the_erasure_of_its_customer(self, other: Other) -> None:
        failed = row(status=Status.FAILED, error_code="bad_request")
        gate = Gate('INSERT INTO "integrations_notificationlog"')

        def again() -> NotificationLog:
            with connection.execute_wrapper(gate):
                return resend.resend(failed)

        resending = other.begins(again)
        assert gate.reached.wait(30)
        with another() as third:
            erasing = third.begins(lambda: erase(Customer.objects.get()))
            third.waits_or_ends(erasing)
            gate.may_go.set()
            assert erasing.result().counts["cancelled"] == 1
        statuses = NotificationLog.objects.order_by("pk").values_list("pk", "status", "recipient")
        assert list(statuses) == [(failed.pk, "failed", ""), (resending.result().pk, "cancelled", "")]

    def test_webhooks_are_worked_off_before_an_erasure_or_after_it(self, other: Other) -> None:
        row(status=Status.SENT, sent_at=Now(), provider_message_id="3EB0A1")
        assert post(webhooks.receipt("3EB0A1", "READ")) == 200
        assert post(webhooks.reply("SAIR")) == 200
        gate = Gate('UPDATE "integrations_webhookevent"')

        def ingest() -> int:
            with connection.execute_wrapper(gate):
                return process()

        taking_in = other.begins(ingest)
        # It has the message and the customer, and not yet the webhooks.
        assert gate.reached.wait(30)
        with another() as third:
            erasing = third.begins(lambda: erase(Customer.objects.get()))
            third.waits_or_ends(erasing)
            gate.may_go.set()
            proof = erasing.result()
        assert taking_in.result() == 2
        assert (proof.counts["webhooks"], len(proof.account_hash)) == (2, 64)
        assert WebhookEvent.objects.count() == 0

    def test_an_answer_is_decided_on_before_an_erasure_or_after_it(self, other: Other) -> None:
        row(status=Status.SENT, sent_at=Now(), provider_message_id="3EB0A1")
        assert post(webhooks.reply("Obrigada")) == 200
        assert process() == 1
        CustomerReply.objects.update(wish=CustomerReply.Wish.UNSURE)
        actor, answer = make_staff(), CustomerReply.objects.get()
        gate = Gate('SELECT "orders_customer"')

        def decide() -> object:
            with connection.execute_wrapper(gate):
                return questions.decide(answer, wants_none=True, actor=actor)

        deciding = other.begins(decide)
        # It has the answer, and not yet the customer.
        assert gate.reached.wait(30)
        with another() as third:
            erasing = third.begins(lambda: erase(Customer.objects.get()))
            third.waits_or_ends(erasing)
            gate.may_go.set()
            proof = erasing.result()
        assert deciding.result() == [proof.customer]
        assert len(proof.account_hash) == 64


class TestInEachTransaction:
    """What is not watched by the way in all tests of this folder."""

    def test_webhooks_of_all_kinds_together(self, instance: EvolutionInstance) -> None:
        row(status=Status.SENT, sent_at=Now(), provider_message_id="3EB0A1")
        put_off()
        row(status=Status.UNKNOWN, message="Oi", lookup_at=Now() + timedelta(hours=1))
        make_instance(name="other", is_default=False)
        for body in (
            webhooks.reply("SAIR"),
            webhooks.connection("close", 401),
            webhooks.receipt("3EB0A1", "READ"),
        ):
            assert post(body) == 200
        with watched() as out_of_order:
            assert process() == 3
        assert out_of_order == []

    def test_the_trial_cleans_up(self) -> None:
        order = trial._confirmed_order("+5511987654321")
        NotificationLog.objects.filter(pk=order.pk).update(status=Status.SENT, sent_at=Now())
        with watched() as out_of_order:
            assert trial.clean_up()
        assert out_of_order == []
        assert not NotificationLog.objects.exists()

    def test_the_nightly_purge(self, instance: EvolutionInstance) -> None:
        row(status=Status.SENT, sent_at=Now(), created_at=Now() - timedelta(days=999))
        EvolutionInstance.objects.update(failed_recipient="+5511987654321")
        with watched() as out_of_order:
            assert retention.purge().messages == 1
        assert out_of_order == []

    def test_a_status_change_and_a_resend(self) -> None:
        done = row(status=Status.SENT, sent_at=Now())
        with watched() as out_of_order:
            assert done.order
            apply_transition(done.order, "confirm")
            resend.resend(done)
            assert cancel.cancel(NotificationLog.objects.filter(status=Status.PENDING))
        assert out_of_order == []


def test_the_watcher_sees_an_instance_before_its_messages() -> None:
    with watched() as out_of_order:
        with transaction.atomic():
            EvolutionInstance.objects.update(failures=0)
            NotificationLog.objects.update(wakes=0)
        with transaction.atomic():
            NotificationLog.objects.update(wakes=0)
            EvolutionInstance.objects.update(failures=0)
    [first] = out_of_order
    assert first.startswith('UPDATE "integrations_evolutioninstance"')
