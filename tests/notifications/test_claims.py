"""Exactly one worker gets a message, in its turn."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.models import DeliveryAttempt, EvolutionInstance, NotificationLog
from notifications import claims
from orders.models import Store
from orders.services import apply_transition
from tests.factories import make_instance, make_order

pytestmark = pytest.mark.django_db

Status = NotificationLog.Status


@pytest.fixture
def instance() -> EvolutionInstance:
    return make_instance()


def pending(event: str = "") -> NotificationLog:
    """The row of a new order's creation."""
    return NotificationLog.objects.get(order=make_order(notify=True))


def change(row: NotificationLog, **values: Any) -> None:
    NotificationLog.objects.filter(pk=row.pk).update(**values)


def fresh(row: NotificationLog) -> NotificationLog:
    return NotificationLog.objects.get(pk=row.pk)


def test_a_claim_is_a_sending_row_with_token_lease_text_and_slot(instance: EvolutionInstance) -> None:
    row = pending()
    claim = claims.claim(row.pk, task_id="task-1")
    assert claim is not None
    assert not claim.over
    row = fresh(row)
    assert (row.status, row.claim_token, row.celery_task_id) == (Status.SENDING, claim.token, "task-1")
    assert row.lease_until - timezone.now() > timedelta(seconds=80)  # type: ignore[operator]
    assert claim.notification.message.startswith("Olá, Maria!")
    assert row.attempts == 0
    instance.refresh_from_db()
    assert instance.slot_token == claim.token


def test_a_second_claim_gets_nothing_in_one_statement(instance: EvolutionInstance) -> None:
    row = pending()
    assert claims.claim(row.pk)
    with CaptureQueriesContext(connection) as queries:
        assert claims.claim(row.pk) is None
    assert [query["sql"].split()[0] for query in queries if "SAVEPOINT" not in query["sql"]] == ["UPDATE"]


@pytest.mark.parametrize(
    "values",
    [
        {"next_attempt_at": Now() + timedelta(minutes=1)},
        {"expires_at": Now()},
        {"status": Status.UNKNOWN},
        {"status": Status.CANCELLED},
        {"status": Status.SENT, "sent_at": Now()},
    ],
)
def test_what_is_not_due_cannot_be_claimed(instance: EvolutionInstance, values: dict[str, Any]) -> None:
    row = pending()
    change(row, **values)
    before = NotificationLog.objects.values().get()
    assert claims.claim(row.pk) is None
    assert NotificationLog.objects.values().get() == before


class TestOrderOfMessages:
    @pytest.mark.parametrize("status", [Status.PENDING, Status.SENDING, Status.UNKNOWN])
    def test_a_later_message_waits_for_an_unfinished_earlier_one(
        self, instance: EvolutionInstance, status: str
    ) -> None:
        first = pending()
        assert first.order
        apply_transition(first.order, "confirm")
        second = NotificationLog.objects.get(event="confirm")
        lease = {"lease_until": Now(), "claim_token": uuid.uuid4()} if status == Status.SENDING else {}
        change(first, status=status, **lease)
        claim = claims.claim(second.pk)
        assert (claim.notification.pk if claim else None) == (first.pk if status == Status.PENDING else None)
        assert fresh(second).status == Status.PENDING

    @pytest.mark.parametrize("status", [Status.FAILED, Status.SKIPPED, Status.CANCELLED])
    def test_one_that_ended_without_being_sent_lets_the_next_go(self, instance: EvolutionInstance, status: str) -> None:
        first = pending()
        assert first.order
        apply_transition(first.order, "confirm")
        change(first, status=status, error_code="x")
        assert claims.claim(NotificationLog.objects.get(event="confirm").pk)

    def test_orders_do_not_wait_for_each_other(self, instance: EvolutionInstance) -> None:
        first, second = pending(), pending()
        change(first, status=Status.UNKNOWN)
        assert claims.claim(second.pk)


class TestOldestFirst:
    """Whichever wake-up comes first."""

    def test_a_wake_up_claims_what_is_next_at_the_instance(self, instance: EvolutionInstance) -> None:
        rows = [pending() for _ in range(3)]
        change(rows[2], next_attempt_at=Now() - timedelta(minutes=5))
        claimed = []
        for row in (rows[1], rows[1], rows[0]):
            claim = claims.claim(row.pk)
            assert claim
            claims.release_slot(claim)
            claimed.append(claim.notification.pk)
        assert claimed == [rows[2].pk, rows[0].pk, rows[1].pk]

    def test_it_passes_over_what_waits_for_an_earlier_message(self, instance: EvolutionInstance) -> None:
        first = pending()
        assert first.order
        apply_transition(first.order, "confirm")
        change(first, status=Status.UNKNOWN)
        other = pending()
        claim = claims.claim(NotificationLog.objects.get(event="confirm").pk)
        assert claim
        assert claim.notification.pk == other.pk

    def test_the_instances_of_others_are_not_looked_at(self, instance: EvolutionInstance) -> None:
        older, own = pending(), pending()
        change(own, instance=make_instance(name="other", is_default=False))
        claim = claims.claim(own.pk)
        assert claim
        assert claim.notification.pk == own.pk
        assert fresh(older).status == Status.PENDING


class TestSlotAndPace:
    def test_an_instance_sends_one_message_at_a_time(self, instance: EvolutionInstance) -> None:
        first, second = pending(), pending()
        claim = claims.claim(first.pk)
        assert claim
        assert claims.claim(second.pk) is None
        claims.release_slot(claim)
        assert claims.claim(second.pk)

    def test_a_dead_workers_slot_ends_with_its_lease(self, instance: EvolutionInstance) -> None:
        first, second = pending(), pending()
        assert claims.claim(first.pk)
        EvolutionInstance.objects.update(slot_until=Now())
        assert claims.claim(second.pk)

    def test_a_slot_taken_meanwhile_by_another_is_not_given_back(self, instance: EvolutionInstance) -> None:
        claim = claims.claim(pending().pk)
        assert claim
        other = uuid.uuid4()
        EvolutionInstance.objects.update(slot_token=other)
        claims.release_slot(claim)
        assert EvolutionInstance.objects.get().slot_token == other

    def test_the_pace_sets_when_the_next_may_go(self, instance: EvolutionInstance) -> None:
        EvolutionInstance.objects.update(messages_per_minute=20)
        before = timezone.now()
        claim = claims.claim(pending().pk)
        assert claim
        claims.release_slot(claim)
        gap = EvolutionInstance.objects.get().next_send_at - before
        assert timedelta(seconds=2) < gap < timedelta(seconds=5)
        assert claims.claim(pending().pk) is None

    @pytest.mark.parametrize(
        "gone_out", [{"status": Status.SENT, "sent_at": Now()}, {"status": Status.UNKNOWN, "first_attempt_at": Now()}]
    )
    def test_the_daily_cap_lets_nothing_more_go_within_24_hours(
        self, instance: EvolutionInstance, gone_out: dict[str, Any]
    ) -> None:
        EvolutionInstance.objects.update(daily_cap=1)
        first, second = pending(), pending()
        change(first, **gone_out)
        with CaptureQueriesContext(connection) as queries:
            assert claims.claim(second.pk) is None
        assert [query["sql"].split()[0] for query in queries if "SAVEPOINT" not in query["sql"]] == ["UPDATE"]
        assert fresh(second).status == Status.PENDING
        assert EvolutionInstance.objects.get().slot_token is None
        change(first, **{name: Now() - timedelta(days=1) for name in gone_out if name != "status"})
        assert claims.claim(second.pk)

    def test_other_instances_are_not_concerned(self, instance: EvolutionInstance) -> None:
        first = pending()
        EvolutionInstance.objects.update(slot_token=uuid.uuid4(), slot_until=Now() + timedelta(minutes=1))
        other = EvolutionInstance.objects.create(name="other", store=instance.store, messages_per_minute=0)
        change(first, instance=other)
        assert claims.claim(first.pk)


class TestHeld:
    def hold(self, **values: Any) -> None:
        values = {"held_at": Now(), "held_code": "connection_closed", "probe_at": Now() + timedelta(minutes=1)} | values
        EvolutionInstance.objects.update(**values)

    def test_nothing_goes_while_the_instance_is_held(self, instance: EvolutionInstance) -> None:
        row = pending()
        self.hold()
        with CaptureQueriesContext(connection) as queries:
            assert claims.claim(row.pk) is None
        assert [query["sql"].split()[0] for query in queries if "SAVEPOINT" not in query["sql"]] == ["UPDATE"]
        assert fresh(row).status == Status.PENDING

    @pytest.mark.parametrize(("probes", "pause"), [(0, 30), (1, 60), (2, 120), (3, 240), (4, 300), (500, 300)])
    def test_but_its_next_probe_and_then_it_waits_longer(
        self, instance: EvolutionInstance, probes: int, pause: int
    ) -> None:
        first, second = pending(), pending()
        self.hold(probe_at=Now(), probes=probes)
        claim = claims.claim(second.pk)
        assert claim
        assert (claim.probe, claim.notification.pk) == (True, first.pk)
        claims.release_slot(claim)
        instance.refresh_from_db()
        assert instance.probe_at
        assert round((instance.probe_at - timezone.now()).total_seconds()) == pause
        assert instance.probes == probes + 1
        assert claims.claim(second.pk) is None

    def test_an_instance_that_is_not_held_has_no_probe(self, instance: EvolutionInstance) -> None:
        claim = claims.claim(pending().pk)
        assert claim
        assert not claim.probe


class TestPermission:
    @pytest.mark.parametrize(
        ("prepare", "code"),
        [
            (
                lambda row: row.order.customer.__class__.objects.update(opted_out_at=Now(), opted_out_how="SAIR"),
                "opted_out",
            ),
            (lambda row: change(row, recipient=""), "no_phone"),
            (lambda row: change(row, recipient="+5511123"), "invalid_number"),
            (lambda _row: Store.objects.update(tells_customers=False), "store_is_silent"),
            (lambda _row: Store.objects.update(silent_transitions=["pay", "create"]), "kind_is_silent"),
            (lambda row: change(row, instance=None), "no_instance"),
        ],
    )
    def test_is_read_at_the_claim_and_a_refusal_says_why(
        self, instance: EvolutionInstance, prepare: Any, code: str
    ) -> None:
        row = pending()
        prepare(row)
        claim = claims.claim(row.pk)
        assert claim
        assert claim.over
        row = fresh(row)
        assert (row.status, row.error_code, row.message, row.attempts) == (Status.SKIPPED, code, "", 0)
        assert row.error_message
        assert DeliveryAttempt.objects.count() == 0
        assert EvolutionInstance.objects.get().slot_token is None

    def test_a_switch_concerns_its_own_kind_and_store_alone(self, instance: EvolutionInstance) -> None:
        Store.objects.create(name="Outra", tells_customers=False, silent_transitions=["create"])
        Store.objects.filter(is_default=True).update(silent_transitions=["confirm"])
        claim = claims.claim(pending().pk)
        assert claim
        assert not claim.over

    def test_an_override_gets_every_message(self, instance: EvolutionInstance, settings: Any) -> None:
        row = pending()
        settings.NOTIFICATIONS_OVERRIDE_RECIPIENT = "+5511900000001"
        claim = claims.claim(row.pk)
        assert claim
        claims.begin_attempt(claim)
        assert fresh(row).recipient == "+5511900000001"
        assert pending().recipient == "+5511900000001"


class TestBeginAttempt:
    def test_counts_and_records_before_the_request(self, instance: EvolutionInstance) -> None:
        claim = claims.claim(pending().pk)
        assert claim
        attempt = claims.begin_attempt(claim)
        assert attempt
        row = fresh(claim.notification)
        assert (row.attempts, attempt.outcome, attempt.claim_token) == (1, "", claim.token)
        assert attempt.kind == DeliveryAttempt.Kind.SEND
        assert row.message.startswith("Olá, Maria!")
        assert row.first_attempt_at is not None

    @pytest.mark.parametrize("status", [Status.SENDING, Status.UNKNOWN])
    def test_a_lease_that_ran_short_sends_nothing_and_gives_the_row_back(
        self, instance: EvolutionInstance, status: str
    ) -> None:
        claim = claims.claim(pending().pk)
        assert claim
        lease = Now() if status == Status.SENDING else None
        change(claim.notification, status=status, lease_until=lease, error_code="lease_expired", wakes=3)
        assert claims.begin_attempt(claim) is None
        row = fresh(claim.notification)
        assert (row.status, row.attempts, row.lease_until) == (Status.PENDING, 0, None)
        assert (row.error_code, row.error_message, row.wakes, row.woken_at) == ("", "", 0, None)
        assert DeliveryAttempt.objects.count() == 0

    def test_a_claim_that_another_took_over_is_left_alone(self, instance: EvolutionInstance) -> None:
        claim = claims.claim(pending().pk)
        assert claim
        other = uuid.uuid4()
        change(claim.notification, claim_token=other)
        assert claims.begin_attempt(claim) is None
        row = fresh(claim.notification)
        assert (row.status, row.claim_token, row.attempts) == (Status.SENDING, other, 0)

    def test_a_message_without_words_waits_and_stands_in_nobodys_way(self, instance: EvolutionInstance) -> None:
        row, other = pending(), pending()
        change(row, event="teleport")
        claim = claims.claim(row.pk)
        assert claim
        assert claim.over
        row = fresh(row)
        assert (row.status, row.error_code, row.attempts, row.lease_until) == (
            Status.PENDING,
            "cannot_prepare",
            0,
            None,
        )
        assert timedelta(minutes=9) < row.next_attempt_at - timezone.now() < timedelta(minutes=11)
        assert claims.claim(other.pk)

    def test_the_text_is_rendered_once(self, instance: EvolutionInstance) -> None:
        row = pending()
        change(row, message="Como da primeira vez *X*")
        claim = claims.claim(row.pk)
        assert claim
        assert claims.begin_attempt(claim)
        assert claim.notification.message == fresh(row).message == "Como da primeira vez *X*"


@pytest.mark.django_db(transaction=True)
def test_many_claim_at_once_and_one_gets_it() -> None:
    make_instance()
    rows = [pending() for _ in range(3)]
    barrier = threading.Barrier(6)
    got: list[int] = []

    def try_all() -> None:
        barrier.wait()
        try:
            for row in rows:
                claim = claims.claim(row.pk)
                if claim:
                    got.append(claim.notification.pk)
                    claims.release_slot(claim)
        finally:
            connection.close()

    threads = [threading.Thread(target=try_all) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == len(set(got))
    assert got
    sending = set(NotificationLog.objects.filter(status=Status.SENDING).values_list("pk", flat=True))
    assert sending == set(got)
