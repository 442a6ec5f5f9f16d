"""Instances that cannot send, and one that must not send too fast: their messages wait, and leave in their order."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from django.db.models import F
from django.db.models.functions import Now

from flowlog.devtools.sandbox.faults import Fault
from integrations.models import DeliveryAttempt, EvolutionInstance
from tests.factories import make_order
from tests.faults.crew import Crew
from tests.faults.story import (
    Status,
    assert_at_rest,
    assert_told,
    outcomes,
    phone,
    rows,
    say_first,
    say_two,
    statuses,
    wait_for,
    wait_for_attempts,
    wait_for_hold,
)
from tests.integrations.sandbox import SandboxProcess
from tests.processes import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("crew")]

FOREVER = 1000


def test_a_streak_of_failures_holds_the_instance_until_one_succeeds(gateway: SandboxProcess) -> None:
    """What waits for its retry is the probe. That the gateway calls the instance connected proves nothing here."""
    gateway.fault(Fault.DATABASE_DOWN, times=FOREVER)
    say_two()
    wait_for_hold("gateway_database_down")
    held_at = EvolutionInstance.objects.get().held_at
    wait_for_attempts("retryable", 5)
    assert EvolutionInstance.objects.get().held_at == held_at
    gateway.fault(None)
    message, following = wait_for(Status.SENT, Status.SENT)
    assert_told(gateway, message, following)
    # Three that counted, and the one that resumed: the probes between them did not.
    assert message.attempts == 4
    assert set(outcomes(message)[:-1]) == {"retryable"}
    assert_at_rest()


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.CONNECTION_CLOSED_400, "connection_closed"),
        (Fault.CONNECTION_CLOSED_500, "connection_closed"),
        (Fault.NEVER_PAIRED, "never_paired"),
        (Fault.NEVER_CONNECTED, "never_connected"),
        (Fault.UNAUTHORIZED, "unauthorized"),
        (Fault.INSTANCE_NOT_FOUND, "instance_not_found"),
        (Fault.META_AUTH, "meta_auth"),
    ],
)
def test_an_instance_that_is_down_is_held_and_resumes(gateway: SandboxProcess, fault: Fault, code: str) -> None:
    gateway.fault(fault, times=FOREVER)
    say_two()
    wait_for_hold(code)
    wait_for_attempts("instance_down", 2)  # a probe in vain is among them
    assert statuses()[1] == Status.PENDING
    assert gateway.messages() == []
    gateway.fault(None)
    message, following = wait_for(Status.SENT, Status.SENT)
    assert_told(gateway, message, following)
    # What could not go is no attempt.
    assert (message.attempts, following.attempts) == (1, 1)
    assert set(outcomes(message)[:-1]) == {"instance_down"}
    assert (outcomes(message)[-1], outcomes(following)) == ("sent", ["sent"])
    assert_at_rest()


def test_a_dead_socket_that_the_gateway_calls_connected_is_one_hold(gateway: SandboxProcess) -> None:
    gateway.fault(Fault.CONNECTION_CLOSED_500, times=FOREVER)
    say_two()
    wait_for_hold("connection_closed")
    held_at = EvolutionInstance.objects.get().held_at
    # So often that its own pause is longer than that of the probes.
    wait_for_attempts("instance_down", 7)
    assert EvolutionInstance.objects.get().held_at == held_at
    gateway.fault(None)
    message, following = wait_for(Status.SENT, Status.SENT)
    assert_told(gateway, message, following)
    assert (message.attempts, following.attempts) == (1, 1)
    assert_at_rest()


def test_what_waits_for_a_held_instance_leaves_oldest_first(gateway: SandboxProcess, crew: Crew) -> None:
    # No sweep, so no probe either, which on a busy machine comes while the rows are still being written.
    crew.beat.freeze()
    say_first()
    gateway.disconnect("flowlog")
    for number in range(4):
        say_two(phone(number))
    wait_for_hold("connection_closed")
    # No probe for now, so that all stand still while they are looked at.
    EvolutionInstance.objects.update(probe_at=Now() + timedelta(hours=1))
    wait_until(lambda: not EvolutionInstance.objects.filter(slot_token__isnull=False).exists(), "a probe to end")
    _, tried, *waiting = rows()
    assert {(row.status, row.attempts) for row in (tried, *waiting)} == {(Status.PENDING, 0)}
    assert set(outcomes(tried)) == {"instance_down"}
    assert {(row.error_code, row.first_attempt_at) for row in waiting} == {("", None)}
    assert DeliveryAttempt.objects.exclude(notification=tried).count() == 1
    assert len(gateway.messages()) == 1
    gateway.disconnect("flowlog", disconnected=False)
    EvolutionInstance.objects.update(probe_at=Now())
    crew.beat.thaw()
    everything = wait_for(*[Status.SENT] * 9)
    assert_told(gateway, *everything)
    assert {row.attempts for row in everything} == {1}
    assert [outcomes(row) for row in everything if row != tried] == [["sent"]] * 8
    assert_at_rest()


@pytest.mark.other_servers
def test_a_burst_keeps_the_pace_and_its_order_with_two_workers(gateway: SandboxProcess, crew: Crew) -> None:
    EvolutionInstance.objects.update(messages_per_minute=600)
    crew.substitute()
    for number in range(12):
        make_order(notify=True, customer_phone=phone(number))
    everything = wait_for(*[Status.SENT] * 12)
    assert_told(gateway, *everything)
    assert [outcomes(row) for row in everything] == [["sent"]] * 12
    calls = DeliveryAttempt.objects.annotate(ended_at=F("started_at") + F("duration")).order_by("started_at")
    for earlier, later in pairwise(calls):
        assert earlier.ended_at <= later.started_at
    # Ten a second, ± 25 %: what one took longer is no debt of the next. The first may begin a while after its claim.
    first, last = calls[0], calls[len(calls) - 1]
    assert last.started_at - first.started_at > timedelta(seconds=11 * 0.075 - 0.1)
    assert_at_rest()
