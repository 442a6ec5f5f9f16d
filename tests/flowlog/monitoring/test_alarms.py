"""The mails that tell of trouble, and of its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from flowlog import heartbeats
from flowlog.mail.mailers import mailers
from flowlog.models import Alarm, Heartbeat
from flowlog.monitoring import alarms
from flowlog.staffpages.groups import MANAGEMENT_GROUP
from integrations.instances import connections
from tests.broker import broker_at
from tests.factories import make_instance
from tests.flowlog.monitoring.health import NOWHERE, seen_gone, silence
from tests.mail import MailServer, mail_server
from tests.processes import environment, wait_until
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db


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
                connections.resume(instance.pk)
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
        for seconds in (0, 60):  # not the very last second: looking takes a while
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
