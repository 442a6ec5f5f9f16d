"""An undo that meets a worker: whoever locks the message first has it, and neither waits for the other in a ring."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now

from integrations.models import EvolutionInstance, NotificationLog
from notifications import claims
from notifications.actions.cancel import cancel
from notifications.actions.resend import ResendRefusedError, resend
from notifications.sweep import sweep
from orders.models import Order, OrderEvent
from orders.services import apply_transition
from orders.undo import undo
from tests.factories import make_instance, make_order
from tests.meetings import another

pytestmark = pytest.mark.django_db(transaction=True)

DELAY = timedelta(seconds=30)
Status = NotificationLog.Status


@pytest.fixture
def ana() -> User:
    make_instance()
    return User.objects.create_user("ana", is_staff=True)


def confirmed(ana: User) -> tuple[Order, int]:
    """An order that was confirmed just now, and the key of that step."""
    order = make_order()
    apply_transition(order, "confirm", actor=ana, delay=DELAY)
    return order, OrderEvent.objects.latest("pk").pk


def fall_due(**values: Any) -> None:
    NotificationLog.objects.update(next_attempt_at=Now(), **values)


def ended(order: Order) -> tuple[str, str]:
    order.refresh_from_db()
    return order.status, NotificationLog.objects.get().status


def test_nobody_claims_it_before_its_moment_is_over(ana: User) -> None:
    confirmed(ana)
    row = NotificationLog.objects.get()
    assert claims.claim(row.pk) is None
    assert sweep().woken == 0
    fall_due()
    assert sweep().woken == 1
    assert claims.claim(row.pk) is not None


def test_it_is_no_probe_of_a_held_instance_before(ana: User) -> None:
    confirmed(ana)
    EvolutionInstance.objects.update(held_at=Now(), held_code="connection_closed", held_reason="x", probe_at=Now())
    swept = sweep()
    assert (swept.woken, swept.probed) == (0, 1)
    row = NotificationLog.objects.get()
    assert row.next_attempt_at - row.created_at == DELAY
    fall_due()
    assert sweep().woken == 1


def test_a_later_message_of_the_order_waits_for_it(ana: User) -> None:
    order, _pk = confirmed(ana)
    apply_transition(order, "pay")
    later = NotificationLog.objects.get(event="pay")
    assert claims.claim(later.pk) is None
    fall_due()
    claim = claims.claim(later.pk)
    assert claim is not None
    assert claim.notification.event == "confirm"


def test_an_undo_that_comes_first_is_waited_for_and_wins(ana: User) -> None:
    order, pk = confirmed(ana)
    fall_due()
    with another() as other, other.transaction():
        with transaction.atomic():
            assert len(undo([pk], actor=ana).applied) == 1
            claiming = other.begins(lambda: claims.claim(NotificationLog.objects.get().pk))
            other.waits_or_ends(claiming)
        assert claiming.result() is None
    assert ended(order) == ("pending", Status.CANCELLED)


def test_a_claim_that_comes_first_wins(ana: User) -> None:
    order, pk = confirmed(ana)
    fall_due()
    with another() as other:
        with transaction.atomic():
            assert claims.claim(NotificationLog.objects.get().pk) is not None
            undoing = other.begins(lambda: undo([pk], actor=ana))
            other.waits_or_ends(undoing)
        assert len(undoing.result().refused) == 1
    assert ended(order) == ("confirmed", Status.SENDING)


def test_of_two_undos_one_is_made(ana: User) -> None:
    order, pk = confirmed(ana)
    with another() as other:
        with transaction.atomic():
            assert len(undo([pk], actor=ana).applied) == 1
            second = other.begins(lambda: undo([pk], actor=ana))
            other.waits_or_ends(second)
        assert (second.result().applied, len(second.result().refused)) == ([], 1)
    assert ended(order) == ("pending", Status.CANCELLED)
    assert OrderEvent.objects.filter(transition="undo").count() == 1


def test_what_is_sent_again_meanwhile_keeps_the_step(ana: User) -> None:
    order, pk = confirmed(ana)
    cancel([NotificationLog.objects.get()])
    with another() as other:
        with transaction.atomic():
            again = resend(NotificationLog.objects.get())
            undoing = other.begins(lambda: undo([pk], actor=ana))
            other.waits_or_ends(undoing)
        assert len(undoing.result().refused) == 1
    order.refresh_from_db()
    again.refresh_from_db()
    assert (order.status, again.status) == ("confirmed", Status.PENDING)


def test_of_a_correction_and_a_resend_the_first_is_waited_for(ana: User) -> None:
    order = make_order(until="shipped")
    apply_transition(order, "deliver")
    row = NotificationLog.objects.get()
    NotificationLog.objects.update(status=Status.FAILED, error_code="expired")
    with another() as other:
        with transaction.atomic():
            apply_transition(order, "back_to_shipped")
            resending = other.begins(lambda: resend(row))
            other.waits_or_ends(resending)
        with pytest.raises(ResendRefusedError, match="foi corrigido depois"):
            resending.result()
        apply_transition(order, "deliver")
        NotificationLog.objects.filter(status=Status.PENDING).update(status=Status.FAILED, error_code="expired")
        with transaction.atomic():
            again = resend(NotificationLog.objects.latest("pk"))
            correcting = other.begins(lambda: apply_transition(Order.objects.get(), "back_to_shipped"))
            other.waits_or_ends(correcting)
        correcting.result()
    again.refresh_from_db()
    assert (again.status, NotificationLog.objects.count()) == (Status.CANCELLED, 3)


def test_a_correction_that_meets_a_worker_follows_what_it_sends(ana: User) -> None:
    order, _pk = confirmed(ana)
    apply_transition(order, "cancel", delay=DELAY)
    waiting = NotificationLog.objects.get(event="cancel")
    with another() as other, other.transaction():
        other.does(lambda: NotificationLog.objects.select_for_update().get(pk=waiting.pk))
        apply_transition(order, "reopen")
    rows = NotificationLog.objects.order_by("pk").values_list("event", "status")
    assert list(rows) == [("confirm", "pending"), ("cancel", "pending"), ("reopen", "pending")]
    apply_transition(order, "cancel")
    apply_transition(order, "reopen")
    assert list(rows.filter(pk__gt=waiting.pk + 1)) == [("cancel", "cancelled")]


def test_a_later_step_that_comes_first_keeps_both(ana: User) -> None:
    order, pk = confirmed(ana)
    with another() as other:
        with transaction.atomic():
            apply_transition(Order.objects.get(), "pay", notify=False)
            undoing = other.begins(lambda: undo([pk], actor=ana))
            other.waits_or_ends(undoing)
        assert len(undoing.result().refused) == 1
    assert ended(order) == ("confirmed", Status.PENDING)
    assert list(order.events.values_list("transition", flat=True)) == ["create", "confirm", "pay"]
