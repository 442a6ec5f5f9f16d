"""An instance that cannot send is held by evidence, probed, and healed by evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from flowlog.devtools.sandbox.faults import Fault
from integrations.gateways.sentences import cause
from integrations.inbound.intake import process
from integrations.instances import connections
from integrations.messages.sentences import sentence
from integrations.models import EvolutionInstance, NotificationLog
from integrations.signals import instance_connection_changed
from notifications import claims, delivery
from notifications.delivery import SendResult, deliver
from notifications.lookups import look_up
from notifications.probes import probe
from notifications.sweep import Swept, sweep
from tests.broker import purge, take_all
from tests.factories import PHONE, make_instance, make_order
from tests.integrations import webhooks
from tests.integrations.sandbox import SandboxProcess
from tests.integrations.webhooks import post

pytestmark = pytest.mark.django_db(transaction=True)

Status = NotificationLog.Status
OTHER_PHONE = "+5511987650000"
OPEN_AGAIN = "Agora há sinal de conexão; a próxima mensagem mostra se é verdade."


@pytest.fixture(autouse=True)
def instance() -> EvolutionInstance:
    purge("whatsapp")
    return make_instance()


@pytest.fixture
def told() -> Iterator[list[tuple[str, bool]]]:
    """What `instance_connection_changed` says."""
    heard: list[tuple[str, bool]] = []

    def hear(instance: EvolutionInstance, held: bool, **_kwargs: Any) -> None:
        heard.append((instance.name, held))

    instance_connection_changed.connect(hear)
    yield heard
    instance_connection_changed.disconnect(hear)


def row_of(phone: str = PHONE) -> NotificationLog:
    return NotificationLog.objects.get(order=make_order(notify=True, customer_phone=phone))


def now() -> EvolutionInstance:
    return EvolutionInstance.objects.get()


def fresh(row: NotificationLog) -> NotificationLog:
    return NotificationLog.objects.get(pk=row.pk)


def due() -> None:
    """Let retries and the next probe come at once."""
    NotificationLog.objects.filter(status=Status.PENDING, next_attempt_at__gt=Now()).update(next_attempt_at=Now())
    EvolutionInstance.objects.filter(held_at__isnull=False).update(probe_at=Now())


class TestHeldBy:
    def test_the_instances_own_trouble_at_once(self, gateway: SandboxProcess, told: list[tuple[str, bool]]) -> None:
        row, other = row_of(), row_of(OTHER_PHONE)
        gateway.disconnect("flowlog")
        deliver(row.pk)
        assert told == [("flowlog", True)]
        held = now()
        assert (held.held_code, held.held_reason) == ("connection_closed", cause("connection_closed"))
        assert (held.state, held.probes, held.slot_token) == ("close", 0, None)
        assert held.held_at
        assert held.probe_at
        assert held.probe_at - held.held_at == timedelta(seconds=15)
        tried = fresh(row)
        assert (tried.status, tried.attempts, tried.next_attempt_at) == (Status.PENDING, 0, row.next_attempt_at)
        deliver(other.pk)
        assert fresh(other).delivery_attempts.count() == 0
        assert told == [("flowlog", True)]

    @pytest.mark.parametrize("fault", [Fault.RESET, Fault.SERVER_ERROR, Fault.FAILS_THEN_WORKS, Fault.META_RATE_LIMIT])
    def test_three_failures_in_a_row_with_different_numbers(
        self, gateway: SandboxProcess, fault: Fault, told: list[tuple[str, bool]]
    ) -> None:
        gateway.fault(fault, times=3)
        for number, expected in (("+5511900000001", []), ("+5511900000002", []), (OTHER_PHONE, [("flowlog", True)])):
            deliver(row_of(number).pk)
            assert told == expected
        assert now().held_code
        assert gateway.messages() == []

    def test_not_by_one_number_that_fails_again_and_again(self, gateway: SandboxProcess) -> None:
        gateway.fault(Fault.FAILS_THEN_WORKS, times=5)
        row = row_of()
        for attempts in range(1, 6):
            deliver(row.pk)
            assert fresh(row).attempts == attempts
            due()
        assert (now().held_at, now().failures) == (None, 1)

    def test_but_by_one_if_the_gateway_could_not_even_be_reached(self) -> None:
        row = row_of()
        for _ in range(3):
            assert now().held_at is None
            deliver(row.pk)
            due()
        assert (now().held_code, fresh(row).attempts) == ("gateway_unreachable", 3)

    @pytest.mark.parametrize("fault", [Fault.NOT_ON_WHATSAPP, Fault.META_RECIPIENT])
    def test_never_by_what_is_about_a_number(self, gateway: SandboxProcess, fault: Fault) -> None:
        gateway.fault(fault, times=5)
        for number in range(5):
            deliver(row_of(f"+551190000000{number}").pk)
        assert (now().held_at, now().failures) == (None, 0)

    @pytest.mark.parametrize(("proof", "status"), [(None, Status.SENT), (Fault.NOT_ON_WHATSAPP, Status.FAILED)])
    def test_a_sign_of_life_ends_the_streak(self, gateway: SandboxProcess, proof: Fault | None, status: str) -> None:
        gateway.fault(Fault.RESET, times=2)
        deliver(row_of("+5511900000001").pk)
        deliver(row_of("+5511900000002").pk)
        assert now().failures == 2
        gateway.fault(proof)
        row = row_of("+5511900000003")
        deliver(row.pk)
        assert (fresh(row).status, now().failures, now().failed_recipient) == (status, 0, "")


class TestDeadSocket:
    """Nothing can be sent, and the gateway calls the instance connected all the while."""

    def pass_time(self) -> list[str]:
        """What the sweep has tried at the next probe's time; the pauses of messages go on."""
        EvolutionInstance.objects.filter(held_at__isnull=False).update(probe_at=Now(), ask_at=None)
        sweep()
        tried = []
        for message in take_all("whatsapp"):
            task = message.headers["task"].rpartition(".")[2]
            act: Callable[[int], None] = deliver if task == "send_whatsapp" else probe
            act(message.decode()[0][0])
            tried.append(task)
        return tried

    @pytest.mark.parametrize("waiting", [1, 3])
    def test_never_looks_healed(self, gateway: SandboxProcess, told: list[tuple[str, bool]], waiting: int) -> None:
        gateway.fault(Fault.CONNECTION_CLOSED_500, times=1000)
        rows = [row_of(f"+551190000000{number}") for number in range(waiting)]
        deliver(rows[0].pk)
        purge("whatsapp")
        held_at = now().held_at
        for _ in range(20):
            assert self.pass_time() == ["send_whatsapp"]
            assert post(webhooks.connection("open")) == 200
            process()
        assert (told, now().held_at, now().probes) == ([("flowlog", True)], held_at, 20)
        assert [fresh(row).attempts for row in rows] == [0] * waiting
        gateway.fault(None)
        assert self.pass_time() == ["send_whatsapp"]
        assert (now().held_at, now().probes, told[1:]) == (None, 0, [("flowlog", False)])
        assert len(gateway.messages()) == 1

    def test_one_that_pauses_for_hours_is_the_probe_if_no_other_waits(self, gateway: SandboxProcess) -> None:
        row, later = row_of(), row_of(OTHER_PHONE)
        in_hours = timezone.now() + timedelta(hours=2)
        NotificationLog.objects.update(error_code="x")
        NotificationLog.objects.filter(pk=row.pk).update(next_attempt_at=in_hours)
        NotificationLog.objects.filter(pk=later.pk).update(next_attempt_at=in_hours + timedelta(hours=2))
        connections.hold(now().pk, "connection_closed")
        purge("whatsapp")
        assert sweep() == Swept()
        assert fresh(row).next_attempt_at == in_hours
        assert self.pass_time() == ["send_whatsapp"]
        assert (fresh(row).status, now().held_at) == (Status.SENT, None)
        assert fresh(later).next_attempt_at == in_hours + timedelta(hours=2)

    def test_at_an_instance_that_is_not_held_a_pause_stays_one(self) -> None:
        row = row_of()
        in_hours = timezone.now() + timedelta(hours=2)
        NotificationLog.objects.update(next_attempt_at=in_hours)
        assert sweep() == Swept()
        assert fresh(row).next_attempt_at == in_hours

    def test_that_somebody_releases_does_not_begin_the_hold_anew(self, gateway: SandboxProcess) -> None:
        gateway.fault(Fault.CONNECTION_CLOSED_500, times=1000)
        row = row_of()
        deliver(row.pk)
        for _ in range(3):
            self.pass_time()
        held_at = now().held_at
        assert connections.resume(now().pk)
        assert now().held_at is None
        deliver(row.pk)
        again = now()
        assert (again.held_at, again.probes, again.troubled_since) == (held_at, 3, None)
        assert again.probe_at
        assert timedelta(seconds=118) < again.probe_at - timezone.now() < timedelta(seconds=120)

    def test_a_release_that_a_message_proved_right_is_over(self, gateway: SandboxProcess) -> None:
        connections.hold(now().pk, "connection_closed")
        EvolutionInstance.objects.update(probes=4)
        began = now().held_at
        assert connections.resume(now().pk)
        assert (now().troubled_since, now().probes) == (began, 4)
        deliver(row_of().pk)
        assert (now().troubled_since, now().probes, now().state) == (None, 0, "open")
        connections.hold(now().pk, "connection_closed")
        held = now()
        assert held.held_at
        assert held.held_at != began
        assert held.probe_at == held.held_at + timedelta(seconds=15)

    @pytest.mark.parametrize("result", [SendResult(None, provider_message_id="3EB0"), SendResult(None)])
    def test_one_that_was_claimed_before_the_hold_ends_nothing_of_it(self, result: SendResult) -> None:
        row = row_of()
        claim = claims.claim(row.pk)
        assert claim
        attempt = claims.begin_attempt(claim)
        assert attempt
        connections.hold(now().pk, "connection_closed")
        EvolutionInstance.objects.update(state="close", probes=2)
        before = now()
        delivery.settle(claim, attempt, result)
        after = now()
        assert fresh(row).status == Status.SENT
        for name in ("held_at", "held_code", "state", "probes", "probe_at"):
            assert getattr(after, name) == getattr(before, name)
        assert after.slot_token is None

    def test_what_the_gateway_said_before_is_not_shown_as_news(self, gateway: SandboxProcess) -> None:
        EvolutionInstance.objects.update(state="open")
        gateway.fault(Fault.DATABASE_DOWN, times=3)
        for number in range(3):
            deliver(row_of(f"+551190000000{number}").pk)
        assert (now().held_code, now().state) == ("gateway_database_down", "unknown")
        assert connections.why_held(now()) == cause("gateway_database_down")


class TestProbing:
    def test_the_oldest_waiting_message_is_the_probe_and_spends_no_attempt(self, gateway: SandboxProcess) -> None:
        rows = [row_of(), row_of(OTHER_PHONE)]
        gateway.disconnect("flowlog")
        deliver(rows[0].pk)
        for probes in (1, 2):
            deliver(rows[1].pk)
            assert now().probes == probes - 1
            due()
            deliver(rows[1].pk)
            assert (now().probes, fresh(rows[0]).attempts, fresh(rows[1]).attempts) == (probes, 0, 0)
        assert (fresh(rows[0]).delivery_attempts.count(), fresh(rows[1]).delivery_attempts.count()) == (3, 0)

    def test_trouble_that_would_be_retried_spends_no_attempt_either(self, gateway: SandboxProcess) -> None:
        row = row_of()
        connections.hold(now().pk, "gateway_unreachable")
        due()
        gateway.fault(Fault.DATABASE_DOWN)
        deliver(row.pk)
        tried = fresh(row)
        assert (tried.status, tried.attempts, tried.next_attempt_at) == (Status.PENDING, 0, row.next_attempt_at)
        assert (now().held_code, now().held_reason) == ("gateway_database_down", cause("gateway_database_down"))

    def test_after_three_in_vain_another_message_tries(self, gateway: SandboxProcess) -> None:
        """Should the first be the trouble itself, it does not hold the instance for a day."""
        rows = [row_of(), row_of(OTHER_PHONE)]
        gateway.fault(Fault.CONNECTION_CLOSED_500, times=4)
        for _ in range(6):
            deliver(rows[0].pk)
            due()
        assert [fresh(row).status for row in rows] == [Status.SENT, Status.SENT]
        assert gateway.texts() == [fresh(rows[1]).message, fresh(rows[0]).message]

    def test_a_sent_message_resumes_and_the_rest_goes_oldest_first(
        self, gateway: SandboxProcess, told: list[tuple[str, bool]]
    ) -> None:
        rows = [row_of() for _ in range(3)]
        gateway.disconnect("flowlog")
        for _ in range(3):
            deliver(rows[0].pk)
            EvolutionInstance.objects.update(probe_at=Now())
        assert fresh(rows[0]).next_attempt_at > timezone.now()
        gateway.disconnect("flowlog", disconnected=False)
        told.clear()
        due()
        deliver(rows[2].pk)
        assert told == [("flowlog", False)]
        healed = now()
        assert (healed.held_at, healed.probe_at, healed.held_code, healed.held_reason, healed.probes) == (
            None, None, "", "", 0,
        )  # fmt: skip
        assert (healed.state, healed.failures) == ("open", 0)
        deliver(rows[2].pk)
        deliver(rows[2].pk)
        # The first one had been tried in vain too often to be the probe; it is the next one now.
        assert gateway.texts() == [fresh(rows[place]).message for place in (1, 0, 2)]
        assert [fresh(row).attempts for row in rows] == [1, 1, 1]

    def test_a_number_that_is_not_on_whatsapp_resumes_too(self, gateway: SandboxProcess) -> None:
        row = row_of()
        connections.hold(now().pk, "connection_closed")
        due()
        gateway.fault(Fault.NOT_ON_WHATSAPP)
        deliver(row.pk)
        assert (fresh(row).status, now().held_at) == (Status.FAILED, None)

    @pytest.mark.parametrize("fault", [Fault.NOT_STORED, Fault.RESET_AFTER_SEND, Fault.META_RECIPIENT])
    def test_nothing_less_resumes(self, gateway: SandboxProcess, fault: Fault) -> None:
        row = row_of()
        connections.hold(now().pk, "connection_closed")
        due()
        gateway.fault(fault)
        deliver(row.pk)
        assert now().held_at is not None

    @pytest.mark.parametrize("later", [False, True])
    def test_a_probe_found_to_have_left_resumes_unless_one_failed_since(
        self, gateway: SandboxProcess, told: list[tuple[str, bool]], later: bool
    ) -> None:
        row, other = row_of(), row_of(OTHER_PHONE)
        connections.hold(now().pk, "connection_closed")
        due()
        gateway.fault(Fault.RESET_AFTER_SEND)
        deliver(row.pk)
        assert (fresh(row).status, now().held_at is None) == (Status.UNKNOWN, False)
        if later:
            gateway.disconnect("flowlog")
            due()
            deliver(other.pk)
        NotificationLog.objects.filter(pk=row.pk).update(lookup_at=Now())
        told.clear()
        look_up(row.pk)
        gateway.disconnect("flowlog", disconnected=False)
        assert fresh(row).status == Status.SENT
        assert (now().held_at is None, told) == ((False, []) if later else (True, [("flowlog", False)]))
        assert later or (now().probes, now().state) == (0, "open")

    def test_one_that_left_before_the_hold_resumes_nothing_when_it_is_found(self, gateway: SandboxProcess) -> None:
        row = row_of()
        gateway.fault(Fault.RESET_AFTER_SEND)
        deliver(row.pk)
        connections.hold(now().pk, "connection_closed")
        NotificationLog.objects.update(lookup_at=Now())
        look_up(row.pk)
        assert (fresh(row).status, now().held_at is None) == (Status.SENT, False)

    def test_the_answer_of_a_probe_that_comes_late_resumes_too(self, gateway: SandboxProcess) -> None:
        row = row_of()
        connections.hold(now().pk, "connection_closed")
        due()
        claim = claims.claim(row.pk)
        assert claim
        attempt = claims.begin_attempt(claim)
        assert attempt
        attempt.refresh_from_db()
        NotificationLog.objects.update(status=Status.UNKNOWN, lease_until=None)
        delivery.settle(claim, attempt, SendResult(None, provider_message_id="3EB0LATE", http_status=201))
        assert (fresh(row).status, now().held_at) == (Status.SENT, None)

    @pytest.mark.parametrize("code", ["gateway_unreachable", "number_query_timeout", "connection_closed"])
    def test_what_failed_because_of_it_waits_no_longer_once_it_is_healed(self, code: str) -> None:
        row = row_of()
        NotificationLog.objects.update(next_attempt_at=Now() + timedelta(hours=4), error_code=code, attempts=7)
        connections.hold(now().pk, "connection_closed")
        assert connections.resume(now().pk)
        assert fresh(row).next_attempt_at == fresh(row).created_at

    @pytest.mark.parametrize("code", ["", "cannot_prepare", "did_not_arrive", "meta_rate_limit", "meta_unavailable"])
    def test_what_waits_for_its_own_reasons_goes_on_waiting(self, code: str) -> None:
        row = row_of()
        later = timezone.now() + timedelta(hours=4)
        NotificationLog.objects.update(next_attempt_at=later, error_code=code)
        connections.hold(now().pk, "connection_closed")
        assert connections.resume(now().pk)
        assert fresh(row).next_attempt_at == later

    def test_look_ups_come_at_once(self) -> None:
        row = row_of()
        NotificationLog.objects.update(status=Status.UNKNOWN, lookup_at=Now() + timedelta(minutes=10))
        connections.hold(now().pk, "gateway_unreachable")
        assert connections.resume(now().pk)
        looked_up = fresh(row).lookup_at
        assert looked_up
        assert looked_up <= timezone.now()

    def test_one_that_always_meets_a_closed_connection_lets_the_others_go(self, gateway: SandboxProcess) -> None:
        poison = row_of("+5511987659003")
        others = []
        for number in range(8):
            others.append(row_of(f"+551190000001{number}"))
            # The instance's probes come in time, but for the pause of the message only as much as passes here.
            EvolutionInstance.objects.filter(held_at__isnull=False).update(probe_at=Now())
            deliver(others[-1].pk)
        for _ in range(4):
            EvolutionInstance.objects.filter(held_at__isnull=False).update(probe_at=Now())
            deliver(poison.pk)
        assert [fresh(row).status for row in others] == [Status.SENT] * 8
        assert now().held_at is None
        tried = fresh(poison)
        assert (tried.status, tried.attempts) == (Status.PENDING, 0)
        # Once more when the first of the others had healed the instance; since then it keeps its pause.
        assert tried.delivery_attempts.count() == 4
        assert tried.next_attempt_at > timezone.now() + timedelta(seconds=60)

    def test_the_pause_of_one_that_fails_again_grows_up_to_that_of_probes(self, gateway: SandboxProcess) -> None:
        row, pauses = row_of("+5511987659003"), []
        for _ in range(7):
            deliver(row.pk)
            pauses.append((fresh(row).next_attempt_at - timezone.now()).total_seconds())
            due()
        assert all(pause <= 0 for pause in pauses[:2])
        assert [round(pause, -1) >= least for pause, least in zip(pauses[2:], (20, 90, 300, 300, 300), strict=True)]
        assert max(pauses) <= 300

    def test_the_refusal_of_one_message_lets_the_next_probe_at_once(self, gateway: SandboxProcess) -> None:
        refused, row = row_of("+5511987659014"), row_of()
        connections.hold(now().pk, "connection_closed")
        due()
        deliver(refused.pk)
        assert (fresh(refused).status, now().held_code) == (Status.FAILED, "connection_closed")
        deliver(row.pk)
        assert (fresh(row).status, now().held_at) == (Status.SENT, None)

    def test_the_pace_holds_while_it_drains(self, gateway: SandboxProcess) -> None:
        EvolutionInstance.objects.update(messages_per_minute=1)
        row, other = row_of(), row_of(OTHER_PHONE)
        connections.hold(now().pk, "connection_closed")
        due()
        deliver(row.pk)
        assert (fresh(row).status, now().held_at) == (Status.SENT, None)
        deliver(other.pk)
        assert fresh(other).status == Status.PENDING
        assert now().next_send_at - timezone.now() > timedelta(seconds=40)


class TestProbingWithoutMessages:
    def hold(self) -> EvolutionInstance:
        connections.hold(now().pk, "connection_closed")
        due()
        return now()

    def test_the_sweep_has_the_gateway_asked_once_and_then_later(self) -> None:
        instance = self.hold()
        assert sweep() == Swept(probed=1)
        [message] = take_all("whatsapp")
        assert (message.headers["task"], message.decode()[0]) == ("notifications.tasks.probe", [instance.pk])
        assert sweep() == Swept()
        for pause in (30, 60, 120, 240, 300, 300):
            ask_at = now().ask_at
            assert ask_at
            assert timedelta(seconds=pause - 2) < ask_at - timezone.now() < timedelta(seconds=pause)
            EvolutionInstance.objects.update(ask_at=Now())
            assert sweep() == Swept(probed=1)

    def test_the_next_message_is_the_probe_at_once(self, gateway: SandboxProcess, told: list[tuple[str, bool]]) -> None:
        instance = self.hold()
        assert sweep() == Swept(probed=1)
        probe(instance.pk)
        told.clear()
        row, other = row_of(), row_of(OTHER_PHONE)
        gateway.fault(Fault.CONNECTION_CLOSED_500)
        deliver(row.pk)
        assert (fresh(row).status, now().held_at, now().state) == (Status.PENDING, instance.held_at, "close")
        # Only one: the next comes in its time.
        deliver(other.pk)
        assert fresh(other).delivery_attempts.count() == 0
        EvolutionInstance.objects.update(probe_at=Now())
        deliver(other.pk)
        assert (fresh(row).status, now().held_at, told) == (Status.SENT, None, [("flowlog", False)])

    @pytest.mark.parametrize("code", ["cannot_prepare", "daily_cap"])
    def test_where_none_that_waits_could_show_it_the_gateway_is_asked(self, gateway: SandboxProcess, code: str) -> None:
        deliver(row_of().pk)
        row = row_of(OTHER_PHONE)
        self.hold()
        if code == "daily_cap":
            EvolutionInstance.objects.update(daily_cap=1)
        else:
            NotificationLog.objects.filter(pk=row.pk).update(next_attempt_at=Now() + timedelta(minutes=10))
        NotificationLog.objects.filter(pk=row.pk).update(error_code=code)
        before = fresh(row).next_attempt_at
        assert sweep() == Swept(probed=1)
        assert fresh(row).next_attempt_at == before

    def test_where_a_message_waits_it_is_woken_instead(self) -> None:
        row = row_of()
        purge("whatsapp")
        self.hold()
        assert sweep() == Swept(woken=1)
        assert [message.decode()[0][0] for message in take_all("whatsapp")] == [row.pk]

    def test_open_resumes_nothing(self, gateway: SandboxProcess, told: list[tuple[str, bool]]) -> None:
        instance = self.hold()
        told.clear()
        probe(instance.pk)
        assert (now().held_at, now().held_code, now().state, told) == (
            instance.held_at, "connection_closed", "open", [],
        )  # fmt: skip
        assert connections.why_held(now()) == f"{cause('connection_closed')} {OPEN_AGAIN}"

    def test_anything_else_does_not(self, gateway: SandboxProcess) -> None:
        instance = self.hold()
        gateway.disconnect("flowlog")
        probe(instance.pk)
        assert (now().state, now().held_at) == ("close", instance.held_at)
        EvolutionInstance.objects.update(name="unknown-to-the-gateway")
        probe(instance.pk)
        assert now().held_at == instance.held_at

    def test_an_instance_that_is_not_held_is_not_asked(self, gateway: SandboxProcess) -> None:
        probe(now().pk)
        assert now().state == "unknown"


class TestSignal:
    def test_says_nothing_twice(self, told: list[tuple[str, bool]]) -> None:
        pk = now().pk
        assert [connections.hold(pk, "unauthorized"), connections.hold(pk, "connection_closed")] == [
            True, False,
        ]  # fmt: skip
        assert (now().held_code, now().held_reason) == ("connection_closed", cause("connection_closed"))
        assert [connections.resume(pk), connections.resume(pk)] == [True, False]
        assert told == [("flowlog", True), ("flowlog", False)]

    def test_a_receiver_that_fails_changes_nothing(self) -> None:
        def fail(**_kwargs: Any) -> None:
            raise ZeroDivisionError

        instance_connection_changed.connect(fail)
        try:
            connections.hold(now().pk, "unauthorized")
        finally:
            instance_connection_changed.disconnect(fail)
        assert now().held_code == "unauthorized"


def test_what_expires_while_held_says_so() -> None:
    row, free = row_of(), row_of()
    other = make_instance(name="other", is_default=False)
    NotificationLog.objects.filter(pk=free.pk).update(instance=other)
    connections.hold(EvolutionInstance.objects.get(name="flowlog").pk, "unauthorized")
    NotificationLog.objects.update(expires_at=F("created_at"))
    assert sweep().expired == 2
    assert (fresh(row).status, fresh(row).error_code) == (Status.FAILED, "expired")
    assert fresh(row).error_message == f"{sentence('expired')} {cause('unauthorized')}"
    assert fresh(free).error_message == sentence("expired")
