"""Reminding of an order that waits at the counter: once for each deadline, in time, and in the order's turn."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from flowlog.staffpages.groups import MANAGEMENT_GROUP
from integrations.messages.kinds import KINDS, Kind
from integrations.messages.snapshot import Snapshot
from integrations.models import NotificationLog
from notifications import claims, texts
from notifications.actions import resend
from notifications.reminders import remind_of_pickups
from notifications.tasks import remind_of_pickups as task
from orders import news
from orders.models import Order, Store
from orders.services import apply_transition
from tests.factories import make_instance, make_order
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

Status = NotificationLog.Status


def ready(*, hours_left: float = 23, told_hours_ago: float = 72, notify: bool = True) -> Order:
    """An order that waits at the counter; the earlier messages have been sent."""
    order = make_order(until="ready_for_pickup", notify=notify)
    now = timezone.now()
    Order.objects.filter(pk=order.pk).update(pickup_deadline=now + timedelta(hours=hours_left))
    NotificationLog.objects.filter(order=order).update(
        status=Status.SENT, sent_at=now, created_at=now - timedelta(hours=told_hours_ago)
    )
    order.refresh_from_db()
    return order


def reminders() -> list[NotificationLog]:
    return list(NotificationLog.objects.filter(event="pickup_reminder").order_by("pk"))


def test_a_customer_is_reminded_once_for_each_deadline() -> None:
    instance = make_instance()
    order = ready()
    assert [remind_of_pickups(), remind_of_pickups()] == [1, 0]
    (row,) = reminders()
    assert (row.order, row.order_event, row.instance) == (order, order.events.latest("pk"), instance)
    assert (row.recipient, row.status, row.blocked) == ("+5511987654321", Status.PENDING, False)
    assert row.expires_at - row.created_at == timedelta(hours=12)
    told = (row.snapshot["event"], row.snapshot["order"]["pickup_deadline"])
    assert order.pickup_deadline
    assert told == ("pickup_reminder", order.pickup_deadline.isoformat())
    text = texts.render(row.event, Snapshot.from_json(row.snapshot))
    assert text.startswith(f"Maria, seu pedido *{order.code}* ainda espera por você. ⏳\n\nRetire até ")
    assert f"\nCódigo de retirada: *{order.pickup_code}*\n" in text
    Order.objects.filter(pk=order.pk).update(pickup_deadline=order.pickup_deadline + timedelta(hours=1))
    task()
    assert len(reminders()) == 2


def test_a_reminder_ends_with_its_deadline(settings: Any) -> None:
    settings.PICKUP_REMINDER_HOURS = 2
    make_instance()
    order = ready(hours_left=1)
    assert remind_of_pickups() == 1
    assert reminders()[0].expires_at == order.pickup_deadline


@pytest.mark.parametrize(
    "values",
    [
        {"hours_left": -1}, {"hours_left": 25}, {"hours_left": 20.5}, {"told_hours_ago": 10}, {"notify": False},
    ],
)  # fmt: skip
def test_nobody_is_reminded_too_early_too_late_too_soon_or_untold(values: dict[str, Any]) -> None:
    make_instance()
    ready(**values)
    assert (remind_of_pickups(), reminders()) == (0, [])


@pytest.mark.parametrize("end", ["pick_up", "expire_pickup", "cancel"])
def test_who_has_come_or_comes_no_more_is_not_reminded(end: str) -> None:
    make_instance()
    order = ready()
    apply_transition(order, end, notify=False)
    assert remind_of_pickups() == 0


def test_without_hours_nobody_is_reminded(settings: Any) -> None:
    settings.PICKUP_REMINDER_HOURS = 0
    make_instance()
    ready()
    assert remind_of_pickups() == 0


def test_the_work_is_the_same_for_one_and_for_many() -> None:
    make_instance()

    def statements() -> tuple[int, int]:
        with CaptureQueriesContext(connection) as queries:
            return remind_of_pickups(), len(queries)

    ready()
    number, once = statements()
    assert number == 1
    for _ in range(5):
        ready()
    assert statements() == (5, once)
    assert statements() == (0, 2)


def test_it_waits_for_the_same_events_news_and_later_news_for_it() -> None:
    make_instance()
    order = ready()
    news = NotificationLog.objects.get(event="ready_for_pickup")
    NotificationLog.objects.filter(pk=news.pk).update(status=Status.PENDING, sent_at=None)
    remind_of_pickups()
    apply_transition(order, "pay")
    connection.check_constraints()
    (reminder,) = reminders()
    later = NotificationLog.objects.get(event="pay")
    for row, next_up in ((news, [news]), (reminder, [reminder]), (later, [later])):
        assert list(claims.due().filter(order=order)) == next_up
        waits = NotificationLog.objects.filter(order=order, status=Status.PENDING).exclude(pk=row.pk)
        assert set(waits.values_list("blocked", flat=True)) <= {True}
        claim = claims.claim(later.pk)
        assert claim is not None
        assert (claim.notification, claim.over) == (row, False)
        claims.release_slot(claim)
        NotificationLog.objects.filter(pk=row.pk).update(status=Status.FAILED, lease_until=None, error_code="expired")


def test_what_was_overtaken_is_skipped_and_says_so_but_staff_may_send_it() -> None:
    make_instance()
    order = ready()
    remind_of_pickups()
    apply_transition(order, "pick_up", notify=False)
    (row,) = reminders()
    claim = claims.claim(row.pk)
    assert claim is not None
    assert claim.over
    row.refresh_from_db()
    assert (row.status, row.error_code, row.message) == (Status.SKIPPED, "gone_by", "")
    assert row.error_message.startswith("Quando pôde ser enviada")
    again = claims.claim(resend.resend(row).pk)
    assert again is not None
    assert not again.over


def test_a_deadline_that_was_put_off_meanwhile_is_not_told_as_it_was() -> None:
    make_instance()
    order = ready()
    remind_of_pickups()
    Order.objects.filter(pk=order.pk).update(pickup_deadline=timezone.now() + timedelta(days=3))
    claim = claims.claim(reminders()[0].pk)
    assert claim is not None
    assert claim.over


def test_a_store_may_do_without() -> None:
    make_instance()
    ready()
    choices = [(name, str(words)) for name, words in news.choices()]
    assert choices[-1] == ("pickup_reminder", "Lembrete de retirada")
    form = client_of(make_staff("gil", MANAGEMENT_GROUP)).get(f"/admin/orders/store/{Store.get_default().pk}/change/")
    assert 'value="pickup_reminder"' in form.content.decode()
    Store.objects.update(silent_transitions=["pickup_reminder"])
    remind_of_pickups()
    (row,) = reminders()
    claims.claim(row.pk)
    row.refresh_from_db()
    assert (row.status, row.error_code) == (Status.SKIPPED, "kind_is_silent")


def test_the_timeline_shows_it_beside_the_news_that_it_follows() -> None:
    make_instance()
    order = ready()
    remind_of_pickups()
    client = client_of(make_staff())
    page = client.get(order.get_admin_url()).content.decode()
    addresses = [f"/admin/integrations/notificationlog/{row.pk}/change/" for row in order.notifications.order_by("pk")]
    assert [page.count(address) for address in addresses] == [1, 1, 1, 1]
    assert "Lembrete de retirada" in client.get("/admin/integrations/notificationlog/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_an_order_that_others_hold_is_left_to_the_next_pass() -> None:
    make_instance()
    order = ready()
    with closing(connections.create_connection("default")) as other:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT 1 FROM orders_order WHERE id = %s FOR UPDATE", [order.pk])
        assert remind_of_pickups() == 0
        other.rollback()
    assert remind_of_pickups() == 1


def test_each_kind_has_a_text_and_only_those_of_an_order_are_in_its_order() -> None:
    person = Snapshot.from_json({"customer": {"name": "Maria da Silva"}, "store": {"name": "Loja da Ana"}})
    assert [name for name in KINDS if not texts.render(name, person)] == ["free_answer"]  # a person writes that
    with pytest.raises(ValueError, match="answer: only messages of an order"):
        Kind("answer", "Answer", needs_order=False)
