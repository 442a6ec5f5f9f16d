"""The first page: what needs a person, the day, the last weeks, and a new shop's first steps."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from flowlog.monitoring import days
from flowlog.staffpages.groups import MANAGEMENT_GROUP
from integrations.instances import connections
from integrations.models import EvolutionInstance, NotificationLog, WebhookTally
from orders.models import Order, Store
from tests.factories import make_instance, make_order
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

Status, Receipt = NotificationLog.Status, NotificationLog.Receipt


@pytest.fixture(autouse=True)
def without_an_instance(settings: Any) -> None:
    """`bootstrap`, which makes the groups, makes none."""
    settings.EVOLUTION_INSTANCE = ""


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    """Of the days before today, what an earlier test had."""
    days.forget()


@pytest.fixture
def client() -> Client:
    return client_of(make_staff("gil", MANAGEMENT_GROUP))


def message(status: str, receipt: str = "", *, days_ago: int = 0, seconds: int = 4) -> NotificationLog:
    """A message that was written then, and sent so many seconds later if it was."""
    row = NotificationLog.objects.filter(order=make_order(notify=True)).latest("pk")
    created = max(timezone.now() - timedelta(minutes=1), days.today()) - timedelta(days=days_ago)
    values: dict[str, Any] = {"created_at": created, "status": status, "receipt": receipt}
    if status == Status.SENT:
        values["sent_at"] = created + timedelta(seconds=seconds)
    if status == Status.FAILED:
        values["error_code"] = "expired"
    NotificationLog.objects.filter(pk=row.pk).update(**values)
    return row


def needs(client: Client) -> list[tuple[str, int]]:
    return [(need.words, need.count) for need in client.get("/admin/").context["needs"]]


def listed(client: Client, address: str) -> int:
    answer = client.get(address)
    assert answer.status_code == 200
    return len(answer.context["cl"].result_list)


class TestNeeds:
    def test_nothing_on_a_quiet_day(self, client: Client) -> None:
        page = client.get("/admin/")
        assert page.context["needs"] == []
        assert "Nada: está tudo em ordem." in page.content.decode()

    def test_each_leads_to_the_list_of_what_it_counts(self, client: Client) -> None:
        # Yesterday's failures are today's work.
        message(Status.FAILED, days_ago=1)
        message(Status.FAILED, days_ago=40)
        message(Status.UNKNOWN)
        # The other is still being looked up.
        NotificationLog.objects.filter(pk=message(Status.UNKNOWN).pk).update(
            first_attempt_at=Now() - timedelta(hours=1)
        )
        message(Status.SENT)
        for hours in (1, 20, 80):
            order = make_order(until="ready_for_pickup")
            Order.objects.filter(pk=order.pk).update(pickup_deadline=timezone.now() + timedelta(hours=hours))
        for name in ("flowlog", "filial", "certa"):
            make_instance(name=name, is_default=False)
        for name in ("flowlog", "filial"):
            connections.hold(EvolutionInstance.objects.get(name=name).pk, "connection_closed")
        assert needs(client) == [
            ("números de WhatsApp com problema", 2),
            ("mensagens não saíram", 2),
            ("mensagem que pode ter saído", 1),
            ("pedidos para retirar até amanhã", 2),
        ]
        for need in client.get("/admin/").context["needs"]:
            assert listed(client, need.address) == need.count

    def test_one_whatsapp_leads_to_its_page(self, client: Client) -> None:
        instance = make_instance()
        connections.hold(instance.pk, "unauthorized")
        [need] = client.get("/admin/").context["needs"]
        address = f"/admin/integrations/evolutioninstance/{instance.pk}/change/"
        assert (need.words, need.address) == ("WhatsApp com problema: flowlog", address)

    def test_one_of_which_no_receipts_come_is_told_of_as_well(self, client: Client, settings: Any) -> None:
        settings.RECEIPTS_MISSED = 2
        instance = make_instance(state="open")
        WebhookTally.objects.create(source="evolution", name="flowlog", status=200, number=1)
        for _ in range(2):
            message(Status.SENT)
        ids = F("dedupe_key")
        NotificationLog.objects.update(sent_at=Now() - timedelta(hours=2), provider_message_id=ids)
        [need] = client.get("/admin/").context["needs"]
        assert need.address == f"/admin/integrations/evolutioninstance/{instance.pk}/change/"

    def test_what_a_person_may_not_see_is_not_counted(self) -> None:
        message(Status.FAILED)
        bia = client_of(make_staff("bia", group=""))
        page = bia.get("/admin/")
        assert page.context["needs"] == []
        assert "Precisa de você" not in page.content.decode()


class TestToday:
    def test_each_number_is_that_of_its_list(self, client: Client) -> None:
        for receipt in (Receipt.NONE, Receipt.DELIVERY_ACK, Receipt.READ, Receipt.READ):
            message(Status.SENT, receipt, seconds=6)
        message(Status.SENT, seconds=600)
        message(Status.FAILED)
        message(Status.PENDING)
        message(Status.SENT, Receipt.READ, days_ago=1)
        tiles = client.get("/admin/").context["tiles"]
        assert [(tile["words"], tile["count"]) for tile in tiles] == [
            ("pedidos hoje", 8),
            ("mensagem na fila", "1"),
            ("mensagens enviadas hoje", 5),
            ("mensagens entregues", 3),
            ("mensagens lidas", 2),
            ("mensagem não enviada hoje", 1),
            ("tempo típico até sair", "6 s"),
        ]
        for tile in tiles[:-1]:
            assert listed(client, tile["address"]) == int(tile["count"])

    def test_a_day_without_messages_took_no_time(self, client: Client) -> None:
        assert client.get("/admin/").context["tiles"][-1]["count"] == "–"


class TestCharts:
    def test_each_day_is_a_bar_and_a_row_of_the_table(self, client: Client) -> None:
        message(Status.SENT, Receipt.READ)
        message(Status.SENT, days_ago=3)
        message(Status.FAILED, days_ago=3)
        message(Status.SENT, days_ago=20)
        message(Status.SENT, days_ago=30)
        page = client.get("/admin/")
        week, month = page.context["charts"]
        assert (week.title, week.summary) == ("Últimos 7 dias", "2 mensagens enviadas, 1 não enviada")
        assert (month.title, month.summary) == ("Últimos 30 dias", "3 mensagens enviadas, 1 não enviada")
        assert [row[1:] for row in week.rows] == [(1, 1, 1, 0), *[(0, 0, 0, 0)] * 2, (1, 0, 0, 1), *[(0, 0, 0, 0)] * 3]
        assert week.rows[0][0] == f"{timezone.localdate():%d/%m}"
        assert (len(week.bars), len(month.bars)) == (7, 30)
        today, then = week.bars[-1], week.bars[-4]
        assert (today.arrived, today.under_way, today.failed) == ((71.0, 71.0), (71.0, 0.0), (71.0, 0.0))
        assert (then.arrived, then.under_way, then.failed) == ((142.0, 0.0), (71.0, 71.0), (0.0, 71.0))
        body = page.content.decode()
        assert 'aria-label="Últimos 7 dias: 2 mensagens enviadas, 1 não enviada"' in body
        assert re.search(r'<rect class="flowlog-arrived" x="[\d.]+" y="71.0"', body)
        # What the page's policy might forbid.
        assert " style=" not in body.partition('class="flowlog-charts"')[2].partition("</details>")[0]

    def test_of_no_days_nothing_is_drawn(self, client: Client) -> None:
        assert client.get("/admin/").content.decode().count("Nenhuma mensagem saiu nestes dias.") == 2


class TestFirstSteps:
    def test_from_nothing_to_gone(self, client: Client) -> None:
        def done() -> list[bool]:
            return [step.done for step in client.get("/admin/").context["steps"]]

        assert done() == [False, False, False, False, False]
        assert 'href="/admin/integrations/evolutioninstance/add/"' in client.get("/admin/").content.decode()
        Store.objects.update(name="Loja da Esquina", phone="+5511933334444")
        assert done() == [True, False, False, False, False]
        instance = make_instance()
        phone = f"/admin/integrations/evolutioninstance/{instance.pk}/phone/"
        assert phone in [step.address for step in client.get("/admin/").context["steps"]]
        EvolutionInstance.objects.update(state="open")
        assert done() == [True, True, False, False, False]
        texts = f"/admin/notifications/messagetext/?store={Store.objects.get().pk}"
        assert texts in [step.address for step in client.get("/admin/").context["steps"]]
        client.post(f"/admin/notifications/messagetext/approve/{Store.objects.get().pk}/")
        assert done() == [True, True, True, False, False]
        make_order(notify=True)
        assert done() == [True, True, True, True, False]
        NotificationLog.objects.update(status=Status.SENT, sent_at=Now())
        assert done() == []
        assert "Primeiros passos" not in client.get("/admin/").content.decode()

    def test_who_may_not_do_a_step_is_not_led_there(self) -> None:
        ana = client_of(make_staff())
        assert [bool(step.address) for step in ana.get("/admin/").context["steps"]] == [
            False, False, False, True, True,
        ]  # fmt: skip


def test_the_page_costs_the_same_with_any_number_of_rows(client: Client) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            client.get("/admin/")
        return len([query for query in queries if re.search("integrations_|orders_|flowlog_", query["sql"])])

    make_instance()
    message(Status.SENT)
    client.get("/admin/")
    few = cost()
    for status in Status:
        if status not in (Status.SENDING, Status.SKIPPED):
            for _ in range(2):
                message(status)
    Order.objects.update(pickup_deadline=F("created_at"))
    assert (few, cost()) == (7, 7)
