"""A task goes on at its instance: one message after the other, and then it hands over."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings as django_settings
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from flowlog.devtools.sandbox.faults import Fault
from flowlog.publishing import WakeUp
from integrations.gateways import SendReceipt
from integrations.models import DeliveryAttempt, EvolutionInstance, NotificationLog
from notifications import claims, delivery, wakeups
from notifications.delivery import SendResult, deliver
from notifications.tasks import send_whatsapp
from orders.models import Store
from orders.services import apply_transition
from tests.factories import make_instance, make_order
from tests.integrations.sandbox import SandboxProcess
from tests.meetings import another

pytestmark = pytest.mark.django_db(transaction=True)

Status = NotificationLog.Status
LONG = 60.0


@pytest.fixture(autouse=True)
def instance() -> EvolutionInstance:
    return make_instance()


def rows(number: int) -> list[NotificationLog]:
    """The messages of so many orders, each of a customer of its own."""
    for each in range(number):
        make_order(notify=True, customer_phone=f"+55119876500{each:02}")
    return list(NotificationLog.objects.order_by("pk"))


def states() -> list[str]:
    return list(NotificationLog.objects.order_by("pk").values_list("status", flat=True))


def test_it_sends_all_that_is_due_in_the_order_in_which_it_fell_due(
    gateway: SandboxProcess, published: list[Any]
) -> None:
    first, second, third = rows(3)
    assert first.order
    apply_transition(first.order, "confirm")
    NotificationLog.objects.filter(pk=third.pk).update(next_attempt_at=Now() - timedelta(minutes=1))
    published.clear()
    deliver(second.pk, task_id="task-1", seconds=LONG)
    ended = {row.pk: row for row in NotificationLog.objects.all()}
    fourth = ended[max(ended)]
    assert gateway.texts() == [ended[row.pk].message for row in (third, first, second, fourth)]
    assert {(row.status, row.attempts, row.celery_task_id) for row in ended.values()} == {(Status.SENT, 1, "task-1")}
    assert {(each.outcome, each.http_status) for each in DeliveryAttempt.objects.all()} == {("sent", 201)}
    assert DeliveryAttempt.objects.count() == 4
    own = EvolutionInstance.objects.get()
    assert (own.slot_token, own.slot_until, own.state) == (None, None, "open")
    assert published == []


def test_a_message_costs_one_transaction(gateway: SandboxProcess, published: list[Any]) -> None:
    [first, *_others] = rows(6)
    deliver(first.pk)
    with CaptureQueriesContext(connection) as queries:
        deliver(first.pk, seconds=LONG)
    made = [query["sql"].split()[0] for query in queries]
    assert states() == [Status.SENT] * 6
    claimed, begun = ["UPDATE", "SELECT", "UPDATE"], ["WITH"]
    # The message and the next one, that one's attempt, their instance, the attempt.
    settled_and_begun = ["BEGIN", "UPDATE", "UPDATE", "SELECT", *begun, "UPDATE", "UPDATE", "COMMIT"]
    # Nothing is next, and nothing is to be woken.
    settled = ["BEGIN", "UPDATE", "UPDATE", "SELECT", "UPDATE", "UPDATE", "COMMIT", "SELECT"]
    assert made == ["BEGIN", *claimed, "COMMIT", *begun, *settled_and_begun * 4, *settled]


def test_when_its_time_is_over_it_wakes_what_is_next(gateway: SandboxProcess, published: list[Any]) -> None:
    first, second, _third = rows(3)
    published.clear()
    deliver(first.pk)
    assert states() == [Status.SENT, Status.PENDING, Status.PENDING]
    assert published == [(second.pk, None)]


def test_the_pace_ends_it(gateway: SandboxProcess, published: list[Any]) -> None:
    EvolutionInstance.objects.update(messages_per_minute=30)
    first, second = rows(2)
    published.clear()
    deliver(first.pk, seconds=LONG)
    assert states() == [Status.SENT, Status.PENDING]
    [(woken, countdown)] = published
    assert woken == second.pk
    assert countdown is not None
    assert 1 < countdown <= 2.5


def test_a_hold_ends_it(gateway: SandboxProcess, published: list[Any]) -> None:
    gateway.fault(Fault.CONNECTION_CLOSED_400)
    first, _second = rows(2)
    published.clear()
    deliver(first.pk, seconds=LONG)
    assert states() == [Status.PENDING] * 2
    assert EvolutionInstance.objects.get().held_code == "connection_closed"
    assert (published, gateway.messages()) == ([], [])


@pytest.mark.parametrize(
    ("fault", "status"),
    [(Fault.NOT_ON_WHATSAPP, Status.FAILED), (Fault.RESET, Status.UNKNOWN), (Fault.META_OTHER, Status.PENDING)],
)
def test_whatever_becomes_of_one_it_goes_on(
    gateway: SandboxProcess, published: list[Any], fault: Fault, status: str
) -> None:
    gateway.fault(fault)
    first, _second, _third = rows(3)
    published.clear()
    deliver(first.pk, seconds=LONG)
    assert states() == [status, Status.SENT, Status.SENT]
    assert published == []


def test_what_may_not_be_sent_is_passed_by(gateway: SandboxProcess, published: list[Any]) -> None:
    pending = rows(4)
    NotificationLog.objects.filter(pk__in=[pending[0].pk, pending[2].pk]).update(recipient="")
    published.clear()
    deliver(pending[0].pk, seconds=LONG)
    assert states() == [Status.SKIPPED, Status.SENT] * 2
    assert published == []


def test_the_next_of_an_order_at_another_instance_is_woken(
    gateway: SandboxProcess, instance: EvolutionInstance, published: list[Any]
) -> None:
    first, _second = rows(2)
    assert first.order
    apply_transition(first.order, "confirm")
    following = NotificationLog.objects.filter(event="confirm")
    following.update(instance=EvolutionInstance.objects.create(name="other", store=instance.store))
    published.clear()
    deliver(first.pk, seconds=LONG)
    assert published == [(following.get().pk, None)]
    assert states() == [Status.SENT, Status.SENT, Status.PENDING]


@pytest.mark.parametrize("error", [ZeroDivisionError, SoftTimeLimitExceeded, claims.SlotLostError])
def test_one_that_cannot_be_claimed_does_not_undo_the_one_before(
    gateway: SandboxProcess, published: list[Any], monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    claim_next = claims.claim_next

    def failing(*args: Any, **kwargs: Any) -> None:
        assert claim_next(*args, **kwargs)
        raise error

    monkeypatch.setattr(claims, "claim_next", failing)
    first, second = rows(2)
    published.clear()
    deliver(first.pk, seconds=LONG)
    assert states() == [Status.SENT, Status.PENDING]
    assert [(each.notification_id, each.outcome) for each in DeliveryAttempt.objects.all()] == [(first.pk, "sent")]
    assert EvolutionInstance.objects.get().slot_token is None
    assert published == [(second.pk, None)]


def test_a_defect_in_the_next_keeps_only_that_one_back(gateway: SandboxProcess, published: list[Any]) -> None:
    first, second, _third = rows(3)
    NotificationLog.objects.filter(pk=second.pk).update(event="teleport")
    deliver(first.pk, seconds=LONG)
    assert states() == [Status.SENT, Status.PENDING, Status.SENT]
    second.refresh_from_db()
    assert (second.error_code, second.lease_until) == ("cannot_prepare", None)


def test_one_that_turns_out_to_be_sent_is_left_to_a_claim_of_its_own(
    gateway: SandboxProcess, published: list[Any]
) -> None:
    """The answer of an earlier attempt came when it had been put back."""
    first, second, third = rows(3)
    second.delivery_attempts.create(claim_token=uuid.uuid4(), outcome="sent", provider_message_id="3EB0LATE")
    published.clear()
    deliver(first.pk, seconds=LONG)
    assert states() == [Status.SENT, Status.PENDING, Status.PENDING]
    assert published == [(second.pk, None)]
    deliver(second.pk, seconds=LONG)
    assert states() == [Status.SENT, Status.SENT, Status.PENDING]
    assert published == [(second.pk, None), (third.pk, None)]
    ended = list(NotificationLog.objects.order_by("pk"))
    assert ended[1].provider_message_id == "3EB0LATE"
    assert gateway.texts() == [ended[0].message]
    attempts = DeliveryAttempt.objects.order_by("pk").values_list("notification_id", "outcome")
    assert list(attempts) == [(second.pk, "sent"), (first.pk, "sent")]
    assert EvolutionInstance.objects.get().slot_token is None


def test_the_next_is_on_record_before_its_request(
    gateway: SandboxProcess, published: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    call, seen = delivery._call, []
    read = NotificationLog.objects.values_list("status", "attempts", "message", "delivery_attempts__outcome")

    def looking(row: NotificationLog, not_after: float) -> SendResult:
        with another() as other:
            seen.append(other.does(lambda: read.get(pk=row.pk)))
        return call(row, not_after)

    monkeypatch.setattr(delivery, "_call", looking)
    first, _second, _third = rows(3)
    deliver(first.pk, seconds=LONG)
    assert seen == [(Status.SENDING, 1, text, "") for text in gateway.texts()]
    assert len(seen) == 3


def test_an_id_that_another_message_has_is_no_end(
    gateway: SandboxProcess, published: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message is sent all the same, and so are the others."""
    accepted = delivery._accepted

    def the_same(receipt: SendReceipt) -> SendResult:
        return replace(accepted(receipt), provider_message_id="3EB0SAME")

    monkeypatch.setattr(delivery, "_accepted", the_same)
    first, _second, _third = rows(3)
    deliver(first.pk, seconds=LONG)
    assert states() == [Status.SENT] * 3
    assert [row.provider_message_id for row in NotificationLog.objects.order_by("pk")] == ["3EB0SAME", "", ""]


class TestWakeUps:
    def test_one_for_each_instance(self, monkeypatch: pytest.MonkeyPatch, instance: EvolutionInstance) -> None:
        other = make_instance(Store.objects.create(name="Outra"), name="other")
        pending = rows(4)
        NotificationLog.objects.filter(pk__in=[pending[1].pk, pending[3].pk]).update(instance=other)
        sent: list[int] = []

        def publish(wake_ups: list[WakeUp], **_options: Any) -> int:
            sent.extend(each.args[0] for each in wake_ups)
            return len(wake_ups)

        monkeypatch.setattr("flowlog.publishing.publish", publish)
        assert wakeups.publish(NotificationLog.objects.order_by("pk")) == 2
        assert sorted(sent) == [pending[0].pk, pending[1].pk]

    def test_where_it_does_not_go_out_nothing_of_its_instance_counts_as_woken(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows(2)
        monkeypatch.setattr("flowlog.publishing.publish", lambda *_args, **_options: 0)
        NotificationLog.objects.update(woken_at=Now())
        assert wakeups.publish(NotificationLog.objects.order_by("pk")) == 0
        assert list(NotificationLog.objects.values_list("woken_at", flat=True)) == [None, None]


def test_its_task_ends_before_the_lease_of_its_first_message() -> None:
    times = django_settings.NOTIFICATIONS
    assert times.turn > 0
    assert send_whatsapp.soft_time_limit == times.turn + times.soft_time_limit
    assert send_whatsapp.time_limit == times.turn + times.hard_time_limit < times.lease
