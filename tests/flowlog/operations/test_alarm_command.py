"""`manage.py alarm`: a test alarm, and the mail at once when the backup has failed."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from flowlog.checklist import State
from flowlog.mail.mailers import mailers
from flowlog.models import Alarm
from flowlog.operations.checklists import installation
from flowlog.staffpages.groups import MANAGEMENT_GROUP
from tests.flowlog.test_settings import PRODUCTION
from tests.launcher import run
from tests.mail import mail_server
from tests.staff import make_staff


def alarm(logs: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The command with production's settings, and a database that does not answer."""
    away = {"DATABASE_URL": "postgresql://flowlog:secret-word@127.0.0.1:9/flowlog", "LOG_DIR": str(logs)}
    return run("manage.py", "alarm", *arguments, env=PRODUCTION | away | env)


def test_a_failed_backup_is_told_though_the_database_is_away(tmp_path: Path) -> None:
    with mail_server() as server:
        done = alarm(tmp_path, "backup-failed", EMAIL_URL=server.url, ALERT_EMAILS="dona@example.com,ti@example.com")
        [mail] = server.mails
    assert (done.returncode, done.stdout, done.stderr) == (0, "Enviado para dona@example.com, ti@example.com.\n", "")
    assert (mail["To"], mail["Subject"]) == (
        "dona@example.com, ti@example.com", "Flowlog: A cópia do banco falhou"
    )  # fmt: skip
    assert mail.get_content().strip() == (
        "As cópias anteriores continuam lá. Veja `systemctl status flowlog-backup` e logs/backup.log."
    )


@pytest.mark.django_db
class TestTried:
    def test_a_test_alarm_reaches_whoever_is_told_and_leaves_nothing(self, settings: Any, capsys: Any) -> None:
        user = make_staff("gil", MANAGEMENT_GROUP)
        user.email = "gil@example.com"
        user.save()
        with mail_server() as server:
            settings.MAILERS = mailers(server.url)
            call_command("alarm", "test")
            [mail] = server.mails
        assert capsys.readouterr().out == "Enviado para gil@example.com.\n"
        assert (mail["To"], mail["Subject"]) == ("gil@example.com", "Flowlog: Este é um alarme de teste")
        assert not Alarm.objects.exists()

    def test_without_a_server_nobody_can_be_told(self, settings: Any) -> None:
        settings.MAILERS = mailers("")
        words = "EMAIL_URL não está definido, e ninguém pode ser avisado: defina no .env, e ALERT_EMAILS também."
        with pytest.raises(CommandError, match=words):
            call_command("alarm", "test")
        # Of which the checklists warn too.
        told = {item.name: item.state for item in installation.production_settings()}
        assert told["EMAIL_URL"] is State.WARNING
        settings.MAILERS = mailers("smtp://127.0.0.1:9")
        assert "EMAIL_URL" not in {item.name for item in installation.production_settings()}

    def test_a_server_that_refuses_it_and_nobody_to_tell(self, settings: Any) -> None:
        with mail_server() as server:
            settings.MAILERS = mailers(server.url)
            with pytest.raises(CommandError, match="Ninguém é avisado: defina ALERT_EMAILS"):
                call_command("alarm", "test")
            settings.ALERT_EMAILS, server.refuses = ["ti@example.com"], True
            refused = r"O servidor de e-mail não aceitou \(SMTPSenderRefused: .*\). Veja EMAIL_URL no .env."
            with pytest.raises(CommandError, match=refused):
                call_command("alarm", "test")
        assert server.mails == []
