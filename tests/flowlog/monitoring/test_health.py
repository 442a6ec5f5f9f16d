"""`/healthz`, `/readyz`, `/metrics`, the banner, and how mail is set up."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from flowlog.celery import app
from flowlog.mail.mailers import mailers
from flowlog.models import Heartbeat
from flowlog.monitoring import checks, deadman, metrics
from integrations.instances import connections
from integrations.models import EvolutionInstance, NotificationLog
from tests.broker import purge
from tests.factories import make_instance, make_order
from tests.flowlog.monitoring.health import BANNER, NOWHERE, metric, not_ok, silence
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db


class TestProbes:
    def test_healthz_asks_nobody(self, client: Client) -> None:
        with CaptureQueriesContext(connection) as queries:
            answer = client.get("/healthz")
        assert (answer.status_code, answer.json(), len(queries)) == (200, {"ok": True}, 0)

    @pytest.mark.parametrize("address", ["/healthz", "/readyz", "/metrics"])
    def test_whoever_asks_by_address_without_https_is_answered(self, address: str, settings: Any, alive: None) -> None:
        settings.SECURE_SSL_REDIRECT = True
        answer = Client(headers={"host": "10.0.0.7"}).get(address)
        assert answer.status_code == 200
        assert "no-store" in answer["Cache-Control"]
        assert "Set-Cookie" not in answer
        assert Client().head(address).status_code == 200
        assert Client().post(address).status_code == 405

    def test_readyz_says_what_it_found(self, client: Client, alive: None) -> None:
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()) == (
            200,
            {
                "ok": True,
                "checks": {
                    "database": {"ok": True, "words": "Responde."},
                    "broker": {"ok": True, "words": "Responde."},
                    "sweep": {"ok": True, "words": "Feita pela última vez há 0 segundos."},
                    "worker-default": {"ok": True, "words": "Último sinal de vida há 0 segundos."},
                    "worker-whatsapp": {"ok": True, "words": "Último sinal de vida há 0 segundos."},
                    "messages": {"ok": True, "words": "Nenhuma está na vez."},
                    "instances": {"ok": True, "words": "Nenhuma está parada."},
                    "receipts": {"ok": True, "words": "Nada de errado."},
                    "migrations": {"ok": True, "words": "Todas foram aplicadas."},
                },
            },
        )

    def test_a_queue_is_silent_after_one_and_a_half_intervals(self, alive: None) -> None:
        silence("whatsapp", 89)
        assert not_ok() == []
        silence("whatsapp", 91)
        assert not_ok() == ["worker-whatsapp"]
        Heartbeat.objects.all().delete()
        assert not_ok() == ["sweep", "worker-default", "worker-whatsapp"]

    def test_a_sweep_that_does_not_come_is_told_though_workers_live(self, client: Client, alive: None) -> None:
        silence("sweep", 94)
        assert not_ok() == []
        silence("sweep", 96)
        assert not_ok() == ["sweep"]
        [words] = [check.words for check in checks.run() if check.name == "sweep"]
        assert words == "Feita pela última vez há 1 minuto."
        assert 96 <= metric(client, "flowlog_sweep_age_seconds") < 100

    def test_no_broker(self, client: Client, alive: None, settings: Any) -> None:
        settings.REDIS_URL = NOWHERE
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["checks"]["broker"] == {"ok": False, "words": "O Redis não responde."}
        assert metric(client, 'flowlog_up{part="broker"}') == 0
        assert metric(client, 'flowlog_up{part="database"}') == 1

    def test_held_instances_are_counted_and_not_named(self, client: Client, alive: None) -> None:
        connections.hold(make_instance(name="loja-da-ana").pk, "unauthorized")
        answer = client.get("/readyz")
        assert answer.json()["checks"]["instances"] == {"ok": False, "words": "1 está parada."}
        assert "loja-da-ana" not in answer.content.decode()

    def test_a_migration_that_was_not_applied(self, alive: None) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM django_migrations WHERE app = 'flowlog'")
        assert not_ok() == ["migrations"]


class TestStalled:
    """What could have gone for five minutes and did not."""

    @pytest.fixture(autouse=True)
    def order(self, alive: None) -> None:
        make_instance()
        make_order(notify=True)
        NotificationLog.objects.update(next_attempt_at=Now() - timedelta(seconds=301))
        EvolutionInstance.objects.update(next_send_at=Now() - timedelta(seconds=301))

    def test_a_message_that_nobody_claims(self) -> None:
        assert not_ok() == ["messages"]
        [words] = [check.words for check in checks.run() if check.name == "messages"]
        assert words == "A mais antiga espera há 5 minutos."
        NotificationLog.objects.update(next_attempt_at=Now() - timedelta(seconds=299))
        assert not_ok() == []

    @pytest.mark.parametrize(
        "change",
        [
            {"next_send_at": Now() - timedelta(seconds=299)},
            {"daily_cap": 1, "next_send_at": Now() + timedelta(seconds=1)},
        ],
    )
    def test_one_that_waits_for_its_instance_is_none(self, change: dict[str, Any]) -> None:
        EvolutionInstance.objects.update(**change)
        assert not_ok() == []

    def test_one_that_waits_for_a_held_instance_is_none(self) -> None:
        connections.hold(EvolutionInstance.objects.get().pk, "unauthorized")
        assert not_ok() == ["instances"]


class TestMetrics:
    def test_numbers(self, client: Client, alive: None) -> None:
        make_instance()
        for _ in range(4):
            make_order(notify=True)
        first, second, third, old = NotificationLog.objects.order_by("pk")
        for row, seconds in ((first, 1.5), (second, 400), (old, 3)):
            NotificationLog.objects.filter(pk=row.pk).update(
                status="sent", sent_at=F("created_at") + timedelta(seconds=seconds)
            )
        NotificationLog.objects.filter(pk=old.pk).update(
            created_at=Now() - timedelta(hours=25), sent_at=Now() - timedelta(hours=24.9)
        )
        NotificationLog.objects.filter(pk=third.pk).update(next_attempt_at=Now() - timedelta(seconds=90))
        silence("whatsapp", 70)
        assert metric(client, 'flowlog_messages_created_last_day{event="create",status="sent"}') == 2
        assert metric(client, 'flowlog_messages_created_last_day{event="create",status="pending"}') == 1
        assert metric(client, 'flowlog_messages_unfinished{status="pending"}') == 1
        assert metric(client, 'flowlog_messages_unfinished{status="unknown"}') == 0
        assert metric(client, 'flowlog_time_to_sent_seconds_bucket{le="1.0"}') == 0
        assert metric(client, 'flowlog_time_to_sent_seconds_bucket{le="2.0"}') == 1
        assert metric(client, 'flowlog_time_to_sent_seconds_bucket{le="300.0"}') == 1
        assert metric(client, 'flowlog_time_to_sent_seconds_bucket{le="900.0"}') == 2
        assert metric(client, 'flowlog_time_to_sent_seconds_bucket{le="+Inf"}') == 2
        assert metric(client, "flowlog_time_to_sent_seconds_gsum") == 401.5
        assert 90 <= metric(client, "flowlog_oldest_due_seconds") < 95
        assert 70 <= metric(client, 'flowlog_heartbeat_age_seconds{queue="whatsapp"}') < 75
        assert metric(client, 'flowlog_instance_held{instance="flowlog"}') == 0
        assert metric(client, 'flowlog_instance_state{instance="flowlog",state="unknown"}') == 1
        assert metric(client, 'flowlog_instance_state{instance="flowlog",state="open"}') == 0

    def test_the_queues_length_counts_every_priority(self, client: Client) -> None:
        purge("default", "whatsapp")
        for priority in (None, 3, 9):
            app.send_task("flowlog.tasks.heartbeat", queue="whatsapp", priority=priority)
        assert metric(client, 'flowlog_queue_length{queue="whatsapp"}') == 3
        assert metric(client, 'flowlog_queue_length{queue="default"}') == 0
        purge("default", "whatsapp")
        assert metric(client, 'flowlog_queue_length{queue="whatsapp"}') == 0

    @pytest.mark.parametrize(
        ("headers", "address", "status"),
        [
            ({}, "127.0.0.1", 200),
            ({}, "::1", 200),
            ({}, "10.0.0.7", 401),
            ({}, "", 401),
            ({"x-forwarded-for": "127.0.0.1"}, "127.0.0.1", 401),
            ({"x-forwarded-proto": "https"}, "127.0.0.1", 401),
            ({"authorization": "Bearer s3cret"}, "10.0.0.7", 200),
            ({"authorization": "Bearer s3cret", "x-forwarded-for": "1.2.3.4"}, "127.0.0.1", 200),
            ({"authorization": "Bearer S3cret"}, "10.0.0.7", 401),
            ({"authorization": "s3cret"}, "10.0.0.7", 401),
            ({"authorization": "Bearer é"}, "10.0.0.7", 401),
        ],
    )
    def test_who_may_read_them(self, headers: dict[str, str], address: str, status: int, settings: Any) -> None:
        settings.METRICS_TOKEN = "s3cret"
        answer = Client(headers=headers, REMOTE_ADDR=address).get("/metrics")
        assert answer.status_code == status
        assert (b"flowlog_up" in answer.content) == (status == 200)

    def test_an_empty_token_opens_nothing(self, settings: Any) -> None:
        settings.METRICS_TOKEN = ""
        for header in ("Bearer ", "Bearer"):
            assert Client(headers={"authorization": header}, REMOTE_ADDR="10.0.0.7").get("/metrics").status_code == 401

    def test_no_number_costs_more_queries_with_more_messages(self, alive: None) -> None:
        make_instance()
        for _ in range(3):
            make_order(notify=True)
        with CaptureQueriesContext(connection) as queries:
            metrics.page()
        assert len(queries) == 9


class TestBanner:
    def test_none_while_all_is_well_and_one_query(self, alive: None) -> None:
        client = client_of(make_staff())
        with CaptureQueriesContext(connection) as queries:
            assert BANNER not in client.get("/admin/orders/order/").content.decode()
        ours = [
            query["sql"]
            for query in queries
            if 'FROM "flowlog_' in query["sql"] or 'FROM "integrations_evolutioninstance"' in query["sql"]
        ]
        assert len(ours) == 1

    @pytest.mark.parametrize("address", ["/admin/", "/admin/orders/order/", "/admin/orders/order/add/"])
    def test_a_silent_worker(self, address: str, alive: None) -> None:
        silence("whatsapp", 300)
        since = timezone.localtime(Heartbeat.objects.get(queue="whatsapp").beat_at)
        body = client_of(make_staff()).get(address).content.decode()
        assert body.count(f'class="{BANNER}"') == 1
        assert f"está parado desde {since:%d/%m/%Y %H:%M}. Nenhuma mensagem na fila." in " ".join(body.split())

    def test_a_held_instance_with_its_reason_and_a_link(self, alive: None) -> None:
        instance = make_instance(name="<loja>")
        make_order(notify=True)
        connections.hold(instance.pk, "unauthorized")
        EvolutionInstance.objects.update(held_reason="Confira <a> chave.")
        body = client_of(make_staff()).get("/admin/").content.decode()
        assert "WhatsApp &lt;loja&gt; parado." in body
        assert "Confira &lt;a&gt; chave." in body
        assert "1 mensagem na fila." in body
        assert f'href="/admin/integrations/evolutioninstance/{instance.pk}/change/"' in body

    def test_of_many_the_first_and_how_many_more(self, alive: None) -> None:
        client, asked = client_of(make_staff()), []
        for number in range(5):
            connections.hold(make_instance(name=f"loja-{number}", is_default=False).pk, "unauthorized")
            with CaptureQueriesContext(connection) as queries:
                body = " ".join(client.get("/admin/orders/order/").content.decode().split())
            asked.append(len(queries))
        assert [f"WhatsApp loja-{number} parado." in body for number in range(5)] == [True] * 3 + [False] * 2
        assert body.count(f'class="{BANNER}"') == 4
        assert '<strong>Mais 2 problemas.</strong> <a href="/admin/">Ver</a>' in body
        assert asked[2] == asked[3] == asked[4]

    def test_not_for_those_who_may_not_see_the_log_nor_before_the_login(self) -> None:
        assert BANNER not in client_of(make_staff("bia", group="")).get("/admin/").content.decode()
        assert BANNER not in Client().get("/admin/login/").content.decode()


class TestMailSettings:
    def test_addresses(self) -> None:
        assert mailers("") == {"default": {"BACKEND": "flowlog.mail.no_mail.EmailBackend"}}
        assert mailers("console://")["default"]["BACKEND"].endswith("console.EmailBackend")
        assert mailers("smtp+tls://ana%40x.com:p%3A%2F@smtp.x.com")["default"]["OPTIONS"] == {
            "host": "smtp.x.com", "port": 587, "timeout": 10, "use_tls": True, "username": "ana@x.com",
            "password": "p:/",
        }  # fmt: skip
        assert mailers("smtp+ssl://h:4650")["default"]["OPTIONS"] == {
            "host": "h", "port": 4650, "timeout": 10, "use_ssl": True,
        }  # fmt: skip

    @pytest.mark.parametrize("url", ["http://secret@h", "smtp://", "smtp://u:secret@h:port", "secret"])
    def test_wrong_ones_are_refused_without_their_password(self, url: str) -> None:
        with pytest.raises(ImproperlyConfigured, match="EMAIL_URL deve ser como") as refused:
            mailers(url)
        assert "secret" not in str(refused.value)


class TestDeadmansSwitch:
    @pytest.fixture
    def switch(self, settings: Any) -> Iterator[list[str]]:
        heard: list[str] = []

        class Switch(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                heard.append(self.path)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                pass

        with HTTPServer(("127.0.0.1", 0), Switch) as server:
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            settings.DEADMAN_PING_URL = f"http://127.0.0.1:{server.server_port}/s3cret"
            yield heard
            server.shutdown()

    def test_pinged_only_while_everything_is_ready(self, switch: list[str], alive: None) -> None:
        assert deadman.ping()
        silence("whatsapp", 300)
        assert not deadman.ping()
        assert switch == ["/s3cret"]

    def test_a_switch_that_is_gone_is_logged_without_its_secret(
        self, settings: Any, alive: None, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.DEADMAN_PING_URL = "http://127.0.0.1:9/s3cret"
        with caplog.at_level(logging.INFO):
            assert not deadman.ping()
        assert [record.getMessage() for record in caplog.records if record.name == deadman.__name__] == [
            "The dead-man's switch did not take the ping: ConnectionError"
        ]
        assert "s3cret" not in caplog.text
