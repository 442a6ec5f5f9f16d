"""Workers that are killed, stand still or are told to stop, at the worst moments.

Every message arrives, once, in its turn.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from flowlog.devtools.sandbox.faults import Fault
from integrations.models import DeliveryAttempt, EvolutionInstance
from orders.models import Order, Store
from orders.services import apply_transition
from tests.factories import make_order
from tests.faults.crew import Crew
from tests.faults.story import (
    Kind,
    Status,
    assert_at_rest,
    assert_told,
    outcomes,
    rows,
    say_first,
    say_two,
    text_of,
    wait_for,
    wait_for_attempts,
)
from tests.faults.worker import Action, Point
from tests.integrations.sandbox import SandboxProcess
from tests.processes import Process, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass(frozen=True)
class Death:
    """Where a worker dies, how it leaves the row, and how sends and look-ups of the row end in all."""

    point: Point
    leaves: Status
    sends: tuple[str, ...]
    look_ups: frozenset[str] = frozenset()
    may_begin_next: bool = False


DEATHS = (
    Death(Point.BEFORE_CLAIM, Status.PENDING, ("sent",)),
    # No request of the claim ever began, so nobody has to ask the gateway.
    Death(Point.AFTER_CLAIM, Status.SENDING, ("sent",)),
    # The gateway does not have it, though it has the message before: so it was not sent.
    Death(Point.BEFORE_REQUEST, Status.SENDING, ("", "sent"), frozenset({"not_found"})),
    Death(Point.BEFORE_BODY, Status.SENDING, ("", "sent"), frozenset({"not_found"})),
    Death(Point.AFTER_REQUEST, Status.SENDING, ("",), frozenset({"found"})),
    Death(Point.AFTER_ANSWER, Status.SENDING, ("",), frozenset({"found"})),
    Death(Point.BEFORE_COMMIT, Status.SENDING, ("",), frozenset({"found"})),
    # Mostly the next has begun with it, and was not sent either.
    Death(Point.AFTER_SETTLE, Status.SENT, ("sent",), may_begin_next=True),
)


@pytest.mark.parametrize("death", DEATHS, ids=lambda death: death.point)
def test_the_whole_worker_is_killed(crew: Crew, gateway: SandboxProcess, death: Death) -> None:
    if death.point is Point.AFTER_SETTLE:  # which is still before the sender when the first row says that it is sent
        crew.arm(death.point, Action.KILL, passes=1)
        say_first()
    else:
        say_first()
        crew.arm(death.point, Action.KILL)
    if death.point in {Point.AFTER_REQUEST, Point.BEFORE_COMMIT}:  # so that the second is there by then
        gateway.options(latency_ms=300)
    say_two()
    crew.wait_for_death()
    assert [row.status for row in rows()][:2] == [Status.SENT, death.leaves]
    begun = death.may_begin_next and rows()[2].status == Status.SENDING
    assert begun or rows()[2].status == Status.PENDING
    gateway.options(latency_ms=0)
    crew.sender()
    before, message, following = wait_for(*[Status.SENT] * 3)
    assert_told(gateway, before, message, following)
    assert tuple(outcomes(message)) == death.sends
    assert set(outcomes(message, Kind.LOOK_UP)) == death.look_ups
    assert message.attempts == len(death.sends)
    assert outcomes(following) == (["", "sent"] if begun else ["sent"])
    assert set(outcomes(following, Kind.LOOK_UP)) == ({"not_found"} if begun else set())
    assert following.attempts == len(outcomes(following))
    assert_at_rest()


def test_a_worker_is_killed_over_a_look_up(crew: Crew, gateway: SandboxProcess) -> None:
    say_first()
    gateway.fault(Fault.RESET_AFTER_SEND)
    crew.arm(Point.AFTER_LOOK_UP, Action.KILL)
    say_two()
    crew.wait_for_death()
    assert [row.status for row in rows()] == [Status.SENT, Status.UNKNOWN, Status.PENDING]
    crew.sender()
    before, message, following = wait_for(*[Status.SENT] * 3)
    assert_told(gateway, before, message, following)
    # The one that its worker did not live to settle is not on record; the next was on the row already.
    assert (outcomes(message), outcomes(message, Kind.LOOK_UP)) == (["unknown"], ["found"])
    assert_at_rest()


@pytest.mark.parametrize(
    ("point", "sends", "look_ups"),
    [(Point.AFTER_CLAIM, ["sent"], []), (Point.AFTER_ANSWER, [""], ["found"])],
    ids=lambda value: str(value) if isinstance(value, Point) else "",
)
def test_the_sending_child_alone_is_killed(
    crew: Crew, gateway: SandboxProcess, point: Point, sends: list[str], look_ups: list[str]
) -> None:
    sender = crew.sender()
    say_first()
    crew.arm(point, Action.KILL_CHILD)
    say_two()
    crew.wait_for_failure()
    before, message, following = wait_for(*[Status.SENT] * 3)
    assert not sender.is_dead
    assert_told(gateway, before, message, following)
    assert (outcomes(message), outcomes(message, Kind.LOOK_UP)) == (sends, look_ups)
    assert (message.attempts, following.attempts) == (1, 1)
    assert_at_rest()


class TestGatewayThatKeepsNothing:
    """After a death with the answer in hand there is no proof to be had: the store's setting decides."""

    def die_over_the_first_of_two(self, crew: Crew, gateway: SandboxProcess) -> None:
        gateway.options(keep_messages=False)
        say_first()
        crew.arm(Point.AFTER_ANSWER, Action.KILL)
        say_two()
        crew.wait_for_death()
        assert len(gateway.messages()) == 2
        crew.sender()

    def test_it_is_sent_again(self, crew: Crew, gateway: SandboxProcess) -> None:
        self.die_over_the_first_of_two(crew, gateway)
        before, message, following = wait_for(*[Status.SENT] * 3)
        assert gateway.texts() == [text_of(row) for row in (before, message, message, following)]
        assert message.provider_message_id == gateway.messages()[2]["key_id"]
        assert (outcomes(message), message.attempts) == (["", "sent"], 2)
        assert set(outcomes(message, Kind.LOOK_UP)) == {"not_found"}
        assert_at_rest()

    def test_or_left_to_the_staff(self, crew: Crew, gateway: SandboxProcess) -> None:
        assert Store.objects.update(on_unknown_outcome=Store.OnUnknownOutcome.ASK_STAFF) == 1
        self.die_over_the_first_of_two(crew, gateway)
        before, message, following = wait_for(Status.SENT, Status.FAILED, Status.SENT)
        assert gateway.texts() == [text_of(row) for row in (before, message, following)]
        assert (message.error_code, message.provider_message_id) == ("outcome_unknown", "")
        assert (outcomes(message), message.attempts) == ([""], 1)
        assert set(outcomes(message, Kind.LOOK_UP)) == {"not_found"}
        assert_at_rest()


class TestFrozen:
    """The sender stands still, its lease ends, another one takes over, and then the sender goes on."""

    def freeze(self, crew: Crew, point: Point) -> tuple[Process, Order]:
        """The sender, frozen over the first of an order's two messages."""
        say_first()
        crew.arm(point, Action.FREEZE)
        order = say_two()
        return crew.wait_for_frost(), order

    def go_on(self, sender: Process, order: Order) -> None:
        """Wake the sender, and wait until it is through with its old task: until it has sent a further message."""
        sender.thaw()
        apply_transition(order, "pay")
        wait_for(*[Status.SENT] * 4)

    @pytest.mark.parametrize(
        ("point", "look_ups"),
        [
            (Point.AFTER_CLAIM, set()),
            (Point.BEFORE_REQUEST, {"not_found"}),
            (Point.BEFORE_BODY, {"not_found"}),
            (Point.AFTER_ANSWER, {"found"}),
        ],
        ids=lambda value: str(value) if isinstance(value, Point) else "",
    )
    def test_another_one_has_sent_it_meanwhile(
        self, crew: Crew, gateway: SandboxProcess, point: Point, look_ups: set[str]
    ) -> None:
        sender, order = self.freeze(crew, point)
        substitute = crew.substitute()
        wait_for(*[Status.SENT] * 3)
        substitute.kill()
        self.go_on(sender, order)
        assert_told(gateway, *rows())
        message = rows()[1]
        assert outcomes(message)[-1] == "sent"
        assert set(outcomes(message, Kind.LOOK_UP)) == look_ups
        assert_at_rest()

    def test_another_one_has_sent_what_began_with_the_settling(self, crew: Crew, gateway: SandboxProcess) -> None:
        gateway.options(latency_ms=300)  # so that the second is there by then
        sender, order = self.freeze(crew, Point.AFTER_SETTLE)
        assert [(row.status, row.attempts) for row in rows()][1:] == [(Status.SENT, 1), (Status.SENDING, 1)]
        substitute = crew.substitute()
        wait_for(*[Status.SENT] * 3)
        substitute.kill()
        self.go_on(sender, order)
        assert_told(gateway, *rows())
        message = rows()[2]
        # The sender has taken back the attempt that it did not make.
        assert (outcomes(message), set(outcomes(message, Kind.LOOK_UP))) == (["sent"], {"not_found"})
        assert_at_rest()

    def test_its_late_answer_settles_what_nobody_could_look_up(self, crew: Crew, gateway: SandboxProcess) -> None:
        gateway.options(search_status=500)
        sender, order = self.freeze(crew, Point.AFTER_ANSWER)
        substitute = crew.substitute()
        wait_for_attempts("no_answer")
        assert [row.status for row in rows()] == [Status.SENT, Status.UNKNOWN, Status.PENDING]
        substitute.kill()
        self.go_on(sender, order)
        assert_told(gateway, *rows())
        message = rows()[1]
        assert (outcomes(message), message.attempts) == (["sent"], 1)
        assert set(outcomes(message, Kind.LOOK_UP)) == {"no_answer"}
        assert_at_rest()

    def test_its_late_answer_settles_what_was_to_be_sent_again(self, crew: Crew, gateway: SandboxProcess) -> None:
        sender, order = self.freeze(crew, Point.AFTER_ANSWER)
        # Nobody may send now, so that the row waits to be sent again, which only the gateway's poor memory explains.
        EvolutionInstance.objects.update(next_send_at=Now() + timedelta(hours=1))
        gateway.options(keep_messages=False)
        gateway.clear()
        substitute = crew.substitute()
        wait_for(Status.SENT, Status.PENDING, Status.PENDING)
        substitute.kill()
        sender.thaw()
        wait_for(Status.SENT, Status.SENT, Status.PENDING)
        EvolutionInstance.objects.update(next_send_at=Now())
        apply_transition(order, "pay")
        _before, message, *following = wait_for(*[Status.SENT] * 4)
        assert_told(gateway, *following)
        assert (outcomes(message), message.attempts) == (["sent"], 1)
        assert set(outcomes(message, Kind.LOOK_UP)) == {"not_found"}
        assert message.provider_message_id
        assert_at_rest()


def terminate_main(sender: Process) -> None:
    sender.popen.terminate()


def terminate_group(sender: Process) -> None:
    os.killpg(sender.popen.pid, signal.SIGTERM)


@pytest.mark.parametrize("terminate", [terminate_main, terminate_group])
def test_a_worker_that_is_told_to_stop_finishes_what_it_has_in_hand(
    crew: Crew, gateway: SandboxProcess, terminate: Callable[[Process], None]
) -> None:
    sender = crew.sender()
    say_first()
    gateway.options(latency_ms=350)
    for number in range(8):
        make_order(notify=True, customer_phone=f"+551190000111{number}")
    requests = DeliveryAttempt.objects.filter(kind=Kind.SEND)
    wait_until(lambda: requests.count() > 1, "a request in hand")
    terminate(sender)
    sender.popen.wait(20)
    assert sender.popen.returncode == 0
    # On a busy machine it may have begun another one before it was told.
    begun = requests.count()
    assert 2 <= begun < 9
    assert [row.status for row in rows()] == [Status.SENT] * begun + [Status.PENDING] * (9 - begun)
    assert_told(gateway, *rows()[:begun])
    gateway.options(latency_ms=0)
    crew.sender()
    wait_for(*[Status.SENT] * 9)
    assert_told(gateway, *rows())
    assert [(outcomes(row), row.attempts) for row in rows()] == [(["sent"], 1)] * 9
    assert_at_rest()
