"""After a backup was restored, what went out since it was made is not sent again."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now

from integrations.models import EvolutionInstance, NotificationLog
from notifications.actions import resend
from notifications.delivery import deliver
from notifications.message_ids import own_id
from notifications.reconcile import reconcile
from orders.services import apply_transition
from tests.factories import make_instance, make_order
from tests.integrations.sandbox import SandboxProcess

pytestmark = pytest.mark.django_db(transaction=True)

Status = NotificationLog.Status
INSTANCE = "flowlog"
FIELDS = ("status", "message", "provider_message_id", "recipient")


@pytest.fixture(autouse=True)
def instance() -> EvolutionInstance:
    return make_instance()


def order_told() -> NotificationLog:
    row = NotificationLog.objects.get(order=make_order(notify=True))
    deliver(row.pk)
    row.refresh_from_db()
    assert row.status == Status.SENT
    return row


def restore(row: NotificationLog, **values: object) -> None:
    """As the row stood in a copy from before it was sent."""
    former = {"message": "", "provider_message_id": "", "sent_at": None, "first_attempt_at": None, "attempts": 0}
    row.delivery_attempts.all().delete()
    NotificationLog.objects.filter(pk=row.pk).update(**(former | {"status": Status.PENDING} | values))


def state(row: NotificationLog) -> dict[str, object]:
    return dict(NotificationLog.objects.values(*FIELDS).get(pk=row.pk))


@pytest.mark.parametrize("changed", [False, True])
def test_its_own_id_is_proof_whatever_the_words(gateway: SandboxProcess, settings: Any, changed: bool) -> None:
    gateway.options(version="2.4.0-rc2")
    row = order_told()
    known = own_id(row)
    if changed:
        settings.EARLIER_SECRET_KEYS, settings.SECRET_KEY = [settings.SECRET_KEY], "another-key-for-the-time-after"
    restore(row, message="Como se dizia antes")
    assert reconcile().sent == [row.pk]
    again = NotificationLog.objects.get(pk=row.pk)
    assert (again.status, again.provider_message_id) == (Status.SENT, known)


@pytest.mark.parametrize("status", NotificationLog.UNFINISHED)
def test_what_the_gateway_has_is_sent_as_of_then(gateway: SandboxProcess, status: str) -> None:
    row = order_told()
    was = state(row)
    lease = {"lease_until": Now() + timedelta(minutes=1)} if status == Status.SENDING else {}
    restore(row, status=status, **lease)
    result = reconcile()
    assert (result.sent, result.waiting, result.unclear) == ([row.pk], [], [])
    assert state(row) == was
    again = NotificationLog.objects.get(pk=row.pk)
    assert again.sent_at is not None
    assert row.sent_at is not None
    assert abs(again.sent_at - row.sent_at) < timedelta(seconds=2)
    assert len(gateway.messages()) == 1
    assert reconcile().sent == []


def test_what_it_does_not_have_still_waits_and_then_goes(gateway: SandboxProcess) -> None:
    first = order_told()
    assert first.order is not None
    apply_transition(first.order, "confirm")
    second = NotificationLog.objects.latest("pk")
    restore(first)
    before = state(second)
    # Only the first, once it is found, shows that the gateway keeps what it sends.
    result = reconcile()
    assert (result.sent, result.waiting, result.unclear) == ([first.pk], [second.pk], [])
    assert state(second) == before
    NotificationLog.objects.update(next_attempt_at=Now())
    EvolutionInstance.objects.update(next_send_at=Now())
    deliver(second.pk)
    assert state(second)["status"] == Status.SENT
    assert len(gateway.messages()) == 2


def test_a_message_of_another_row_is_not_taken(gateway: SandboxProcess) -> None:
    # The same words to the same number.
    twin = resend.resend(order_told())
    result = reconcile()
    assert (result.sent, result.waiting, result.unclear) == ([], [twin.pk], [])
    assert state(twin)["status"] == Status.PENDING


def test_a_gateway_that_keeps_nothing_leaves_it_unclear(gateway: SandboxProcess) -> None:
    gateway.forget(INSTANCE)
    told, row = order_told(), NotificationLog.objects.get(order=make_order(notify=True))
    before = state(row)
    result = reconcile()
    assert (result.sent, result.waiting, result.unclear) == ([], [], [row.pk])
    assert (state(row), state(told)["status"]) == (before, Status.SENT)
    out = io.StringIO()
    with pytest.raises(CommandError, match=rf"De 1 mensagens o gateway não soube dizer se foram enviadas: {row.pk}\."):
        call_command("notifications", "reconcile", stdout=out)
    assert out.getvalue().splitlines() == [
        "Consultando o gateway sobre 1 mensagem …",
        "No gateway, portanto já enviadas: 0. Não estão lá, portanto ainda por enviar: 0.",
    ]


def test_a_gateway_that_is_down_leaves_all_unclear(gateway: SandboxProcess) -> None:
    row = order_told()
    restore(row)
    before = NotificationLog.objects.values().get()
    gateway.stop()
    try:
        assert reconcile().unclear == [row.pk]
    finally:
        gateway.start()
    assert NotificationLog.objects.values().get() == before


def test_without_a_number_there_is_nothing_to_ask(gateway: SandboxProcess) -> None:
    row = NotificationLog.objects.get(order=make_order(notify=True))
    NotificationLog.objects.update(recipient="")
    assert reconcile().waiting == [row.pk]
