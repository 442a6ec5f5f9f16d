"""What a claim, a wake-up and a sweep look at depends neither on how many messages wait nor on how many are blocked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from integrations.models import EvolutionInstance, NotificationLog
from notifications import claims, wakeups
from notifications.actions import cancel
from notifications.sweep import BATCH, Swept, _Round, sweep
from orders.models import Order, OrderEvent
from orders.services import apply_transition
from tests.broker import purge
from tests.buffers import buffers
from tests.factories import make_instance, make_order
from tests.meetings import another

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("new_tables")]

Status = NotificationLog.Status
# The sweep looks at so many that are blocked in each pass, and at no more.
FEW, MANY = 2 * BATCH, 10 * BATCH


@pytest.fixture(autouse=True)
def from_the_start() -> Iterator[None]:
    _Round.after = 0
    yield
    purge("whatsapp")


@pytest.fixture
def instance() -> EvolutionInstance:
    return make_instance()


def in_hand() -> NotificationLog:
    """The message that was sent just now, whose order has another one that is next."""
    row = NotificationLog.objects.get(order=make_order(notify=True))
    NotificationLog.objects.filter(pk=row.pk).update(
        status=Status.SENT, sent_at=Now(), next_attempt_at=Now() - timedelta(days=1)
    )
    return NotificationLog.objects.get(pk=row.pk)


def orders(number: int) -> list[Order]:
    """So many orders, the quick way."""
    template = make_order()
    values = {name: getattr(template, name) for name in ("store", "customer", "delivery_method", "total")}
    made = Order.objects.count()
    return Order.objects.bulk_create(Order(code=f"C{made + each}", **values) for each in range(number))


def messages(orders: list[Order], instance: EvolutionInstance, **values: Any) -> list[NotificationLog]:
    """A message of a new event of each order, due since an hour."""
    events = OrderEvent.objects.bulk_create(
        OrderEvent(order=order, transition="confirm", from_status="pending", status="confirmed") for order in orders
    )
    now = timezone.now()
    values = {"next_attempt_at": now - timedelta(hours=1), "status": Status.PENDING} | values
    rows = NotificationLog.objects.bulk_create(
        NotificationLog(
            event="confirm",
            order=event.order,
            order_event=event,
            instance=instance,
            dedupe_key=f"event:{event.pk}",
            recipient="+5511987654321",
            snapshot={},
            expires_at=now + timedelta(days=1),
            **values,
        )
        for event in events
    )
    commit()
    return rows


def commit() -> None:
    """What happens at a commit, now."""
    connection.check_constraints()


def analyze() -> None:
    """What PostgreSQL does by itself, now and then."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE integrations_notificationlog")


def waiting(number: int, instance: EvolutionInstance) -> None:
    messages(orders(number), instance)


def blocked(number: int, instance: EvolutionInstance) -> None:
    """They fell due before all others, but each order's first message is being looked up."""
    chosen = orders(number)
    messages(chosen, instance, status=Status.UNKNOWN, lookup_at=timezone.now() + timedelta(hours=1))
    messages(chosen, instance, next_attempt_at=timezone.now() - timedelta(hours=2))


def claim(row: NotificationLog) -> None:
    with transaction.atomic():
        claim = claims.claim(row.pk)
        assert claim
        assert claim.notification.status == Status.SENDING
        transaction.set_rollback(True)


def wake_next(row: NotificationLog) -> None:
    wakeups.wake_next(row)


def a_pass(row: NotificationLog) -> None:
    sweep()


WORKS = (claim, wake_next, a_pass)


def looked_at(work: Callable[[NotificationLog], None], row: NotificationLog) -> int:
    """How many buffers the work looks at, which is undone at the end."""
    _Round.after = 0
    with transaction.atomic():
        # The first time the catalogue is read, too.
        count = [buffers(lambda: work(row)) for _ in range(2)][1]
        transaction.set_rollback(True)
    return count


@pytest.mark.parametrize("fill", [waiting, blocked])
def test_the_work_does_not_grow_with_what_waits(
    instance: EvolutionInstance, fill: Callable[[int, EvolutionInstance], None]
) -> None:
    row, counts = in_hand(), []
    waiting(1, instance)
    for number in (FEW, MANY):
        fill(number, instance)
        analyze()
        counts.append({work.__name__: looked_at(work, row) for work in WORKS})
    few, many = counts
    # Indexes are a level deeper.
    assert [name for name in few if many[name] > 1.1 * few[name] + 60] == []


def capped(number: int, instance: EvolutionInstance) -> None:
    """They wait for the daily cap, and say so."""
    EvolutionInstance.objects.update(daily_cap=1)
    messages(orders(number), instance, error_code="daily_cap")


def test_a_pass_does_not_grow_with_what_the_cap_keeps_back(instance: EvolutionInstance) -> None:
    in_hand()
    waiting(1, instance)
    counts = []
    for number in (FEW, MANY):
        capped(number, instance)
        analyze()
        counts.append([buffers(sweep) for _ in range(2)][1])
        # One that is news is noted, at whatever length of the line.
        waiting(1, instance)
        assert sweep().put_off == 1
    few, many = counts
    assert many <= 1.1 * few + 60


def rows_fetched() -> int:
    """How many messages this transaction has read by their indexes or one after the other."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables"
            " WHERE relname = 'integrations_notificationlog'"
        )
        [[number]] = cursor.fetchall()
    return int(number)


def test_a_commit_does_not_grow_with_what_waits(instance: EvolutionInstance) -> None:
    """Though the database knows of a time at which nothing waited: one of a million rows tells it of no other soon."""
    messages(orders(300), instance, status=Status.SENT, sent_at=timezone.now())
    analyze()
    for_each = []
    for number in (20, 80):
        chosen = orders(number)
        messages(chosen, instance)
        before = rows_fetched()
        messages(chosen, instance)
        for_each.append((rows_fetched() - before) / number)
    assert NotificationLog.objects.filter(blocked=True).count() == 100
    few, many = for_each
    assert few == many


class TestBlocked:
    """Whether a row is called blocked, and by whom it is freed."""

    @pytest.fixture
    def line(self, instance: EvolutionInstance) -> list[NotificationLog]:
        """Three messages of one order."""
        [order] = orders(1)
        return [messages([order], instance)[0] for _ in range(3)]

    def blocked(self) -> list[bool]:
        return list(NotificationLog.objects.order_by("pk").values_list("blocked", flat=True))

    def test_all_but_the_first_of_an_order(self, line: list[NotificationLog]) -> None:
        assert self.blocked() == [False, True, True]

    def test_not_the_messages_of_other_orders_nor_resends(
        self, line: list[NotificationLog], instance: EvolutionInstance
    ) -> None:
        waiting(1, instance)
        NotificationLog.objects.create(
            order=line[0].order, instance=instance, dedupe_key="resend", snapshot={}, expires_at=Now()
        )
        NotificationLog.objects.create(instance=instance, dedupe_key="reply", snapshot={}, expires_at=Now())
        assert self.blocked() == [False, True, True, False, False, False]

    @pytest.mark.parametrize("status", [Status.FAILED, Status.SKIPPED, Status.CANCELLED])
    def test_whoever_finishes_the_first_frees_the_next(self, line: list[NotificationLog], status: str) -> None:
        NotificationLog.objects.filter(pk=line[0].pk).update(status=status, error_code="x")
        assert self.blocked() == [False, False, True]

    def test_whoever_deletes_it_too(self, line: list[NotificationLog]) -> None:
        NotificationLog.objects.filter(pk=line[0].pk).delete()
        assert self.blocked() == [False, True]

    @pytest.mark.parametrize("status", [Status.UNKNOWN, Status.PENDING])
    def test_nobody_who_only_moves_it_on(self, line: list[NotificationLog], status: str) -> None:
        NotificationLog.objects.filter(pk=line[0].pk).update(status=status)
        assert self.blocked() == [False, True, True]

    def test_the_end_of_one_in_the_middle_frees_nothing(self, line: list[NotificationLog]) -> None:
        NotificationLog.objects.filter(pk=line[1].pk).update(status=Status.CANCELLED)
        assert self.blocked() == [False, True, True]
        NotificationLog.objects.filter(pk=line[0].pk).update(status=Status.CANCELLED)
        assert self.blocked() == [False, True, False]

    def test_the_end_of_all_at_once_frees_nothing_that_waits(self, line: list[NotificationLog]) -> None:
        NotificationLog.objects.filter(pk__in=[line[0].pk, line[1].pk]).update(status=Status.CANCELLED)
        assert self.blocked() == [False, True, False]

    def test_a_row_of_the_release_before_that_knows_nothing_of_it(self, line: list[NotificationLog]) -> None:
        assert line[0].order
        event = OrderEvent.objects.create(order=line[0].order, transition="ship", from_status="a", status="b")
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO integrations_notificationlog (status, event, order_id, order_event_id, instance_id,"
                " dedupe_key, recipient, snapshot, message, provider_message_id, attempts, expires_at, error_code,"
                " error_message, celery_task_id) SELECT status, event, order_id, %s, instance_id, 'another',"
                " recipient, snapshot, '', '', 0, expires_at, '', '', '' FROM integrations_notificationlog"
                " WHERE id = %s",
                [event.pk, line[0].pk],
            )
        commit()
        assert self.blocked() == [False, True, True, True]

    def test_what_is_left_over_is_freed_by_the_sweep(self, line: list[NotificationLog]) -> None:
        rows = NotificationLog.objects.filter(pk=line[0].pk)
        rows.update(status=Status.CANCELLED)
        NotificationLog.objects.filter(pk=line[1].pk).update(blocked=True)
        assert claims.claim(line[1].pk) is None
        assert sweep() == Swept(freed=1)
        assert self.blocked() == [False, False, True]
        assert sweep() == Swept()
        assert claims.claim(line[1].pk)

    def test_the_sweep_comes_to_the_last_of_many(self, instance: EvolutionInstance) -> None:
        blocked(BATCH + 1, instance)
        last = NotificationLog.objects.latest("pk")
        NotificationLog.objects.filter(order=last.order).exclude(pk=last.pk).update(status=Status.CANCELLED)
        NotificationLog.objects.filter(pk=last.pk).update(blocked=True)
        assert [sweep().freed for _ in range(3)] == [0, 1, 0]

    def test_an_order_is_kept_though_nothing_is_called_blocked(self, line: list[NotificationLog]) -> None:
        NotificationLog.objects.update(blocked=False, next_attempt_at=Now() - timedelta(minutes=1))
        NotificationLog.objects.filter(pk=line[0].pk).update(status=Status.UNKNOWN)
        assert claims.claim(line[1].pk) is None


@pytest.mark.django_db(transaction=True)
class TestMeetings:
    """A status change and the end of the message before it, at the same moment."""

    @pytest.fixture
    def first(self, instance: EvolutionInstance) -> NotificationLog:
        return NotificationLog.objects.get(order=make_order(notify=True))

    def confirm(self, first: NotificationLog) -> None:
        assert first.order
        apply_transition(first.order, "confirm")

    def second(self) -> NotificationLog:
        return NotificationLog.objects.get(event="confirm")

    def test_the_end_comes_first(self, first: NotificationLog) -> None:
        with another() as other:
            with transaction.atomic():
                self.confirm(first)
                assert self.second().blocked
                assert other.does(lambda: cancel.cancel([first]))
            assert not self.second().blocked
        assert claims.claim(self.second().pk)

    def test_the_end_is_under_way(self, first: NotificationLog) -> None:
        with another() as other:
            with other.transaction():
                assert other.does(lambda: cancel.cancel([first]))
                self.confirm(first)
                # Not blocked, and yet not its turn.
                assert not self.second().blocked
                assert not claims.due().filter(event="confirm").exists()
            assert not self.second().blocked
        assert claims.claim(self.second().pk)

    def test_the_end_waits_for_the_commit(self, first: NotificationLog) -> None:
        with another() as other:
            with transaction.atomic():
                self.confirm(first)
                commit()
                ending = other.begins(lambda: cancel.cancel([first]))
                other.waits_or_ends(ending)
                assert not ending.done()
            assert ending.result()
            assert not self.second().blocked
        assert claims.claim(self.second().pk)

    def test_the_next_is_locked_by_somebody_else(self, first: NotificationLog) -> None:
        self.confirm(first)
        with another() as other:
            with other.transaction():
                other.does(lambda: NotificationLog.objects.filter(event="confirm").update(wakes=1))
                assert cancel.cancel([first])
            assert self.second().blocked
            assert sweep().freed == 1
        assert claims.claim(self.second().pk)
