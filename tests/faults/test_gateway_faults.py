"""A gateway that misbehaves in every known way: each message ends as it should, and no phone has it twice."""

from __future__ import annotations

import pytest

from flowlog.devtools.sandbox.faults import Fault
from integrations.models import NotificationLog
from notifications.actions import resend
from orders.models import Store
from orders.services import apply_transition
from tests.factories import make_order
from tests.faults.story import (
    Kind,
    Status,
    assert_at_rest,
    assert_told,
    assert_told_each,
    outcomes,
    phone,
    say_first,
    say_two,
    statuses,
    text_of,
    wait_for,
    wait_for_attempts,
    wait_for_hold,
)
from tests.integrations.sandbox import SandboxProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("crew")]


def codes(row: NotificationLog) -> list[str]:
    return list(row.delivery_attempts.filter(kind=Kind.SEND).values_list("error_code", flat=True))


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.HANG_THEN_SEND, "read_timeout"),
        (Fault.RESET_AFTER_SEND, "connection_reset"),
        (Fault.SERVER_ERROR_AFTER_SEND, "gateway_error"),
    ],
)
def test_what_was_sent_without_a_word_is_found(gateway: SandboxProcess, fault: Fault, code: str) -> None:
    gateway.fault(fault)
    say_two()
    message, following = wait_for(Status.SENT, Status.SENT)
    assert_told(gateway, message, following)
    assert (outcomes(message), codes(message), message.attempts) == (["unknown"], [code], 1)
    assert outcomes(message, Kind.LOOK_UP) == ["found"]
    assert_at_rest()


NOTHING_SENT = {
    Fault.HANG: "read_timeout",
    Fault.RESET: "connection_reset",
    Fault.SERVER_ERROR: "gateway_error",
    Fault.TIMED_OUT: "whatsapp_timeout",
    Fault.BAD_GATEWAY: "bad_gateway",
}


def test_what_was_not_sent_is_sent_again_once_that_is_proved(gateway: SandboxProcess) -> None:
    """All at a time, since each proof takes long; between them something succeeds, so that no streak holds them up.

    Nothing is proved before all have met their fault: a message that is sent again must not meet another's.
    """
    gateway.options(search_status=500)
    ordinary, told = [say_first()], []
    for number, fault in enumerate(NOTHING_SENT):
        gateway.fault(fault)
        order = say_two(phone(number))
        wait_for_attempts("unknown", number + 1)
        told.append(order)
        ordinary.append(say_first(phone(50 + number)))
    gateway.options(search_status=0)
    everything = wait_for(*[Status.SENT] * (1 + 3 * len(NOTHING_SENT)))
    assert_told_each(gateway, everything)
    for order, code in zip(told, NOTHING_SENT.values(), strict=True):
        message, following = order.notifications.order_by("pk")
        assert (outcomes(message), codes(message), message.attempts) == (["unknown", "sent"], [code, ""], 2)
        assert outcomes(message, Kind.LOOK_UP)[-1] == "not_found"
        assert (outcomes(following), following.attempts) == (["sent"], 1)
    assert [outcomes(row) for row in ordinary] == [["sent"]] * (1 + len(NOTHING_SENT))
    assert_at_rest()


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.DATABASE_DOWN, "gateway_database_down"),
        (Fault.FAILS_THEN_WORKS, "number_query_timeout"),
        (Fault.META_RATE_LIMIT, "meta_rate_limit"),
        (Fault.META_OTHER, "meta_unavailable"),
    ],
)
def test_what_was_surely_not_sent_is_retried(gateway: SandboxProcess, fault: Fault, code: str) -> None:
    gateway.fault(fault, times=2)
    say_two()
    message, following = wait_for(Status.SENT, Status.SENT)
    assert_told(gateway, message, following)
    assert (outcomes(message), codes(message)) == (["retryable", "retryable", "sent"], [code, code, ""])
    assert (message.attempts, outcomes(message, Kind.LOOK_UP)) == (3, [])
    assert_at_rest()


@pytest.mark.parametrize(
    ("fault", "code"),
    [(Fault.NOT_ON_WHATSAPP, "not_on_whatsapp"), (Fault.META_RECIPIENT, "meta_recipient_not_allowed")],
)
def test_what_can_never_be_sent_fails_and_the_next_goes(gateway: SandboxProcess, fault: Fault, code: str) -> None:
    gateway.fault(fault)
    say_two()
    message, following = wait_for(Status.FAILED, Status.SENT)
    assert_told(gateway, following)
    assert (message.error_code, message.attempts, outcomes(message)) == (code, 1, ["permanent"])
    assert_at_rest()


def test_what_the_gateway_sent_but_could_not_store_is_sent(gateway: SandboxProcess) -> None:
    gateway.fault(Fault.NOT_STORED)
    say_two()
    message, following = wait_for(Status.SENT, Status.SENT)
    assert gateway.texts() == [text_of(message), text_of(following)]
    assert (message.provider_message_id, message.attempts, outcomes(message)) == ("", 1, ["sent"])
    assert outcomes(message, Kind.LOOK_UP) == []
    assert_at_rest()


@pytest.mark.parametrize("setting", Store.OnUnknownOutcome)
def test_a_gateway_that_keeps_no_messages(gateway: SandboxProcess, setting: Store.OnUnknownOutcome) -> None:
    """Nothing can be proved then, so that the store's setting decides: what was sent and what was not look the same."""
    Store.objects.update(on_unknown_outcome=setting)
    gateway.options(keep_messages=False)
    before = say_first()
    for number, fault in enumerate((Fault.RESET_AFTER_SEND, Fault.RESET)):
        gateway.fault(fault)
        say_two(phone(number))
        wait_for_attempts("unknown", number + 1)
    again = setting == Store.OnUnknownOutcome.RESEND
    ended = Status.SENT if again else Status.FAILED
    _, left, its_next, kept, other_next = wait_for(Status.SENT, ended, Status.SENT, ended, Status.SENT)
    assert gateway.texts(before.recipient) == [text_of(before)]
    assert gateway.texts(left.recipient) == [text_of(left)] * (2 if again else 1) + [text_of(its_next)]
    assert gateway.texts(kept.recipient) == [text_of(kept)] * (1 if again else 0) + [text_of(other_next)]
    for row in (left, kept):
        assert row.error_code == ("" if again else "outcome_unknown")
        assert (outcomes(row), row.attempts) == ((["unknown", "sent"], 2) if again else (["unknown"], 1))
    assert_at_rest()


class TestNearlyEqualTexts:
    """Each row gets the id of its own message, though others to the same number differ by little or nothing."""

    def test_of_two_orders(self, gateway: SandboxProcess) -> None:
        gateway.fault(Fault.RESET_AFTER_SEND, times=2)
        for _ in range(2):
            make_order(notify=True)
        first, second = wait_for(Status.SENT, Status.SENT)
        assert_told(gateway, first, second)
        told = first.message
        one, other = first.parsed_snapshot.order, second.parsed_snapshot.order
        told = told.replace(one.code, other.code).replace(one.tracking_token, other.tracking_token)
        assert told == second.message
        assert [outcomes(row) for row in (first, second)] == [["unknown"]] * 2
        assert_at_rest()

    def test_of_two_attempts_to_deliver_one_order(self, gateway: SandboxProcess) -> None:
        order = make_order(until="shipped")
        gateway.fault(Fault.RESET_AFTER_SEND)
        apply_transition(order, "out_for_delivery")
        apply_transition(order, "fail_delivery", notify=False)
        apply_transition(order, "out_for_delivery")
        wait_for_attempts("unknown")
        gateway.fault(Fault.RESET_AFTER_SEND)
        first, second = wait_for(Status.SENT, Status.SENT)
        assert_told(gateway, first, second)
        assert first.message != second.message
        assert [outcomes(row) for row in (first, second)] == [["unknown"]] * 2
        assert_at_rest()

    def test_of_a_message_and_its_resend(self, gateway: SandboxProcess) -> None:
        make_order(notify=True)
        [message] = wait_for(Status.SENT)
        gateway.fault(Fault.RESET_AFTER_SEND)
        resend.resend(message)
        message, again = wait_for(Status.SENT, Status.SENT)
        assert_told(gateway, message, again)
        assert message.message == again.message
        assert (outcomes(message), outcomes(again)) == (["sent"], ["unknown"])
        assert_at_rest()


def test_a_gateway_that_is_away_and_comes_back_with_its_messages(gateway: SandboxProcess) -> None:
    say_first()
    gateway.fault(Fault.RESET_AFTER_SEND)
    say_two(phone(1))
    wait_for_attempts("unknown")
    gateway.stop()
    say_two(phone(2))
    wait_for_hold("gateway_unreachable")
    assert statuses() == [Status.SENT, Status.UNKNOWN, *[Status.PENDING] * 3]
    gateway.start()
    everything = wait_for(*[Status.SENT] * 5)
    assert_told_each(gateway, everything)
    _, left, _, waited, _ = everything
    assert (outcomes(left), left.attempts) == (["unknown"], 1)
    assert outcomes(left, Kind.LOOK_UP)[-1] == "found"
    # The unknown one and two that counted made the hold; then came the one that resumed.
    assert (set(outcomes(waited)[:-1]), waited.attempts) == ({"retryable"}, 3)
    assert_at_rest()
