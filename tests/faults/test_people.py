"""What staff do with a message while it is in each of its statuses: nothing goes out twice, nothing is lost."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.db.models.functions import Now

from integrations.models import NotificationLog
from notifications import claims
from notifications.actions import cancel, resend
from notifications.delivery import deliver
from orders.models import Customer
from orders.services import apply_transition
from tests.broker import purge, take_all
from tests.factories import PHONE, make_instance, make_order
from tests.integrations.sandbox import SandboxProcess

pytestmark = pytest.mark.django_db(transaction=True)

Status = NotificationLog.Status
# What a row has besides its status, when it came there by itself.
VALUES: dict[Status, dict[str, Any]] = {
    Status.PENDING: {},
    Status.SENDING: {"claim_token": uuid.uuid4(), "lease_until": Now() + timedelta(minutes=1), "attempts": 1},
    Status.SENT: {"sent_at": Now(), "attempts": 1, "provider_message_id": "3EB0", "message": "Olá!"},
    Status.FAILED: {"error_code": "not_on_whatsapp", "error_message": "…", "attempts": 1},
    Status.UNKNOWN: {"claim_token": uuid.uuid4(), "lookup_at": Now() + timedelta(minutes=1), "attempts": 1},
    Status.SKIPPED: {"error_code": "opted_out", "error_message": "…"},
    Status.CANCELLED: {},
}
OVER = (Status.SENT, Status.FAILED, Status.SKIPPED, Status.CANCELLED)


@pytest.fixture(autouse=True)
def empty_queue() -> Iterator[None]:
    make_instance()
    purge("whatsapp")
    yield
    purge("whatsapp")


@pytest.fixture
def ana() -> User:
    return User.objects.create_superuser("ana")


def row_in(status: Status) -> NotificationLog:
    """The first of an order's two messages, in that status, of whose wake-ups none is left."""
    order = make_order(notify=True)
    apply_transition(order, "confirm")
    row = order.notifications.get(event="create")
    NotificationLog.objects.filter(pk=row.pk).update(status=status, **VALUES[status])
    purge("whatsapp")
    return NotificationLog.objects.get(pk=row.pk)


def everything() -> list[dict[str, Any]]:
    return [dict(row) for row in NotificationLog.objects.order_by("pk").values()]


def woken() -> list[int]:
    return [message.decode()[0][0] for message in take_all("whatsapp")]


@pytest.mark.parametrize("status", [status for status in Status if status not in OVER])
def test_what_may_still_go_out_is_not_sent_again(status: Status, ana: User) -> None:
    row, before = row_in(status), everything()
    with pytest.raises(resend.ResendRefusedError, match=r"^Esta mensagem ainda pode sair sozinha"):
        resend.resend(row, actor=ana)
    assert everything() == before
    assert woken() == []


@pytest.mark.parametrize("status", OVER)
def test_what_is_over_is_sent_again_as_a_row_of_its_own(status: Status, ana: User, gateway: SandboxProcess) -> None:
    row, before = row_in(status), everything()
    new = resend.resend(row, actor=ana)
    assert everything()[:2] == before
    new = NotificationLog.objects.get(pk=new.pk)
    assert (new.status, new.resend_of, new.requested_by, new.event) == (Status.PENDING, row, ana, "create")
    assert (new.attempts, new.message, new.provider_message_id, new.sent_at) == (0, "", "", None)
    assert (new.order, new.order_event, new.snapshot) == (row.order, None, row.snapshot)
    assert woken() == [new.pk]
    with pytest.raises(resend.ResendRefusedError):
        resend.resend(row, actor=ana)
    assert NotificationLog.objects.count() == 3
    # The order's own next message was there first; neither waits for the other.
    for _ in range(3):
        deliver(new.pk)
    new.refresh_from_db()
    following = NotificationLog.objects.get(event="confirm")
    assert (new.status, new.attempts, following.status) == (Status.SENT, 1, Status.SENT)
    assert gateway.texts() == [following.message, new.message]
    assert everything()[0] == before[0]


@pytest.mark.parametrize("status", OVER)
def test_a_resend_goes_to_the_present_phone_and_asks_for_consent_again(status: Status, gateway: SandboxProcess) -> None:
    row = row_in(status)
    Customer.objects.update(phone="+5511900000002", opted_out_at=Now(), opted_out_how="SAIR")
    new = resend.resend(row)
    assert (row.recipient, new.recipient) == (PHONE, "+5511900000002")
    for _ in range(3):
        deliver(new.pk)
    new.refresh_from_db()
    assert (new.status, new.error_code) == (Status.SKIPPED, "opted_out")
    assert gateway.messages() == []


def test_what_waits_is_cancelled_and_the_next_goes(ana: User, gateway: SandboxProcess) -> None:
    row = row_in(Status.PENDING)
    assert cancel.cancel([row], actor=ana) == [row]
    row.refresh_from_db()
    assert (row.status, row.cancelled_by, row.attempts, row.error_code) == (Status.CANCELLED, ana, 0, "")
    following = NotificationLog.objects.get(event="confirm")
    assert woken() == [following.pk]
    deliver(row.pk)
    following.refresh_from_db()
    assert gateway.texts() == [following.message]
    row.refresh_from_db()
    assert row.status == Status.CANCELLED


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.PENDING])
def test_nothing_else_is_cancelled(status: Status, ana: User) -> None:
    row, before = row_in(status), everything()
    assert cancel.cancel([row], actor=ana) == []
    assert everything() == before
    assert woken() == []


def test_what_a_worker_has_claimed_meanwhile_is_not_cancelled(ana: User) -> None:
    """The page that staff look at still says pending."""
    row = row_in(Status.PENDING)
    claim = claims.claim(row.pk)
    assert claim
    assert claim.notification.pk == row.pk
    assert row.status == Status.PENDING
    assert cancel.cancel([row], actor=ana) == []
    row.refresh_from_db()
    assert (row.status, row.cancelled_by) == (Status.SENDING, None)


def test_what_is_cancelled_between_two_tries_is_not_sent(ana: User, gateway: SandboxProcess) -> None:
    row = row_in(Status.PENDING)
    NotificationLog.objects.filter(pk=row.pk).update(
        attempts=1, next_attempt_at=F("created_at") + timedelta(hours=1), error_code="gateway_unreachable"
    )
    assert cancel.cancel([row], actor=ana) == [row]
    NotificationLog.objects.filter(pk=row.pk).update(next_attempt_at=Now())
    for _ in range(2):
        deliver(row.pk)
    row.refresh_from_db()
    assert (row.status, row.attempts, row.error_code) == (Status.CANCELLED, 1, "")
    assert gateway.texts() == [NotificationLog.objects.get(event="confirm").message]
