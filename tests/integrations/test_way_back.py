"""The gateway takes messages, and nothing comes back: told once, by every road, and over by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from flowlog import heartbeats
from flowlog.mail.mailers import mailers
from flowlog.models import Alarm
from flowlog.monitoring import alarms, checks, incidents, overview
from integrations.inbound import way_back
from integrations.instances import tally
from integrations.models import EvolutionInstance, NotificationLog, WebhookTally
from tests.factories import make_instance, make_order
from tests.flowlog.monitoring.health import metric, seen_gone
from tests.integrations.meta import make_number
from tests.integrations.meta import post as post_of_meta
from tests.integrations.webhooks import post, receipt
from tests.mail import mail_server
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

DEAF = "WhatsApp flowlog: as mensagens saem, mas nenhuma chega"
MUTE = "WhatsApp flowlog: os avisos de entrega não chegam"
REFUSED = "WhatsApp flowlog: os avisos do WhatsApp são recusados: o segredo não confere"


@pytest.fixture(autouse=True)
def instance(settings: Any) -> Iterator[EvolutionInstance]:
    settings.ALERT_EMAILS = ["dona@example.com"]
    tally.recent.forget()
    for pulse in ("default", "whatsapp", heartbeats.SWEEP):
        heartbeats.beat(pulse, "default@test")
    yield make_instance()
    tally.recent.forget()


def sent(number: int, *, minutes_ago: float = 60, receipts: str = "") -> None:
    """So many messages left, the last of them so long ago and the others a second earlier each."""
    for seconds in range(number):
        make_order(notify=True)
        row = NotificationLog.objects.latest("pk")
        when = Now() - timedelta(minutes=minutes_ago, seconds=seconds)
        NotificationLog.objects.filter(pk=row.pk).update(
            status="sent", created_at=when, sent_at=when, receipt=receipts, provider_message_id=f"3EB0{row.pk}"
        )


def heard(minutes_ago: float, status: int = 200, name: str = "flowlog") -> None:
    WebhookTally.objects.create(
        source="evolution", name=name, status=status, number=1, last_at=Now() - timedelta(minutes=minutes_ago)
    )


def headlines() -> list[str]:
    return [one.headline for one in incidents.present()]


class TestSilence:
    def test_messages_that_nobody_confirms_while_webhooks_come(self) -> None:
        heard(1)
        sent(5)
        assert headlines() == [DEAF]

    def test_no_webhook_while_messages_leave(self) -> None:
        heard(120)
        sent(5)
        assert headlines() == [MUTE]

    @pytest.mark.parametrize("receipts", ["server_ack", "error", "delivery_ack", "read"])
    def test_one_receipt_of_the_latest_ends_it(self, receipts: str) -> None:
        heard(1)
        sent(6)
        sent(1, minutes_ago=0, receipts=receipts)
        assert headlines() == []

    def test_a_receipt_of_an_earlier_one_does_not(self) -> None:
        heard(1)
        sent(1, minutes_ago=90, receipts="read")
        sent(5)
        assert headlines() == [DEAF]

    def test_some_at_night_or_of_just_now_are_no_evidence(self) -> None:
        heard(1)
        sent(4)
        sent(10, minutes_ago=20)
        assert headlines() == []

    def test_nor_are_those_that_no_receipt_could_be_assigned_to(self) -> None:
        heard(1)
        sent(5)
        NotificationLog.objects.update(provider_message_id="")
        assert headlines() == []

    def test_nor_those_of_last_week(self) -> None:
        heard(1)
        sent(5, minutes_ago=8 * 24 * 60)
        assert headlines() == []

    def test_an_instance_that_was_never_heard_is_led_to_set_webhook(self, instance: EvolutionInstance) -> None:
        sent(20)
        assert headlines() == []
        page = reverse("admin:integrations_evolutioninstance_change", args=[instance.pk])
        staff = client_of(make_staff())
        assert "aperte “Confirmações e respostas”" in staff.get(page).content.decode()
        heard(1)
        assert DEAF in staff.get(page).content.decode()

    def test_one_that_is_held_sends_nothing_and_is_told_of_as_held(self) -> None:
        heard(1)
        sent(5)
        EvolutionInstance.objects.update(held_at=Now(), held_code="unauthorized", held_reason="…", probe_at=Now())
        assert headlines() == ["WhatsApp flowlog parado"]

    def test_it_is_told_by_every_road_until_a_receipt_comes(self, settings: Any) -> None:
        heard(1)
        sent(5)
        assert [check.name for check in checks.run() if not check.ok] == ["receipts"]
        assert metric(Client(), 'flowlog_instance_receipts_missing{instance="flowlog"}') == 1
        assert DEAF in client_of(make_staff()).get("/admin/").content.decode()
        assert any(DEAF in line for line in overview.as_lines())
        with mail_server() as server:
            settings.MAILERS = mailers(server.url)
            alarms.look()
            alarms.look()
            assert [subject.strip() for subject in server.subjects] == [f"Flowlog: {DEAF}"]
            assert "conecte de novo com o QR code" in server.mails[0].get_content()
            NotificationLog.objects.filter(pk=NotificationLog.objects.latest("pk").pk).update(receipt="server_ack")
            alarms.look()
            seen_gone(60)
            alarms.look()
            assert server.subjects[1].strip() == "Flowlog: WhatsApp flowlog: os avisos de entrega voltaram a chegar"
        assert not Alarm.objects.exists()
        assert [check.name for check in checks.run() if not check.ok] == []
        assert metric(Client(), 'flowlog_instance_receipts_missing{instance="flowlog"}') == 0

    def test_it_holds_nothing(self) -> None:
        heard(1)
        sent(5)
        alarms.look()
        assert EvolutionInstance.objects.get().held_at is None
        assert [one.waiting() for one in incidents.present()] == [""]

    def test_it_costs_no_more_with_more_instances(self) -> None:
        with CaptureQueriesContext(connection) as one:
            incidents.present()
        make_instance(name="outra", is_default=False)
        with CaptureQueriesContext(connection) as two:
            incidents.present()
        assert len(one) == len(two) == 1


class TestRefusals:
    @pytest.mark.parametrize(
        ("secret", "headline", "todo"),
        [
            ("sandbox-webhook-secret", REFUSED, "Aperte “Confirmações e respostas” na página dele."),
            ("", "WhatsApp flowlog: os avisos do WhatsApp são recusados", "Defina EVOLUTION_WEBHOOK_SECRET"),
        ],
    )
    def test_a_message_left_and_what_the_gateway_says_of_it_is_refused(
        self, secret: str, headline: str, todo: str, settings: Any
    ) -> None:
        settings.EVOLUTION_WEBHOOK_SECRET = secret
        heard(60)
        sent(1, minutes_ago=2)
        assert post(receipt("3EB0", "READ"), secret="Bearer wrong") == 401
        [incident] = incidents.present()
        assert incident.headline == headline
        assert todo in incident.detail

    def test_of_a_number_at_meta_it_says_what_to_do_there(self, instance: EvolutionInstance) -> None:
        make_number(instance)
        EvolutionInstance.objects.update(gateway="meta")
        # What the gateway told of it before counts no more.
        heard(0)
        [judged] = way_back.judged()
        assert way_back.hint(judged).startswith("A Meta ainda não avisou nada dela.")
        sent(1, minutes_ago=2)
        assert post_of_meta({}, instance="flowlog", secret="wrong") == 401
        [incident] = incidents.present()
        assert incident.headline == "WhatsApp flowlog: os webhooks da Meta são recusados"
        assert "a chave secreta do app está errada" in incident.detail

    def test_strangers_alone_raise_no_alarm(self) -> None:
        """Whoever knows the address can be refused as often as he likes: no message left since a webhook was taken."""
        heard(60)
        sent(3, minutes_ago=60)
        for _ in range(3):
            assert post(receipt("3EB0", "READ"), secret="Bearer wrong") == 401
        assert headlines() == []

    def test_it_is_over_with_the_next_one_that_is_taken(self) -> None:
        sent(1, minutes_ago=2)
        heard(0, status=401)
        assert headlines() == [REFUSED]
        assert post(receipt("3EB0", "READ")) == 200
        assert headlines() == []

    def test_each_status_is_counted_by_instance_and_strangers_add_no_row(self) -> None:
        for name in ("flowlog", "flowlog", "x1", "x2"):
            post(receipt("3EB0", "READ"), instance=name, secret="Bearer wrong")
            tally.recent._ends = 0.0
        post("{", instance="flowlog")
        found = WebhookTally.objects.order_by("name", "status").values_list("name", "status", "number")
        assert list(found) == [("", 401, 2), ("flowlog", 400, 1), ("flowlog", 401, 2)]
        sample = 'flowlog_webhooks{name="flowlog",source="evolution",status="401"}'
        assert metric(Client(), sample) == 2

    def test_a_flood_is_written_down_now_and_then(self) -> None:
        with CaptureQueriesContext(connection) as queries:
            for number in range(200):
                post(receipt("3EB0", "READ"), instance=f"x{number % 50}", secret="Bearer wrong")
        # In one pause: twenty names, which are all nobody's.
        assert len(queries) <= 3 * tally.MOST
        assert WebhookTally.objects.count() == 1
        assert WebhookTally.objects.get().number == tally.MOST

    def test_what_was_not_written_is_added_to_the_next(self) -> None:
        for _ in range(7):
            tally.note("evolution", "flowlog", 401)
        assert WebhookTally.objects.get().number == 1
        tally.recent._ends = 0.0
        tally.note("evolution", "flowlog", 401)
        assert WebhookTally.objects.get().number == 8

    def test_a_carriers_refused_news_is_counted_and_shown(self, settings: Any) -> None:
        settings.TRACKING_WEBHOOK_SECRET = "s3cret"
        answer = Client().post("/webhooks/tracking/generic/", b"{}", content_type="application/json")
        assert answer.status_code == 403
        row = WebhookTally.objects.get()
        assert (row.source, row.name, row.status, row.number) == ("carrier", "generic", 403, 1)
        assert any("generic" in line and "403" in line for line in overview.as_lines())
        assert way_back.troubled().count() == 0
        WebhookTally.objects.update(number=F("number") + 1)
        assert overview.as_data()["webhooks"] == [{"source": "carrier", "name": "generic", "status": 403, "number": 2}]
