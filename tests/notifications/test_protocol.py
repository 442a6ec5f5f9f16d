"""PROTOCOL.md is true: everything that can happen is tried on a row in every status, and only its moves happen."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now

import notifications
from integrations.evolution.client import client
from integrations.gateways import Outcome
from integrations.inbound.intake import process
from integrations.models import DeliveryAttempt, EvolutionInstance, NotificationLog
from notifications import claims, delivery, lookups
from notifications.actions import cancel, resend
from notifications.claims import Claim
from notifications.delivery import SendResult
from notifications.reconcile import reconcile
from notifications.sweep import sweep
from orders.models import OrderEvent, Store
from orders.services import apply_transition
from orders.undo import undo
from tests.factories import PHONE, make_instance, make_order
from tests.integrations.sandbox import SandboxProcess
from tests.integrations.webhooks import post, receipt, sent_message

pytestmark = pytest.mark.django_db(transaction=True)

Status = NotificationLog.Status
PAGE = Path(notifications.__file__).with_name("PROTOCOL.md")
MOVE = re.compile(r"^\| `(\w+)` \| `(\w+)` \| ([^|]+) \|", re.MULTILINE)

type Move = tuple[str, str, str]
type Operation = Callable[[NotificationLog], object]


def documented() -> set[Move]:
    return {(source, target, by.strip()) for source, target, by in MOVE.findall(PAGE.read_text(encoding="utf-8"))}


def change(row: NotificationLog, **values: Any) -> None:
    NotificationLog.objects.filter(pk=row.pk).update(**values)


def row_in(status: str) -> NotificationLog:
    """A message that was once claimed, in that status."""
    make_instance()
    row = NotificationLog.objects.get(order=make_order(notify=True))
    values: dict[str, Any] = {
        "status": status,
        "claim_token": uuid.uuid4(),
        "message": "Olá",
        "error_code": "x",
        "attempts": 1,
    }
    values["first_attempt_at"] = Now() - timedelta(minutes=3)
    if status == Status.SENDING:
        values["lease_until"] = Now() + timedelta(minutes=1)
    if status == Status.SENT:
        values["sent_at"] = Now()
    if status == Status.UNKNOWN:
        values["lookup_at"] = Now()
    change(row, **values)
    row.refresh_from_db()
    return row


def request_of(row: NotificationLog) -> DeliveryAttempt:
    """The attempt of its claim, three minutes old."""
    assert row.claim_token
    return DeliveryAttempt.objects.create(
        notification=row, claim_token=row.claim_token, started_at=Now() - timedelta(minutes=3)
    )


def settle(result: SendResult) -> Operation:
    def operation(row: NotificationLog) -> None:
        assert row.claim_token
        attempt = request_of(row)
        attempt.refresh_from_db()
        delivery.settle(Claim(row, row.claim_token), attempt, result)

    return operation


def given_up(row: NotificationLog) -> None:
    """The answer comes when nobody waits for it any more."""
    if row.status == Status.FAILED:
        change(row, error_code="outcome_unknown")
        settle(SendResult(None, provider_message_id="3EB0"))(row)


def after(prepare: Callable[[NotificationLog], Any], operation: Operation) -> Operation:
    def both(row: NotificationLog) -> None:
        prepare(row)
        operation(row)

    return both


def begin(row: NotificationLog) -> None:
    assert row.claim_token
    assert claims.begin_attempt(Claim(row, row.claim_token)) is None or row.status == Status.SENDING


def proof_of(row: NotificationLog) -> None:
    """The answer of an earlier attempt came after this claim."""
    row.delivery_attempts.create(claim_token=uuid.uuid4(), outcome="sent", provider_message_id="3EB0")


def begin_in_vain(row: NotificationLog) -> None:
    assert row.claim_token
    assert claims.begin_attempt(Claim(row, row.claim_token)) is None


def end_lease(row: NotificationLog) -> None:
    if row.status == Status.SENDING:
        change(row, lease_until=Now())


def look_up(row: NotificationLog) -> None:
    lookups.look_up(row.pk)


def tell(row: NotificationLog) -> None:
    """The gateway says by webhook that it sent the message, and what became of it, under its id and another."""
    NotificationLog.objects.filter(pk=row.pk, status=Status.SENT).update(provider_message_id="3EB0")
    for key_id in ("3EB0", "3EB0OTHER"):
        assert post(sent_message(key_id, row.message, int(time.time()))) == 200
        for status in ("ERROR", "READ"):
            assert post(receipt(key_id, status)) == 200
    process()


def take_back(row: NotificationLog) -> None:
    """As whoever did what it tells of."""
    ana, _made = User.objects.get_or_create(username="ana")
    OrderEvent.objects.filter(pk=row.order_event_id or 0).update(actor=ana)
    undo([row.order_event_id or 0], actor=ana)


def correct(row: NotificationLog) -> None:
    """It tells of a payment that was recorded by mistake."""
    assert row.order
    apply_transition(row.order, "pay", notify=False)
    change(row, event="pay", order_event=row.order.events.latest("pk"))
    apply_transition(row.order, "unpay", notify=False)


NOT_SENT = SendResult(Outcome.RETRYABLE, "gateway_unreachable")
OPERATIONS: dict[str, Operation] = {
    "claim": lambda row: claims.claim(row.pk),
    "claim, no permission": after(lambda row: change(row, recipient=""), lambda row: claims.claim(row.pk)),
    "settle, sent": settle(SendResult(None, provider_message_id="3EB0")),
    "settle, sent, given up": given_up,
    "settle, permanent": settle(SendResult(Outcome.PERMANENT, "not_on_whatsapp")),
    "settle, not sent": settle(NOT_SENT),
    "settle, not sent, too late": after(
        lambda row: change(row, expires_at=Now() + timedelta(seconds=5)), settle(NOT_SENT)
    ),
    "settle, instance trouble": settle(SendResult(Outcome.INSTANCE_DOWN, "connection_closed")),
    "settle, unknown": settle(SendResult(Outcome.UNKNOWN, "read_timeout")),
    "begin, too late": after(end_lease, begin),
    "begin, sent already": after(proof_of, begin_in_vain),
    "sweep": lambda _row: sweep(),
    "sweep, lease ended": after(end_lease, lambda _row: sweep()),
    "sweep, expired": after(lambda row: change(row, expires_at=Now()), lambda _row: sweep()),
    "look-up, found": after(lambda row: (request_of(row), client().send_text("flowlog", PHONE, row.message)), look_up),
    "look-up, never begun": look_up,
    "look-up, not found": after(request_of, look_up),
    "look-up, not found, ask staff": after(
        lambda row: (request_of(row), Store.objects.update(on_unknown_outcome="ask_staff")), look_up
    ),
    "cancel": lambda row: cancel.cancel([row]),
    "undo": take_back,
    "correction": correct,
    "reconcile, found": after(lambda row: client().send_text("flowlog", PHONE, row.message), lambda _row: reconcile()),
    "reconcile": lambda _row: reconcile(),
    "webhooks": tell,
}


@pytest.mark.parametrize("by", OPERATIONS)
def test_only_the_documented_moves_happen(gateway: SandboxProcess, by: str) -> None:
    moved = set()
    for status in Status.values:
        for model in (DeliveryAttempt, NotificationLog, EvolutionInstance):
            model.objects.all().delete()
        row = row_in(status)
        OPERATIONS[by](row)
        ended = NotificationLog.objects.get(pk=row.pk).status
        if ended != status:
            moved.add((status, ended, by))
    assert moved == {move for move in documented() if move[2] == by}


def test_every_documented_move_is_tried() -> None:
    assert len(documented()) == 28
    assert {by for _source, _target, by in documented()} == set(OPERATIONS) - {"sweep", "webhooks", "reconcile"}


@pytest.mark.parametrize("status", Status.values)
def test_a_resend_never_changes_the_old_row(status: str) -> None:
    row = row_in(status)
    before = NotificationLog.objects.filter(pk=row.pk).values().get()
    if status in NotificationLog.UNFINISHED:
        with pytest.raises(resend.ResendRefusedError):
            resend.resend(row)
    else:
        assert resend.resend(row).status == Status.PENDING
    assert NotificationLog.objects.filter(pk=row.pk).values().get() == before
