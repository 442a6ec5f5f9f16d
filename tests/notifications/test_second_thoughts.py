"""Where undo, corrections, quiet hours and a person's own answers meet: nothing is lost, early, or said in vain."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.utils import timezone

from integrations.inbound.intake import process
from integrations.messages import attention
from integrations.messages.sentences import sentence
from integrations.models import CustomerReply, EvolutionInstance, NotificationLog
from notifications import claims, policy
from notifications.actions.answer import answer
from notifications.actions.cancel import cancel
from notifications.actions.resend import ResendRefusedError, resend
from orders import consent
from orders.models import Customer, Order, OrderEvent, Store
from orders.services import apply_transition
from orders.undo import undo
from tests.factories import make_instance, make_order
from tests.integrations.webhooks import post, reply
from tests.notifications.test_quiet import claimed, day, night
from tests.staff import make_staff

pytestmark = pytest.mark.django_db

DELAY = timedelta(seconds=30)
Status = NotificationLog.Status


@pytest.fixture(autouse=True)
def instance() -> EvolutionInstance:
    return make_instance()


@pytest.fixture
def ana() -> User:
    return make_staff()


def answered(ana: User, text: str = "Já vai!") -> NotificationLog:
    """What somebody of the shop answers to what the customer has just asked."""
    body = reply("Cadê?", f"ask{CustomerReply.objects.count()}")
    body["data"]["messageTimestamp"] = int(timezone.now().timestamp())
    assert post(body) == 200
    process()
    return answer(CustomerReply.objects.latest("pk"), text, actor=ana)


def statuses(order: Order) -> list[tuple[str, str]]:
    return list(NotificationLog.objects.filter(order=order).order_by("pk").values_list("event", "status"))


def undone(ana: User) -> list[str]:
    """Take back the latest step; returns why it was refused."""
    return [why for _order, why in undo([OrderEvent.objects.latest("pk").pk], actor=ana).refused]


def test_an_answer_at_night_takes_what_waits_before_it_along(ana: User) -> None:
    order = make_order()
    # By day, so that it waits for its turn alone.
    apply_transition(order, "confirm")
    night()
    answered(ana)
    assert claimed() == ["confirm", "free_answer"]


def test_what_goes_along_keeps_its_moment_for_second_thoughts(ana: User, settings: Any) -> None:
    settings.STAFF_UNDO_SECONDS = 30
    order = make_order()
    night()
    apply_transition(order, "confirm", actor=ana, delay=DELAY)
    answered(ana)
    row = NotificationLog.objects.get(event="confirm")
    assert row.next_attempt_at - row.created_at >= DELAY
    assert claimed() == []
    assert undone(ana) == []
    assert statuses(order) == [("confirm", "cancelled"), ("free_answer", "pending")]


def test_a_step_just_before_the_morning_can_be_undone_as_long(ana: User) -> None:
    morning = night()
    order = make_order()
    apply_transition(order, "confirm", actor=ana, delay=timedelta(hours=9))
    row = NotificationLog.objects.get()
    assert row.next_attempt_at > morning
    assert row.next_attempt_at - row.created_at == timedelta(hours=9)


def test_an_undo_cancels_the_news_of_the_step_and_no_answer(ana: User) -> None:
    order = make_order()
    apply_transition(order, "confirm", actor=ana, delay=DELAY)
    answered(ana)
    assert undone(ana) == []
    assert statuses(order) == [("confirm", "cancelled"), ("free_answer", "pending")]


def test_an_answer_that_went_out_is_no_news_of_the_step(ana: User) -> None:
    order = make_order()
    apply_transition(order, "confirm", actor=ana, notify=False)
    answered(ana)
    assert claimed() == ["free_answer"]
    assert undone(ana) == []
    order.refresh_from_db()
    assert order.status == "pending"


def test_a_correction_that_cancelled_a_message_is_not_undone(ana: User) -> None:
    order = make_order(until="shipped")
    apply_transition(order, "deliver", actor=ana)
    apply_transition(order, "back_to_shipped", actor=ana)
    assert statuses(order) == [("deliver", "cancelled")]
    assert undone(ana) == [
        f"Pedido {order.code}: isto cancelou uma mensagem que esperava. Faça o passo de novo para avisar o cliente."
    ]
    order.refresh_from_db()
    assert order.delivery_status == "shipped"


@pytest.mark.parametrize(
    ("status", "told"), [("sent", [("deliver", "failed"), ("deliver", "sent"), ("back_to_shipped", "pending")]),
                         ("pending", [("deliver", "failed"), ("deliver", "cancelled")])],
)  # fmt: skip
def test_a_correction_knows_what_was_sent_again(status: str, told: list[tuple[str, str]]) -> None:
    order = make_order(until="shipped")
    apply_transition(order, "deliver")
    NotificationLog.objects.update(status="failed", error_code="expired")
    again = resend(NotificationLog.objects.get())
    if status == "sent":
        NotificationLog.objects.filter(pk=again.pk).update(status="sent", sent_at=Now())
    apply_transition(order, "back_to_shipped")
    assert statuses(order) == told


def test_a_correction_that_was_undone_corrected_nothing(ana: User) -> None:
    order = make_order(until="confirmed")
    apply_transition(order, "ship")
    NotificationLog.objects.update(status="sent", sent_at=Now())
    apply_transition(order, "back_to_preparation", actor=ana, delay=DELAY)
    assert undone(ana) == []
    apply_transition(order, "back_to_preparation")
    back = "back_to_preparation"
    assert statuses(order) == [("ship", "sent"), (back, "cancelled"), (back, "pending")]


@pytest.mark.parametrize("by", ["an earlier correction", "hand"])
def test_a_correction_that_cancelled_nothing_can_be_undone(ana: User, by: str) -> None:
    order = make_order(until="shipped")
    apply_transition(order, "deliver")
    if by == "hand":
        cancel([NotificationLog.objects.get()])
    else:
        apply_transition(order, "back_to_shipped")
        apply_transition(order, "deliver", notify=False)
    assert statuses(order) == [("deliver", "cancelled")]
    apply_transition(order, "back_to_shipped", actor=ana, delay=DELAY)
    assert undone(ana) == []
    order.refresh_from_db()
    assert order.delivery_status == "delivered"


def test_one_that_cancelled_what_was_sent_again_is_not_undone(ana: User) -> None:
    order = make_order(until="shipped")
    apply_transition(order, "deliver")
    NotificationLog.objects.update(status="failed", error_code="expired")
    resend(NotificationLog.objects.get())
    apply_transition(order, "back_to_shipped", actor=ana)
    assert statuses(order) == [("deliver", "failed"), ("deliver", "cancelled")]
    [why] = undone(ana)
    assert "isto cancelou uma mensagem que esperava" in why
    assert sentence("corrected") in NotificationLog.objects.values_list("error_message", flat=True)


@pytest.mark.parametrize("again", [False, True])
def test_news_that_was_corrected_is_never_sent_again(ana: User, again: bool) -> None:
    order = make_order(until="shipped")
    apply_transition(order, "deliver")
    row = NotificationLog.objects.get()
    NotificationLog.objects.update(status="failed", error_code="expired")
    if again:
        row = resend(row)
        NotificationLog.objects.filter(pk=row.pk).update(status="failed", error_code="expired")
    assert [each.pk for each in attention.need_a_person()] == [row.pk]
    apply_transition(order, "back_to_shipped", actor=ana)
    assert list(attention.need_a_person()) == []
    with pytest.raises(ResendRefusedError, match="foi corrigido depois"):
        resend(row)
    assert undone(ana) == []
    assert [each.pk for each in attention.need_a_person()] == [row.pk]
    resend(row)


def test_the_news_of_a_later_step_can_be(ana: User) -> None:
    order = make_order(until="shipped")
    for name in ("deliver", "back_to_shipped", "deliver"):
        apply_transition(order, name, notify=name == "deliver")
    NotificationLog.objects.filter(status="pending").update(status="failed", error_code="expired")
    row = NotificationLog.objects.latest("pk")
    assert [each.pk for each in attention.need_a_person()] == [row.pk]
    assert resend(row).resend_of == row


def test_a_hand_over_that_speaks_of_a_payment_is_not_sent_after_all(ana: User) -> None:
    """The parcel has been delivered, so somebody has to see to it."""
    order = make_order(until="shipped")
    apply_transition(order, "pay", notify=False)
    apply_transition(order, "deliver")
    row = NotificationLog.objects.get()
    NotificationLog.objects.update(status="failed", error_code="expired")
    apply_transition(order, "unpay")
    with pytest.raises(ResendRefusedError, match="foi corrigido depois"):
        resend(row)
    assert [each.pk for each in attention.need_a_person()] == [row.pk]


@pytest.mark.parametrize("status", ["pending", "sent"])
def test_an_undo_knows_what_was_sent_again(ana: User, status: str) -> None:
    order = make_order()
    apply_transition(order, "confirm", actor=ana, delay=DELAY)
    cancel([NotificationLog.objects.get()])
    again = resend(NotificationLog.objects.get())
    if status == "sent":
        NotificationLog.objects.filter(pk=again.pk).update(status="sent", sent_at=Now())
    said = [f"A mensagem do pedido {order.code} já está a caminho: o pedido fica como está agora."]
    assert undone(ana) == (said if status == "sent" else [])
    assert statuses(order)[1] == ("confirm", "sent" if status == "sent" else "cancelled")


def test_an_order_that_was_undone_stays_so_and_is_told_to_nobody(ana: User) -> None:
    order = make_order(notify=True, actor=ana)
    assert undone(ana) == []
    assert undo([OrderEvent.objects.latest("pk").pk], actor=ana).applied == []
    order.refresh_from_db()
    assert order.status == "cancelled"
    with pytest.raises(ResendRefusedError, match="foi desfeito"):
        resend(NotificationLog.objects.get())


def test_who_says_once_more_that_they_want_nothing_gets_no_answer(ana: User) -> None:
    make_order()
    customer = Customer.objects.get()
    consent.opt_out([customer], "SAIR")
    row = answered(ana)
    assert policy.refusal(policy.with_consent(NotificationLog.objects.filter(pk=row.pk)).get()) == ""
    consent.opt_out([customer], "SAIR")
    assert policy.refusal(policy.with_consent(NotificationLog.objects.filter(pk=row.pk)).get()) == "opted_out"


def test_no_reminder_of_an_order_that_was_cancelled(settings: Any) -> None:
    from integrations.messages.kinds import KINDS, PICKUP_REMINDER

    order = make_order(until="ready_for_pickup")
    assert KINDS[PICKUP_REMINDER].dedupe_key(order)
    apply_transition(order, "cancel", notify=False)
    assert KINDS[PICKUP_REMINDER].dedupe_key(order) == ""


def test_an_answer_makes_no_failure_known_nor_is_made_known(ana: User) -> None:
    order = make_order()
    apply_transition(order, "confirm")
    failed = NotificationLog.objects.get()
    NotificationLog.objects.update(status="failed", error_code="expired")
    apply_transition(order, "pay", notify=False)
    said = answered(ana)
    NotificationLog.objects.filter(pk=said.pk).update(status="sent", sent_at=Now())
    assert [row.pk for row in attention.need_a_person()] == [failed.pk]
    NotificationLog.objects.filter(pk=said.pk).update(status="failed", error_code="expired", sent_at=None)
    apply_transition(order, "ship")
    NotificationLog.objects.filter(event="ship").update(status="sent", sent_at=Now())
    assert [row.pk for row in attention.need_a_person()] == [said.pk]


def test_by_day_nothing_of_it_waits(ana: User) -> None:
    day()
    order = make_order(notify=True)
    answered(ana)
    assert claimed() == ["create", "free_answer"]
    assert claims.claim(NotificationLog.objects.filter(order=order).latest("pk").pk) is None


def test_an_answer_is_about_what_was_written_to_its_own_store(ana: User, instance: EvolutionInstance) -> None:
    """Both stores write by one number, and somebody buys at both."""
    here = make_order()
    there = make_order(store=Store.objects.create(name="Filial"))
    replies = [
        CustomerReply.objects.create(
            instance=instance, customer=order.customer, order=order, provider_message_id=f"r{order.pk}", kind="text",
            text="Oi", received_at=timezone.now(),
        )
        for order in (here, there)
    ]  # fmt: skip
    row = answer(replies[0], "Oi!", actor=ana)
    assert row.order == here
    assert [each.handled_at is not None for each in CustomerReply.objects.order_by("pk")] == [True, False]
