"""What failed stays at home until it was sent again, dismissed or overtaken, whatever the day."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db.models.functions import Now
from django.test import Client

from integrations import retention
from integrations.messages import attention
from integrations.models import NotificationLog
from notifications.actions.resend import resend
from orders.models import Store
from orders.services import apply_transition
from tests.factories import make_order
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

Status = NotificationLog.Status
LIST = "/admin/integrations/notificationlog/"


@pytest.fixture
def client() -> Client:
    return client_of(make_staff())


def row_of(status: str = Status.FAILED, **values: Any) -> NotificationLog:
    row = NotificationLog.objects.get(order=make_order(notify=True))
    NotificationLog.objects.filter(pk=row.pk).update(status=status, error_code="x", **values)
    return NotificationLog.objects.get(pk=row.pk)


def needing() -> list[int]:
    return list(attention.need_a_person().order_by("pk").values_list("pk", flat=True))


def test_a_failure_stays_over_midnight_until_it_is_dismissed(client: Client) -> None:
    row = row_of(created_at=Now() - timedelta(days=3), message="Seu pedido *K7MPXQ* chegou.")
    page = client.get("/admin/").content.decode()
    assert f"{LIST}?attention=1&amp;status__exact=failed" in page
    assert "mensagem não saiu" in page
    assert [each.pk for each in client.get(f"{LIST}?attention=1").context["cl"].result_list] == [row.pk]
    assert f'href="{LIST}{row.pk}/dismiss/"' in client.get(f"{LIST}{row.pk}/change/").content.decode()
    asked = client.get(f"{LIST}{row.pk}/dismiss/").content.decode()
    assert f"Nada mais a fazer com a mensagem “Pedido recebido” do pedido {row.snapshot_order_code}" in asked
    assert "Seu pedido <strong>K7MPXQ</strong> chegou." in asked
    assert needing() == [row.pk]
    client.post(f"{LIST}{row.pk}/dismiss/")
    assert needing() == []
    row.refresh_from_db()
    assert (row.status, row.dismissed_by and row.dismissed_by.username) == (Status.FAILED, "ana")
    assert LogEntry.objects.get().change_message == "Dispensada."
    page = client.get(f"{LIST}{row.pk}/change/").content.decode()
    assert "Dispensada por ana." in page
    assert f"{LIST}{row.pk}/dismiss/" not in page
    assert list(client.get(f"{LIST}?attention=1").context["cl"].result_list) == []


def test_only_what_is_to_be_seen_to_counts() -> None:
    failed = row_of()
    long_unknown = row_of(Status.UNKNOWN, first_attempt_at=Now() - timedelta(minutes=16))
    row_of(Status.UNKNOWN, first_attempt_at=Now() - timedelta(minutes=14))
    row_of(Status.SENT, sent_at=Now())
    row_of(Status.SKIPPED)
    row_of(Status.CANCELLED)
    row_of(Status.PENDING)
    row_of(anonymised_at=Now())
    assert needing() == [failed.pk, long_unknown.pk]
    assert attention.number(attention.need_a_person()) == 2


def test_sent_again_it_is_the_new_one_that_counts() -> None:
    row = row_of()
    new = resend(row)
    assert needing() == []
    NotificationLog.objects.filter(pk=new.pk).update(status=Status.FAILED, error_code="x")
    assert needing() == [new.pk]


@pytest.mark.parametrize(("status", "counts"), [("sent", False), ("failed", True), ("pending", True)])
def test_overtaken_only_by_what_was_sent_later(status: str, counts: bool) -> None:
    row = row_of()
    assert row.order
    apply_transition(row.order, "confirm")
    later = NotificationLog.objects.filter(event="confirm")
    later.update(status=status, error_code="x", sent_at=Now() if status == "sent" else None)
    assert (row.pk in needing()) is counts


def test_at_night_what_is_past_leaves_the_index_and_nothing_else_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "BATCH", 1)
    again, overtaken, alone, unknown = row_of(), row_of(), row_of(), row_of(Status.UNKNOWN)
    NotificationLog.objects.filter(pk=unknown.pk).update(first_attempt_at=Now() - timedelta(minutes=16))
    new = resend(again)
    for row in (overtaken, unknown):
        assert row.order
        apply_transition(row.order, "confirm")
    NotificationLog.objects.filter(event="confirm").update(status=Status.SENT, sent_at=Now())
    before = needing()
    retention.purge_each_night("a host")
    assert needing() == before == [alone.pk]
    settled = NotificationLog.objects.filter(dismissed_at__isnull=False).order_by("pk")
    assert [(row.pk, row.status, row.dismissed_by) for row in settled] == [
        (again.pk, Status.FAILED, None),
        (overtaken.pk, Status.FAILED, None),
    ]
    assert attention.settle() == 0
    new.refresh_from_db()
    assert new.status == Status.PENDING


def test_many_are_dismissed_at_once_but_for_what_needs_nobody(client: Client) -> None:
    failed, sent = row_of(), row_of(Status.SENT, sent_at=Now())
    chosen = {"action": "dismiss_chosen", "_selected_action": [failed.pk, sent.pk]}
    assert "Nada mais a fazer com 2 mensagens?" in client.post(LIST, chosen).content.decode()
    response = client.post(f"{LIST}dismiss/", {"chosen": [failed.pk, sent.pk]}, follow=True)
    assert [str(each) for each in response.context["messages"]] == [
        "1 mensagem dispensada.",
        "1 mensagem não precisava de ninguém e ficou como estava.",
    ]
    assert NotificationLog.objects.get(dismissed_at__isnull=False).pk == failed.pk


def test_without_the_permission_nothing_is_dismissed() -> None:
    row = row_of()
    stranger = client_of(make_staff("bia", group=""))
    assert stranger.post(f"{LIST}{row.pk}/dismiss/").status_code == 403
    assert stranger.post(f"{LIST}dismiss/", {"chosen": [row.pk]}).status_code == 403
    assert needing() == [row.pk]


def test_counting_looks_at_nothing_that_was_sent(new_tables: None) -> None:
    order = make_order(notify=True)
    row = NotificationLog.objects.get(order=order)
    copies = [
        NotificationLog(
            event=row.event, order=order, dedupe_key=f"{number}", recipient="", snapshot={}, expires_at=Now(),
            status=Status.SENT, sent_at=Now(),
        )
        for number in range(3000)
    ]  # fmt: skip
    NotificationLog.objects.bulk_create(copies)
    NotificationLog.objects.filter(pk=row.pk).update(status=Status.FAILED, error_code="x")
    plan = attention.need_a_person().order_by().explain()
    assert "notification_unsettled" in plan
    assert "Seq Scan on integrations_notificationlog " not in plan


class TestTheOrderListsViewOfProblems:
    ORDERS = "/admin/orders/order/"

    def shown(self, client: Client) -> set[str]:
        found = client.get(self.ORDERS, {"view": "problems"}).context["cl"].result_list
        return {order.code for order in found}

    def test_has_the_orders_whose_messages_need_a_person(self, client: Client) -> None:
        failed, unknown = row_of(), row_of("unknown", first_attempt_at=Now() - timedelta(hours=1))
        row_of("unknown", first_attempt_at=Now())
        row_of("sent", sent_at=Now())
        assert failed.order
        assert unknown.order
        # Handed over meanwhile: the customer does not know all the same.
        for name in ("confirm", "ship", "deliver"):
            apply_transition(failed.order, name, notify=False)
        assert self.shown(client) == {failed.order.code, unknown.order.code}
        tabs = {str(tab.words): tab.shown for tab in client.get(self.ORDERS).context["tabs"]}
        assert tabs["Com problema"] == "2"

    def test_no_longer_has_what_was_dismissed_or_sent_again(self, client: Client) -> None:
        dismissed, again = row_of(), row_of()
        client.post(f"{LIST}{dismissed.pk}/dismiss/", {"post": "yes"})
        resend(again, actor=None)
        assert self.shown(client) == set()

    def test_has_none_of_another_store(self) -> None:
        row_of()
        other = Store.objects.create(name="Outra")
        assert self.shown(client_of(make_staff("bia", stores=[other]))) == set()

    def test_has_none_for_who_may_not_see_messages(self) -> None:
        row_of()
        leo = make_staff("leo", group="")
        leo.user_permissions.add(Permission.objects.get(codename="view_order"))
        assert self.shown(client_of(leo)) == set()
