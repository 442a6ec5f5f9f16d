"""`/healthz`, `/readyz`, `/metrics`, the banner, and how mail is set up."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from flowlog import heartbeats
from flowlog.celery import app
from flowlog.mail.mailers import mailers
from flowlog.models import Alarm, Heartbeat
from flowlog.monitoring import alarms, checks, deadman, metrics
from flowlog.staffpages.groups import MANAGEMENT_GROUP
from integrations.instances import connections
from integrations.models import EvolutionInstance, NotificationLog
from tests.broker import broker_at, purge
from tests.factories import make_instance, make_order
from tests.mail import MailServer, mail_server
from tests.processes import environment, wait_until
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

BANNER = "flowlog-banner"
NOWHERE = "redis://127.0.0.1:9/0"


def metric(client: Client, sample: str) -> float:
    """The value of a sample in the metrics as this machine reads them."""
    lines = client.get("/metrics").content.decode().splitlines()
    [value] = [line.rpartition(" ")[2] for line in lines if line.startswith(f"{sample} ")]
    return float(value)


def not_ok() -> list[str]:
    return [check.name for check in checks.run() if not check.ok]


@pytest.fixture
def alive() -> None:
    """Both workers were heard just now, and the sweep was done."""
    heartbeats.beat(heartbeats.SWEEP, "default@test")
    for queue in ("default", "whatsapp"):
        heartbeats.beat(queue, f"{queue}@test")


def silence(queue: str, seconds: float) -> None:
    Heartbeat.objects.filter(queue=queue).update(beat_at=Now() - timedelta(seconds=seconds))


def seen_gone(seconds: float) -> None:
    """It was that long ago that trouble was seen to be gone."""
    assert Alarm.objects.filter(over_since__isnull=False).update(over_since=Now() - timedelta(seconds=seconds))


def look_again(server: MailServer) -> bool:
    """Whether there is a second mail after one more look."""
    alarms.look()
    return len(server.mails) > 1


def look_elsewhere() -> None:
    """Another worker looks, to its end."""

    def look() -> None:
        alarms.look()
        connection.close()

    other = threading.Thread(target=look)
    other.start()
    other.join()


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
    def test_none_while_all_is_well_and_at_most_two_queries(self, alive: None) -> None:
        client = client_of(make_staff())
        with CaptureQueriesContext(connection) as queries:
            assert BANNER not in client.get("/admin/orders/order/").content.decode()
        ours = [
            query["sql"]
            for query in queries
            if 'FROM "flowlog_' in query["sql"] or 'FROM "integrations_evolutioninstance"' in query["sql"]
        ]
        assert len(ours) == 2

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

    def test_not_for_those_who_may_not_see_the_log_nor_before_the_login(self) -> None:
        assert BANNER not in client_of(make_staff("bia", group="")).get("/admin/").content.decode()
        assert BANNER not in Client().get("/admin/login/").content.decode()


class TestAlarms:
    @pytest.fixture(autouse=True)
    def _alive(self, alive: None) -> None:
        pass

    def test_who_is_told(self, settings: Any) -> None:
        for name, group, email in (
            ("gil", MANAGEMENT_GROUP, "gil@example.com"),
            ("ana", "Atendimento", "ana@example.com"),
            ("sem", MANAGEMENT_GROUP, ""),
            ("saiu", MANAGEMENT_GROUP, "saiu@example.com"),
            ("chefe", "", "chefe@example.com"),
        ):
            user = make_staff(name, group)
            user.email, user.is_superuser, user.is_active = email, name == "chefe", name != "saiu"
            user.save()
        assert alarms.recipients() == ["chefe@example.com", "gil@example.com"]
        settings.ALERT_EMAILS = ["ti@example.com"]
        assert alarms.recipients() == ["ti@example.com"]

    def test_each_once_and_again_only_if_the_server_refused(self, settings: Any) -> None:
        settings.ALERT_EMAILS = ["ti@example.com"]
        with mail_server() as server:
            settings.MAILERS = mailers(server.url)
            alarms.look()
            assert (server.subjects, Alarm.objects.count()) == ([], 0)
            silence("whatsapp", 300)
            server.refuses = True
            alarms.look()
            server.refuses = False
            alarms.look()
            alarms.look()
            assert server.subjects == ["Flowlog: As mensagens aos clientes não estão saindo"]
            heartbeats.beat("whatsapp", "whatsapp@test")
            alarms.look()
            seen_gone(60)
            server.refuses = True
            alarms.look()
            server.refuses = False
            alarms.look()
            alarms.look()
            assert server.subjects[1:] == ["Flowlog: As mensagens aos clientes voltaram a sair"]
        assert not Alarm.objects.exists()

    def test_a_backup_that_is_not_made_is_told_once_and_its_return(self, settings: Any, tmp_path: Path) -> None:
        settings.ALERT_EMAILS, settings.BACKUP_DIR = ["ti@example.com"], str(tmp_path)
        with mail_server() as server:
            settings.MAILERS = mailers(server.url)
            alarms.look()
            assert server.subjects == []  # the database is not a day old
            (tmp_path / "flowlog-20261123-031500.dump").touch()
            os.utime(tmp_path / "flowlog-20261123-031500.dump", (time.time() - 27 * 3600,) * 2)
            alarms.look()
            alarms.look()
            assert server.subjects == ["Flowlog: O banco está sem backup"]
            first_line = server.mails[0].get_content().splitlines()[0]
            assert first_line.endswith(" Veja `systemctl status flowlog-backup` e logs/backup.log.")
            (tmp_path / "flowlog-20261124-031500.dump").touch()
            alarms.look()
            seen_gone(60)
            alarms.look()
            assert server.subjects[1:] == ["Flowlog: O banco voltou a ter backup"]
            MigrationRecorder(connection).migration_qs.update(applied=Now() - timedelta(hours=27))
            (tmp_path / "flowlog-20261123-031500.dump").unlink()
            (tmp_path / "flowlog-20261124-031500.dump").unlink()
            alarms.look()
            assert server.subjects[2:] == ["Flowlog: O banco está sem backup"]

    def test_trouble_that_comes_back_within_a_minute_is_the_same(self, settings: Any) -> None:
        settings.ALERT_EMAILS = ["ti@example.com"]
        instance = make_instance()
        with mail_server() as server:
            settings.MAILERS = mailers(server.url)
            for _ in range(3):
                connections.hold(instance.pk, "unauthorized")
                alarms.look()
                connections.heal(instance.pk)
                alarms.look()
                seen_gone(59)
                alarms.look()
            assert server.subjects == ["Flowlog: WhatsApp flowlog parado"]
            seen_gone(60)
            alarms.look()
            assert server.subjects[1:] == ["Flowlog: WhatsApp flowlog voltou"]
            connections.hold(instance.pk, "unauthorized")
            alarms.look()
            assert server.subjects[2:] == ["Flowlog: WhatsApp flowlog parado"]

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("over", [False, True])
    def test_a_worker_that_is_killed_over_its_mail_has_the_next_look_send_it(self, over: bool, settings: Any) -> None:
        settings.ALERT_EMAILS = ["ti@example.com"]
        silence("whatsapp", 300)
        if over:
            alarms.look()
            heartbeats.beat("whatsapp", "whatsapp@test")
            alarms.look()
            seen_gone(60)
        with mail_server() as server:
            program = "import django; django.setup(); from flowlog.monitoring import alarms; alarms.look()"
            env = environment(EMAIL_URL=server.url, ALERT_EMAILS="ti@example.com")
            looking = subprocess.Popen([sys.executable, "-c", program], cwd=settings.BASE_DIR, env=env)
            server.on_mail = looking.kill
            assert looking.wait(60) == -signal.SIGKILL
            assert len(server.mails) == 1
            server.on_mail = lambda: None
            settings.MAILERS = mailers(server.url)
            # PostgreSQL needs a moment to notice that nobody holds the row any more.
            wait_until(lambda: look_again(server), "the mail of the next look")
            alarms.look()
            what = "voltaram a sair" if over else "não estão saindo"
            assert server.subjects == [f"Flowlog: As mensagens aos clientes {what}"] * 2
        assert Alarm.objects.exists() != over

    @pytest.mark.django_db(transaction=True)
    def test_two_looks_at_once_tell_it_once(self, settings: Any) -> None:
        settings.ALERT_EMAILS = ["ti@example.com"]
        silence("whatsapp", 300)
        with mail_server() as server:
            settings.MAILERS = mailers(server.url)
            server.on_mail = look_elsewhere
            alarms.look()
            assert server.subjects == ["Flowlog: As mensagens aos clientes não estão saindo"]

    def test_what_ended_before_anybody_was_told_is_not_told(self, settings: Any) -> None:
        settings.ALERT_EMAILS = ["ti@example.com"]
        with mail_server() as server:
            settings.MAILERS = mailers(server.url)
            server.refuses = True
            silence("whatsapp", 300)
            alarms.look()
            heartbeats.beat("whatsapp", "whatsapp@test")
            server.refuses = False
            alarms.look()
            assert (server.mails, Alarm.objects.count()) == ([], 0)

    def test_without_mail_the_alarm_is_only_logged(self, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
        settings.ALERT_EMAILS, settings.MAILERS = ["ti@example.com"], mailers("")
        silence("whatsapp", 300)
        alarms.look()
        alarms.look()
        assert [record.getMessage() for record in caplog.records] == [
            "Alarm: silent_worker whatsapp",
            "Not mailed, EMAIL_URL is not set: Flowlog: As mensagens aos clientes não estão saindo",
        ]

    def test_a_worker_that_never_came_is_told_of_after_an_interval_and_a_half(self) -> None:
        Heartbeat.objects.all().delete()
        for seconds in (0, 89):
            silence("whatsapp", seconds)
            alarms.look()
            assert not Alarm.objects.exists()
        silence("whatsapp", 91)
        alarms.look()
        assert Alarm.objects.get().told_at

    def test_a_sweep_that_does_not_come_is_told_once_and_its_return(self, settings: Any) -> None:
        settings.ALERT_EMAILS = ["ti@example.com"]
        with mail_server() as server:
            settings.MAILERS = mailers(server.url)
            silence("sweep", 96)
            home = client_of(make_staff()).get("/admin/").content.decode()
            assert "A verificação das mensagens na fila está parada" in home
            alarms.look()
            alarms.look()
            heartbeats.beat("sweep", "default@test")
            alarms.look()
            seen_gone(60)
            alarms.look()
            assert server.subjects == [
                "Flowlog: A verificação das mensagens na fila está parada",
                "Flowlog: A verificação das mensagens na fila voltou a funcionar",
            ]
        assert not Alarm.objects.exists()

    def test_an_address_that_no_mail_can_have_stops_no_other_alarm(self, settings: Any) -> None:
        settings.ALERT_EMAILS = ["dona\n@example.com"]
        settings.MAILERS = mailers("smtp://127.0.0.1:9")
        silence("whatsapp", 300)
        connections.hold(make_instance().pk, "unauthorized")
        alarms.look()
        assert list(Alarm.objects.values_list("kind", "told_at")) == [("silent_worker", None), ("held_instance", None)]

    def test_while_all_is_well_a_look_costs_one_query(self) -> None:
        make_instance()
        with CaptureQueriesContext(connection) as queries:
            alarms.look()
        assert len(queries) == 1

    @pytest.mark.django_db(transaction=True)
    def test_without_a_broker_holding_an_instance_goes_on(self, settings: Any) -> None:
        instance = make_instance()
        with broker_at(NOWHERE, settings):
            assert connections.hold(instance.pk, "unauthorized")
        alarms.look()
        assert Alarm.objects.get().name == "flowlog"


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
