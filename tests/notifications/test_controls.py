"""Not finding a message means something only where the same question finds what is known to have been sent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Now

from flowlog.devtools.sandbox.faults import Fault
from integrations.models import DeliveryAttempt, EvolutionInstance, NotificationLog
from notifications.delivery import deliver
from notifications.lookups import look_up
from notifications.reconcile import reconcile
from orders.models import Store
from tests.factories import PHONE, make_instance, make_order
from tests.integrations.sandbox import SandboxProcess, sandbox

pytestmark = pytest.mark.django_db(transaction=True)

Status = NotificationLog.Status
OTHER_PHONE, THIRD_PHONE = "+5511900000000", "+5511900000001"
PROVEN, NOT_PROVEN = (Status.PENDING, "did_not_arrive"), (Status.FAILED, "outcome_unknown")


@pytest.fixture(autouse=True)
def instance() -> EvolutionInstance:
    """A store that wants to be asked where nothing is proven."""
    instance = make_instance()
    Store.objects.update(on_unknown_outcome=Store.OnUnknownOutcome.ASK_STAFF)
    return instance


def deliver_to(phone: str) -> NotificationLog:
    row = NotificationLog.objects.get(order=make_order(notify=True, customer_phone=phone))
    deliver(row.pk)
    return NotificationLog.objects.get(pk=row.pk)


def sent(phone: str = OTHER_PHONE) -> NotificationLog:
    row = deliver_to(phone)
    assert row.status == Status.SENT
    return row


def hidden(gateway: SandboxProcess, phone: str = OTHER_PHONE) -> NotificationLog:
    """One that the gateway keeps, and finds by its id, but not by its recipient's number."""
    gateway.options(lid_rows=True)
    row = sent(phone)
    gateway.options(lid_rows=False)
    return row


def not_found(gateway: SandboxProcess, phone: str = PHONE) -> tuple[str, str]:
    """What becomes of one that was not sent, once it was looked up for the last time."""
    gateway.fault(Fault.RESET)
    row = deliver_to(phone)
    assert row.status == Status.UNKNOWN
    DeliveryAttempt.objects.filter(notification=row).update(started_at=Now() - timedelta(seconds=120))
    NotificationLog.objects.filter(pk=row.pk).update(lookup_at=Now())
    look_up(row.pk)
    assert list(row.delivery_attempts.filter(kind="look_up").values_list("outcome", flat=True)) == ["not_found"]
    assert gateway.texts(phone) == [] or gateway.texts(phone)[-1] != row.message
    row.refresh_from_db()
    # The next one is another.
    NotificationLog.objects.filter(pk=row.pk).update(next_attempt_at=Now() + timedelta(days=1))
    return row.status, row.error_code


@pytest.mark.parametrize(
    "phone", [OTHER_PHONE, PHONE, "+5531987654321", "+553187654321", "+551133334444", "+14155550123"]
)
def test_the_latest_that_was_sent_is_found_whatever_its_number(gateway: SandboxProcess, phone: str) -> None:
    sent(phone)
    assert not_found(gateway) == PROVEN


def test_one_that_is_found_by_its_id_alone_shows_nothing(gateway: SandboxProcess) -> None:
    hidden(gateway)
    assert not_found(gateway) == NOT_PROVEN


@pytest.mark.parametrize("hours", [-2, 2])
def test_nor_does_one_that_is_not_where_its_time_is_looked_for(gateway: SandboxProcess, hours: int) -> None:
    """As at a gateway whose clock, or whose reading of the times that it is asked for, is off."""
    shift = timedelta(hours=hours)
    row = sent()
    NotificationLog.objects.filter(pk=row.pk).update(sent_at=F("sent_at") + shift)
    row.delivery_attempts.update(started_at=F("started_at") + shift)
    assert not_found(gateway) == NOT_PROVEN


def test_the_text_counts_too(gateway: SandboxProcess) -> None:
    row = sent()
    NotificationLog.objects.filter(pk=row.pk).update(message=row.message + "!")
    assert not_found(gateway) == NOT_PROVEN


def test_the_chat_of_this_number_must_be_kept_by_its_number_as_well(gateway: SandboxProcess) -> None:
    hidden(gateway, PHONE)
    sent()
    assert not_found(gateway) == NOT_PROVEN
    assert not_found(gateway, THIRD_PHONE) == PROVEN


def test_an_answered_one_shows_more_than_a_later_one_that_was_found(gateway: SandboxProcess) -> None:
    hidden(gateway)
    gateway.fault(Fault.RESET_AFTER_SEND)
    row = deliver_to(THIRD_PHONE)
    NotificationLog.objects.filter(pk=row.pk).update(lookup_at=Now())
    look_up(row.pk)
    row.refresh_from_db()
    assert row.status == Status.SENT
    assert not_found(gateway) == NOT_PROVEN
    DeliveryAttempt.objects.filter(outcome="sent").delete()
    assert not_found(gateway, "+5511900000002") == PROVEN


def test_what_was_made_anonymous_or_is_long_ago_is_passed_over(gateway: SandboxProcess) -> None:
    before, anonymous = sent(), sent(THIRD_PHONE)
    NotificationLog.objects.filter(pk=anonymous.pk).update(message="", recipient="", anonymised_at=Now())
    assert not_found(gateway) == PROVEN
    NotificationLog.objects.filter(pk=before.pk).update(sent_at=Now() - timedelta(days=31))
    assert not_found(gateway, "+5511900000002") == NOT_PROVEN


def test_one_that_could_not_be_kept_leaves_nothing_to_compare_with(gateway: SandboxProcess) -> None:
    sent()
    gateway.fault(Fault.NOT_STORED)
    assert sent(THIRD_PHONE).provider_message_id == ""
    assert not_found(gateway) == NOT_PROVEN


def test_what_went_to_another_number_is_looked_for_there(gateway: SandboxProcess, settings: Any) -> None:
    settings.NOTIFICATIONS_OVERRIDE_RECIPIENT = THIRD_PHONE
    assert sent().recipient == THIRD_PHONE
    assert not_found(gateway) == PROVEN
    settings.NOTIFICATIONS_OVERRIDE_RECIPIENT = ""
    assert not_found(gateway) == PROVEN


class TestTheGatewaysOwnChannel:
    """An instance of kind EVOLUTION keeps its messages under the bare number."""

    @pytest.fixture
    def gateway(self, settings: Any) -> Iterator[SandboxProcess]:
        with sandbox("other") as process:
            kind = {"instanceName": "flowlog", "integration": "EVOLUTION", "number": "5511999990000"}
            process._post("/instance/create", kind)
            settings.EVOLUTION_API_URL, settings.EVOLUTION_API_KEY = process.base_url, process.api_key
            yield process

    def unknown(self) -> NotificationLog:
        """One that went out, as if nobody had lived to see the answer."""
        row = sent(PHONE)
        row.delivery_attempts.update(outcome="", provider_message_id="", started_at=Now() - timedelta(seconds=120))
        NotificationLog.objects.filter(pk=row.pk).update(
            status=Status.UNKNOWN, sent_at=None, provider_message_id="", lookup_at=Now()
        )
        return row

    def test_what_it_sent_is_found(self, gateway: SandboxProcess) -> None:
        row = self.unknown()
        look_up(row.pk)
        row.refresh_from_db()
        [message] = gateway.messages()
        assert (row.status, row.provider_message_id) == (Status.SENT, message["key_id"])

    def test_what_it_did_not_send_is_not(self, gateway: SandboxProcess) -> None:
        row = self.unknown()
        gateway.clear()
        sent()
        look_up(row.pk)
        row.refresh_from_db()
        assert (row.status, row.error_code) == PROVEN


class TestAfterABackupWasRestored:
    def test_what_an_archive_cannot_find_by_number_stays_unclear(self, gateway: SandboxProcess) -> None:
        hidden(gateway)
        row = NotificationLog.objects.get(order=make_order(notify=True))
        result = reconcile()
        assert (result.sent, result.waiting, result.unclear) == ([], [], [row.pk])
        assert NotificationLog.objects.get(pk=row.pk).status == Status.PENDING

    def test_each_is_compared_with_what_went_to_its_own_number(self, gateway: SandboxProcess) -> None:
        hidden(gateway, PHONE)
        sent()
        mine = NotificationLog.objects.get(order=make_order(notify=True))
        others = NotificationLog.objects.get(order=make_order(notify=True, customer_phone=THIRD_PHONE))
        result = reconcile()
        assert (result.sent, result.waiting, result.unclear) == ([], [others.pk], [mine.pk])

    def test_one_that_was_tried_is_looked_for_where_it_went(self, gateway: SandboxProcess, settings: Any) -> None:
        gateway.fault(Fault.RESET_AFTER_SEND)
        row = deliver_to(PHONE)
        settings.NOTIFICATIONS_OVERRIDE_RECIPIENT = THIRD_PHONE
        assert reconcile().sent == [row.pk]
        assert NotificationLog.objects.get(pk=row.pk).recipient == PHONE
