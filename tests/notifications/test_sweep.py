"""What was left behind is ended or woken; nothing else is touched."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.messages.sentences import sentence
from integrations.models import EvolutionInstance, NotificationLog
from notifications import claims
from notifications.sweep import Swept, sweep
from orders.services import apply_transition
from tests.broker import purge, take_all
from tests.factories import make_instance, make_order

pytestmark = pytest.mark.django_db

Status = NotificationLog.Status


@pytest.fixture(autouse=True)
def empty_queue() -> Iterator[None]:
    purge("whatsapp")
    yield
    purge("whatsapp")


def woken() -> list[int]:
    """The rows for which wake-ups are in the queue, oldest first; empties it."""
    return [message.decode()[0][0] for message in take_all("whatsapp")]


def row(**values: Any) -> NotificationLog:
    created = NotificationLog.objects.get(order=make_order(notify=True))
    NotificationLog.objects.filter(pk=created.pk).update(**values)
    return NotificationLog.objects.get(pk=created.pk)


def sending(**values: Any) -> NotificationLog:
    return row(status=Status.SENDING, claim_token=uuid.uuid4(), **values)


@pytest.fixture(autouse=True)
def instance() -> EvolutionInstance:
    return make_instance()


def test_a_pass_that_finds_nothing_to_do_makes_one_statement(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        assert sweep() == Swept()


def test_a_lease_that_ran_out_becomes_unknown_never_pending() -> None:
    dead, alive = sending(lease_until=Now()), sending(lease_until=Now() + timedelta(minutes=1))
    assert sweep() == Swept(lease_expired=1, looked_up=1)
    dead.refresh_from_db()
    assert (dead.status, dead.error_code, dead.lease_until) == (Status.UNKNOWN, "lease_expired", None)
    assert dead.error_message
    alive.refresh_from_db()
    assert alive.status == Status.SENDING


def test_what_is_too_old_fails_with_its_reason() -> None:
    late, lost = row(expires_at=Now()), row(status=Status.UNKNOWN, expires_at=Now())
    young = row(status=Status.UNKNOWN)
    assert sweep() == Swept(expired=1, outcome_unknown=1)
    for one, code in ((late, "expired"), (lost, "outcome_unknown")):
        one.refresh_from_db()
        assert (one.status, one.error_code) == (Status.FAILED, code)
        assert one.error_message
    young.refresh_from_db()
    assert young.status == Status.UNKNOWN


def test_wakes_what_was_never_published() -> None:
    lost = row(woken_at=None)
    assert sweep().woken == 1
    assert woken() == [lost.pk]
    lost.refresh_from_db()
    assert (lost.wakes, lost.status) == (1, Status.PENDING)
    assert sweep().woken == 0


@pytest.mark.parametrize(("wakes", "pause"), [(0, 60), (1, 120), (2, 240), (3, 480), (4, 600), (30, 600)])
def test_wakes_again_after_a_pause_that_doubles_up_to_ten_minutes(wakes: int, pause: int) -> None:
    EvolutionInstance.objects.update(next_send_at=Now() - timedelta(hours=1))
    lost = row(wakes=wakes, woken_at=Now() - timedelta(seconds=pause - 2))
    assert sweep().woken == 0
    NotificationLog.objects.update(woken_at=Now() - timedelta(seconds=pause))
    assert sweep().woken == 1
    assert woken() == [lost.pk]


def test_wakes_only_what_can_be_claimed() -> None:
    first = row(woken_at=None)
    assert first.order
    apply_transition(first.order, "confirm")
    NotificationLog.objects.update(woken_at=None)
    row(woken_at=None, next_attempt_at=Now() + timedelta(minutes=1))
    row(woken_at=None, status=Status.UNKNOWN, lookup_at=Now() + timedelta(minutes=1))
    woken()
    assert sweep().woken == 1
    assert woken() == [first.pk]
    EvolutionInstance.objects.update(next_send_at=Now() + timedelta(minutes=1))
    NotificationLog.objects.update(woken_at=None)
    assert sweep().woken == 0


def test_wakes_the_longest_due_of_each_instance_which_wakes_the_rest(instance: EvolutionInstance) -> None:
    now = timezone.now()
    rows = [row(woken_at=None, next_attempt_at=now - timedelta(minutes=age)) for age in (1, 3, 2)]
    other = EvolutionInstance.objects.create(name="other", store=instance.store)
    elsewhere = row(woken_at=None, instance=other)
    assert sweep().woken == 2
    assert sorted(woken()) == sorted([rows[1].pk, elsewhere.pk])


def test_wakes_again_as_soon_as_the_pace_allows_the_next() -> None:
    """However often it was woken before: a countdown that came too early or was lost must not slow the pace."""
    waiting = row(wakes=9, woken_at=Now() - timedelta(seconds=3))
    EvolutionInstance.objects.update(next_send_at=Now() + timedelta(seconds=30))
    assert sweep().woken == 0
    EvolutionInstance.objects.update(next_send_at=Now() - timedelta(seconds=1))
    assert sweep().woken == 1
    assert woken() == [waiting.pk]
    assert sweep().woken == 0


def test_messages_without_an_instance_are_woken_too() -> None:
    lost = row(woken_at=None, instance=None)
    assert sweep().woken == 1
    assert woken() == [lost.pk]


def test_a_pass_costs_the_same_statements_for_any_number() -> None:
    counts = []
    for size in (1, 30):
        for _ in range(size):
            row()
        NotificationLog.objects.update(woken_at=None)
        with CaptureQueriesContext(connection) as queries:
            assert sweep().woken == 1
        counts.append(sum("SAVEPOINT" not in query["sql"] for query in queries))
    assert counts[0] == counts[1] == 7


class TestLookUps:
    def test_are_woken_when_they_are_due(self) -> None:
        early = row(status=Status.UNKNOWN, lookup_at=Now() + timedelta(seconds=5))
        late = row(status=Status.UNKNOWN, lookup_at=Now() + timedelta(seconds=5), woken_at=Now())
        purge("whatsapp")
        assert sweep() == Swept()
        NotificationLog.objects.filter(pk=late.pk).update(lookup_at=F("woken_at") + timedelta(microseconds=1))
        assert sweep() == Swept(looked_up=1)
        [message] = take_all("whatsapp")
        assert (message.headers["task"], message.decode()[0]) == ("notifications.tasks.look_up", [late.pk])
        assert sweep() == Swept()
        assert NotificationLog.objects.get(pk=early.pk).wakes == 0

    def test_a_lost_wake_up_is_repeated_after_a_pause(self) -> None:
        now = timezone.now()
        lost = row(status=Status.UNKNOWN, lookup_at=now - timedelta(hours=1), woken_at=now - timedelta(seconds=58))
        assert sweep().looked_up == 0
        NotificationLog.objects.update(woken_at=Now() - timedelta(seconds=60))
        assert sweep().looked_up == 1
        assert NotificationLog.objects.get(pk=lost.pk).wakes == 1

    def test_an_unknown_row_of_an_older_release_is_looked_up_too(self) -> None:
        row(status=Status.UNKNOWN, lookup_at=None, woken_at=Now() - timedelta(seconds=60))
        assert sweep().looked_up == 1


class TestDailyCap:
    def test_what_it_keeps_back_says_so_and_lives_as_many_days_longer(self, instance: EvolutionInstance) -> None:
        row(status=Status.SENT, sent_at=Now())
        EvolutionInstance.objects.update(daily_cap=1)
        rows = [row() for _ in range(3)]
        assert sweep() == Swept(put_off=3)
        for days, before in enumerate(rows, start=1):
            after = NotificationLog.objects.get(pk=before.pk)
            assert (after.status, after.error_code) == (Status.PENDING, "daily_cap")
            assert after.error_message == sentence("daily_cap")
            assert after.expires_at - before.expires_at == timedelta(days=days)
            assert after.next_attempt_at == before.next_attempt_at
        assert sweep() == Swept()

    def test_what_comes_later_is_put_off_behind_it(self, instance: EvolutionInstance) -> None:
        row(status=Status.SENT, sent_at=Now())
        EvolutionInstance.objects.update(daily_cap=1)
        row()
        sweep()
        later = row()
        assert sweep() == Swept(put_off=1)
        assert NotificationLog.objects.get(pk=later.pk).expires_at - later.expires_at == timedelta(days=2)

    def test_again_and_again_it_lives_no_longer_than_that(self, instance: EvolutionInstance) -> None:
        row(status=Status.SENT, sent_at=Now())
        EvolutionInstance.objects.update(daily_cap=1)
        waiting = row()
        for _ in range(3):
            assert sweep() == Swept(put_off=1)
            NotificationLog.objects.filter(pk=waiting.pk).update(error_code="gateway_unreachable")
        assert NotificationLog.objects.get(pk=waiting.pk).expires_at - waiting.expires_at == timedelta(days=1)

    def test_news_that_is_soon_too_old_gets_no_older(self, instance: EvolutionInstance) -> None:
        row(status=Status.SENT, sent_at=Now())
        EvolutionInstance.objects.update(daily_cap=1)
        waiting = row(expires_at=Now() + timedelta(hours=1))
        assert sweep() == Swept(put_off=1)
        after = NotificationLog.objects.get(pk=waiting.pk)
        assert (after.error_code, after.expires_at) == ("daily_cap", waiting.expires_at)

    def test_a_held_instance_is_asked_for_its_state_all_the_same(self, instance: EvolutionInstance) -> None:
        row(status=Status.SENT, sent_at=Now())
        EvolutionInstance.objects.update(
            daily_cap=1, held_at=Now(), held_code="connection_closed", probe_at=Now(), probes=0
        )
        row(error_code="daily_cap")
        assert sweep() == Swept(probed=1)

    def test_below_it_nothing_is_put_off(self, instance: EvolutionInstance) -> None:
        row(status=Status.SENT, sent_at=Now())
        EvolutionInstance.objects.update(daily_cap=2)
        waiting = row(woken_at=Now())
        assert sweep().put_off == 0
        assert NotificationLog.objects.get(pk=waiting.pk).error_code == ""

    def test_a_higher_cap_lets_them_go_at_once(self, instance: EvolutionInstance) -> None:
        row(status=Status.SENT, sent_at=Now())
        EvolutionInstance.objects.update(daily_cap=1)
        waiting = row()
        sweep()
        assert claims.claim(waiting.pk) is None
        EvolutionInstance.objects.update(daily_cap=2)
        claim = claims.claim(waiting.pk)
        assert claim
        assert claim.notification.pk == waiting.pk
