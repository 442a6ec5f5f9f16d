"""At night a customer is told what cannot wait, and all the rest in the morning, in its order."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, OuterRef
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from flowlog.staffpages.groups import MANAGEMENT_GROUP
from integrations.instances import connections
from integrations.messages import state_changes
from integrations.messages.kinds import KINDS
from integrations.models import CustomerReply, EvolutionInstance, NotificationLog
from notifications import claims, outbox, probes
from notifications.actions import resend
from notifications.actions.answer import answer
from notifications.delivery import deliver
from notifications.reminders import remind_of_pickups
from orders.models import Order, Store
from orders.services import apply_transition
from tests.broker import purge, take_all
from tests.factories import TRACKING_CODE, make_instance, make_order
from tests.meetings import another
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

Status = NotificationLog.Status


@pytest.fixture(autouse=True)
def instance() -> EvolutionInstance:
    return make_instance()


def night() -> datetime:
    """From now on the default store is quiet; returns when that ends."""
    now = timezone.localtime().replace(second=0, microsecond=0)
    morning = now + timedelta(hours=8)
    Store.objects.filter(pk=Store.get_default().pk).update(
        quiet_from=(now - timedelta(hours=1)).time(), quiet_until=morning.time()
    )
    return morning


def day() -> None:
    Store.objects.update(quiet_from=None, quiet_until=None)


def told(order: Order) -> list[tuple[str, bool]]:
    """The order's messages that are not sent yet, and whether each is due."""
    rows = NotificationLog.objects.filter(order=order, status=Status.PENDING).order_by("pk")
    return [(row.event, row.next_attempt_at <= timezone.now()) for row in rows]


def claimed() -> list[str]:
    """What leaves now, one after the other, whichever row a wake-up is for."""
    events = []
    for _ in range(6):
        for pk in NotificationLog.objects.filter(status=Status.PENDING).order_by("-pk").values_list("pk", flat=True):
            claim = claims.claim(pk)
            if claim and not claim.over:
                events.append(claim.notification.event)
                state_changes.to_sent(NotificationLog.objects.filter(pk=claim.notification.pk), "")
                claims.release_slot(claim)
    return events


def test_which_kinds_do_not_wait() -> None:
    urgent = {"out_for_delivery", "fail_delivery", "opt_out", "opt_in", "free_answer", "test"}
    assert {kind.name for kind in KINDS.values() if not kind.may_wait} == urgent


def test_what_is_written_at_night_is_due_in_the_morning_and_lives_as_long() -> None:
    morning = night()
    row = NotificationLog.objects.get(order=make_order(notify=True))
    assert (row.next_attempt_at, row.expires_at) == (morning, morning + timedelta(hours=24))
    assert (row.status, row.error_code) == (Status.PENDING, "quiet_hours")
    assert row.error_message == "Espera o fim do horário de silêncio da loja."
    assert claimed() == []
    NotificationLog.objects.update(next_attempt_at=Now())
    day()
    assert claimed() == ["create"]
    assert NotificationLog.objects.values_list("error_code", flat=True).get() == ""


def test_by_day_nothing_waits_and_nothing_is_asked_for_it() -> None:
    order = make_order(until="shipped")
    counts = {}
    for name in ("out_for_delivery", "deliver"):
        with CaptureQueriesContext(connection) as queries:
            apply_transition(order, name, notify=True)
        counts[name] = len([query for query in queries if "integrations_notificationlog" in query["sql"]])
    assert counts == {"out_for_delivery": 1, "deliver": 1}
    row = NotificationLog.objects.get(event="deliver")
    assert row.expires_at - row.created_at == timedelta(hours=24)


def test_a_claim_by_day_costs_what_it_did() -> None:
    row = NotificationLog.objects.get(order=make_order(notify=True))
    with CaptureQueriesContext(connection) as queries:
        assert claims.claim(row.pk)
    sql = [query["sql"].split()[0] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert sql == ["UPDATE", "SELECT", "UPDATE"]


def test_what_cannot_wait_takes_along_what_waits_of_its_order() -> None:
    order = make_order(until="confirmed")
    other = make_order(customer_phone="+5511987650000")
    night()
    apply_transition(other, "confirm")
    apply_transition(order, "ship", tracking_code=TRACKING_CODE)
    assert told(order) == [("ship", False)]
    apply_transition(order, "out_for_delivery")
    assert told(order) == [("ship", True), ("out_for_delivery", True)]
    assert told(other) == [("confirm", False)]
    assert claimed() == ["ship", "out_for_delivery"]
    apply_transition(order, "deliver")
    assert told(order) == [("deliver", False)]


def test_what_comes_to_be_sent_only_at_night_waits_then() -> None:
    row = NotificationLog.objects.get(order=make_order(notify=True))
    expires = row.expires_at
    morning = night()
    assert claimed() == []
    row.refresh_from_db()
    assert (row.status, row.error_code, row.next_attempt_at) == (Status.PENDING, "quiet_hours", morning)
    assert abs(row.expires_at - expires - (morning - timezone.now())) < timedelta(seconds=30)
    assert row.attempts == 0
    assert EvolutionInstance.objects.get().slot_token is None


def test_a_retry_before_one_that_cannot_wait_does_not_wait_either() -> None:
    order = make_order(until="confirmed")
    apply_transition(order, "ship", tracking_code=TRACKING_CODE)
    apply_transition(order, "out_for_delivery")
    night()
    NotificationLog.objects.filter(event="ship").update(error_code="gateway_unreachable")
    assert claimed() == ["ship", "out_for_delivery"]


def test_one_written_while_the_earlier_is_put_off_does_not_wait(
    django_capture_on_commit_callbacks: Any,
) -> None:
    order = make_order(until="confirmed")
    apply_transition(order, "ship", tracking_code=TRACKING_CODE)
    night()
    with django_capture_on_commit_callbacks(execute=True):
        assert claimed() == []
        # As a transaction that the claim did not see: its row without what taking along has done.
        apply_transition(order, "out_for_delivery")
        waits = NotificationLog.objects.filter(event="ship")
        waits.update(error_code="quiet_hours", next_attempt_at=Now() + timedelta(hours=8))
    assert told(order) == [("ship", True), ("out_for_delivery", True)]


def test_a_person_who_sends_again_and_tests_does_it_now(instance: EvolutionInstance) -> None:
    row = NotificationLog.objects.get(order=make_order(notify=True))
    NotificationLog.objects.update(status=Status.FAILED, error_code="expired")
    night()
    resend.resend(row)
    outbox.add_test(instance, "+5511987654321")
    assert claimed() == ["create", "test"]


@pytest.mark.parametrize(("hours_left", "waits"), [(23, True), (4, False)])
def test_a_reminder_waits_unless_the_morning_is_too_late(hours_left: int, waits: bool, settings: Any) -> None:
    settings.PICKUP_REMINDER_HOURS = 24 if waits else 5
    order = make_order(until="ready_for_pickup", notify=True)
    NotificationLog.objects.update(status=Status.SENT, sent_at=Now(), created_at=Now() - timedelta(days=3))
    deadline = timezone.now() + timedelta(hours=hours_left)
    Order.objects.filter(pk=order.pk).update(pickup_deadline=deadline)
    morning = night()
    assert remind_of_pickups() == 1
    row = NotificationLog.objects.get(event="pickup_reminder")
    assert (row.next_attempt_at == morning) == waits
    assert row.expires_at == (min(morning + timedelta(hours=12), deadline) if waits else deadline)
    NotificationLog.objects.filter(pk=row.pk).update(next_attempt_at=F("created_at"))
    assert claimed() == ([] if waits else ["pickup_reminder"])


def test_no_customer_is_woken_to_see_whether_the_phone_is_back(instance: EvolutionInstance) -> None:
    night()
    make_order(notify=True)
    connections.hold(instance.pk, "connection_closed")
    EvolutionInstance.objects.update(probe_at=Now())
    assert [each.pk for each in probes.to_ask()] == [instance.pk]
    assert claims.ready_instances().values_list(probes.next_at(OuterRef("pk")), flat=True).get() is None
    NotificationLog.objects.update(next_attempt_at=Now())
    row = NotificationLog.objects.get()
    assert claims.ready_instances().values_list(probes.next_at(OuterRef("pk")), flat=True).get() == row.pk


class TestChangingTheHoursAtNight:
    @pytest.fixture
    def save(self, django_capture_on_commit_callbacks: Any) -> Any:
        """Save the store as its page does."""
        boss = client_of(make_staff("bia", MANAGEMENT_GROUP, stores=Store.objects.all()))

        def save(store: Store, **changed: Any) -> None:
            page = f"/admin/orders/store/{store.pk}/change/"
            form = boss.get(page).context["adminform"].form
            values = {field.html_name: field.value() for field in form if field.value()} | changed
            with django_capture_on_commit_callbacks(execute=True):
                answer = boss.post(page, values)
            assert answer.status_code == 302, answer.context["errors"]

        return save

    def test_switched_off_what_waits_goes_at_once_in_its_order(self, save: Any) -> None:
        other = Store.objects.create(name="Outra", quiet_from=time(), quiet_until=time(23, 59))
        night()
        first, second = make_order(notify=True), make_order(notify=True, customer_phone="+5511987650000")
        apply_transition(first, "confirm")
        elsewhere = make_order(store=other, notify=True)
        NotificationLog.objects.update(created_at=F("created_at") - timedelta(minutes=5))
        save(Store.get_default(), quiet_from="", quiet_until="")
        assert told(first) == [("create", True), ("confirm", True)]
        assert told(second) == [("create", True)]
        assert told(elsewhere) == [("create", False)]
        assert not NotificationLog.objects.filter(order__store=Store.get_default()).exclude(error_code="").exists()
        in_line = NotificationLog.objects.filter(status=Status.PENDING).order_by("next_attempt_at", "pk")
        assert [row.order for row in in_line[:3]] == [first, second, first]
        # The time in which a step may be undone is waited for all the same.
        assert claimed() == ["create", "create", "confirm"]

    def test_a_step_that_may_still_be_undone_waits_for_that(self, save: Any) -> None:
        night()
        order = make_order(notify=True)
        save(Store.get_default(), quiet_from="", quiet_until="")
        row = NotificationLog.objects.get(order=order)
        assert row.next_attempt_at == row.created_at + timedelta(seconds=settings.STAFF_UNDO_SECONDS)

    def test_an_earlier_morning_counts_at_once_and_a_later_one_when_sent(self, save: Any) -> None:
        morning = night()
        order = make_order(notify=True)
        earlier, later = morning - timedelta(hours=2), morning + timedelta(hours=2)
        save(Store.get_default(), quiet_until=f"{later:%H:%M}")
        assert NotificationLog.objects.get(order=order).next_attempt_at == morning
        save(Store.get_default(), quiet_until=f"{earlier:%H:%M}")
        row = NotificationLog.objects.get(order=order)
        assert (row.next_attempt_at, row.error_code) == (earlier, "quiet_hours")

    def test_what_is_put_off_at_this_very_moment_is_not(self, django_capture_on_commit_callbacks: Any) -> None:
        make_order(notify=True)
        night()
        with django_capture_on_commit_callbacks(execute=True):
            assert claimed() == []
            # As a transaction that the claim did not see.
            day()
        NotificationLog.objects.update(created_at=F("created_at") - timedelta(minutes=5))
        row = NotificationLog.objects.get()
        assert (row.error_code, row.next_attempt_at < timezone.now() + timedelta(minutes=1)) == ("", True)


@pytest.mark.django_db(transaction=True)
def test_taking_along_waits_for_nobody() -> None:
    """With real transactions, whose locks are watched."""
    order = make_order(until="confirmed")
    night()
    apply_transition(order, "ship", tracking_code=TRACKING_CODE)
    apply_transition(order, "out_for_delivery")
    assert told(order) == [("ship", True), ("out_for_delivery", True)]
    apply_transition(order, "deliver")
    assert claimed() == ["ship", "out_for_delivery"]
    assert told(order) == [("deliver", False)]


@pytest.mark.django_db(transaction=True)
def test_a_held_instance_is_probed_past_what_waits(instance: EvolutionInstance) -> None:
    orders = [make_order(until="confirmed", customer_phone=f"+551198765{number}000") for number in (1, 2, 3)]
    for order in orders:
        apply_transition(order, "ship", tracking_code=TRACKING_CODE)
    apply_transition(orders[2], "out_for_delivery")
    night()
    first, second, third, _urgent = NotificationLog.objects.order_by("pk")
    NotificationLog.objects.filter(pk=third.pk).update(
        error_code="gateway_unreachable", next_attempt_at=Now() + timedelta(minutes=1)
    )
    connections.hold(instance.pk, "connection_closed")
    EvolutionInstance.objects.update(probe_at=Now())
    for put_off, probe in ((first, second), (second, third)):
        purge("whatsapp")
        deliver(put_off.pk)
        assert NotificationLog.objects.get(pk=put_off.pk).error_code == "quiet_hours"
        assert [message.decode()[0][0] for message in take_all("whatsapp")] == [probe.pk]
    claim = claims.claim(third.pk)
    assert claim
    assert (claim.notification.pk, claim.probe, claim.over) == (third.pk, True, False)


@pytest.mark.django_db(transaction=True)
def test_an_answer_waits_for_no_reminder_of_the_same_moment(settings: Any) -> None:
    settings.PICKUP_REMINDER_HOURS = 24
    order = make_order(until="ready_for_pickup", notify=True)
    NotificationLog.objects.update(status=Status.SENT, sent_at=Now(), created_at=Now() - timedelta(days=3))
    Order.objects.update(pickup_deadline=Now() + timedelta(hours=23))
    asked = CustomerReply.objects.create(
        instance=EvolutionInstance.objects.get(), customer=order.customer, order=order, provider_message_id="r1",
        kind="text", text="Oi", received_at=timezone.now(),
    )  # fmt: skip
    night()
    ana = make_staff()
    with another() as other:
        with transaction.atomic():
            assert remind_of_pickups() == 1
            answering = other.begins(lambda: answer(asked, "Oi!", actor=ana))
            other.waits_or_ends(answering)
        answering.result()
    assert told(order) == [("pickup_reminder", True), ("free_answer", True)]
    assert claimed() == ["pickup_reminder", "free_answer"]
