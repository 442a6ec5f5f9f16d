"""Heartbeats through real queues and workers; and a worker that stops is noticed everywhere, until it is back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client
from django_celery_results.models import TaskResult

from flowlog import heartbeats
from flowlog.models import Alarm, Heartbeat
from flowlog.monitoring import alarms
from integrations.models import NotificationLog
from tests.broker import purge
from tests.factories import make_instance, make_order
from tests.flowlog.monitoring.health import BANNER, metric
from tests.integrations.sandbox import SandboxProcess
from tests.mail import MailServer, mail_server
from tests.processes import System, wait_until
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db(transaction=True)

# Seconds. Half of it is longer than any worker needs for a heartbeat on a machine that is busy with other things.
INTERVAL = 6.0


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
def system(tmp_path: Path, gateway: SandboxProcess, mail: MailServer, settings: Any) -> Iterator[System]:
    settings.HEARTBEAT_INTERVAL = INTERVAL
    with ExitStack() as stack:
        purge("default", "whatsapp")
        make_instance()
        env = {"HEARTBEAT_INTERVAL": str(INTERVAL), "EMAIL_URL": mail.url, "ALERT_EMAILS": "dona@example.com"}
        yield System(stack, tmp_path, gateway, **env, NOTIFICATIONS_SWEEP_INTERVAL="0.5")


def hosts() -> dict[str, str]:
    return dict(Heartbeat.objects.exclude(host="").order_by("queue").values_list("queue", "host"))


_seen: set[tuple[str, Any]] = set()


def heard_three_times(queue: str) -> bool:
    """Whether three different heartbeats of the queue were seen by now."""
    _seen.update(Heartbeat.objects.filter(queue=queue).exclude(host="").values_list("queue", "beat_at"))
    return sum(one == queue for one, _ in _seen) >= 3


def test_each_worker_is_heard_at_once_and_then_again_and_again(system: System) -> None:
    system.worker("whatsapp")
    wait_until(lambda: hosts() == {"whatsapp": "whatsapp@test"}, "the first sign of life, without beat")
    system.worker("default")
    wait_until(lambda: hosts() == {"default": "default@test", "whatsapp": "whatsapp@test"}, "both workers")
    system.beat()
    _seen.clear()
    for queue in ("default", "whatsapp"):
        wait_until(partial(heard_three_times, queue), f"three heartbeats of {queue}")
    assert not TaskResult.objects.exists()


def test_with_only_the_default_worker_the_whatsapp_queue_has_no_pulse(system: System) -> None:
    system.worker("default")
    system.beat()
    _seen.clear()
    wait_until(partial(heard_three_times, "default"), "three heartbeats")
    pulse = heartbeats.pulses()["whatsapp"]
    assert (pulse.host, pulse.silent) == ("", True)


def test_any_task_is_a_sign_of_life(system: System) -> None:
    system.worker("whatsapp")
    wait_until(hosts, "the first sign of life")
    Heartbeat.objects.all().delete()
    wait_until(lambda: make_order(notify=True) and hosts(), "a send as a sign of life", patience=20)
    assert hosts() == {"whatsapp": "whatsapp@test"}


@pytest.mark.parametrize("phase", [0.0, 0.001, 0.5, 0.999])
def test_a_silence_is_told_of_within_two_intervals_by_the_clock(phase: float, settings: Any) -> None:
    """In the database's time, with looks as often as beat sends them, wherever between two of them the silence fell."""
    schedule = settings.CELERY_BEAT_SCHEDULE["look-for-trouble"]
    every, interval = schedule["schedule"], settings.HEARTBEAT_INTERVAL
    assert (schedule["options"], interval) == ({"expires": every + 600}, 60)
    whatsapp = Heartbeat.objects.filter(queue="whatsapp")
    heartbeats.beat("whatsapp", "whatsapp@test")
    heartbeats.beat(heartbeats.SWEEP, "default@test")
    for number in range(100):
        whatsapp.update(beat_at=Now() - timedelta(seconds=(number + phase) * every))
        alarms.look()
        if told := Alarm.objects.values_list("told_at", flat=True).first():
            break
    assert told
    took = (told - whatsapp.get().beat_at).total_seconds()
    # Ten seconds of the two minutes are left for the queue and the mail.
    assert 1.5 * interval < took < 2 * interval - 10
    assert heartbeats.pulses()["whatsapp"].silent


def wait_until_ready(prober: Client) -> None:
    try:
        wait_until(lambda: prober.get("/readyz").status_code == 200, "a system that is ready")
    except AssertionError as error:
        error.add_note(prober.get("/readyz").content.decode())
        raise


def wait_until_all_is_well(prober: Client, mail: MailServer) -> None:
    """Ready, and whatever a slow start made beat tell of is over and out of the way."""
    wait_until_ready(prober)
    wait_until(lambda: not Alarm.objects.exists(), "the end of what the start made it tell")
    mail.mails.clear()


def test_a_stopped_whatsapp_worker_is_noticed_everywhere_until_it_is_back(system: System, mail: MailServer) -> None:
    whatsapp = system.worker("whatsapp")
    system.worker("default")
    system.beat()
    staff, stranger, prober = client_of(make_staff()), client_of(make_staff("bia", group="")), Client()
    wait_until_all_is_well(prober, mail)
    assert BANNER not in staff.get("/admin/").content.decode()

    whatsapp.kill()
    make_order(notify=True)
    wait_until(lambda: mail.mails, "a mail")
    answer = prober.get("/readyz")
    assert answer.status_code == 503
    assert [name for name, check in answer.json()["checks"].items() if not check["ok"]] == ["worker-whatsapp"]
    assert metric(prober, 'flowlog_heartbeat_age_seconds{queue="whatsapp"}') > 1.5 * INTERVAL
    assert metric(prober, 'flowlog_heartbeat_age_seconds{queue="default"}') < 1.5 * INTERVAL
    banner = staff.get("/admin/").content.decode()
    assert "As mensagens aos clientes não estão saindo." in banner
    assert "1 mensagem na fila." in banner
    assert BANNER not in stranger.get("/admin/").content.decode()
    [said] = mail.mails
    assert (said["Subject"], said["To"]) == ("Flowlog: As mensagens aos clientes não estão saindo", "dona@example.com")
    assert "1 mensagem na fila." in said.get_content()
    assert "http://testserver/admin/integrations/notificationlog/" in said.get_content()

    system.worker("whatsapp")
    wait_until_ready(prober)
    wait_until(lambda: not Alarm.objects.exists() and len(mail.mails) == 2, "the second mail")
    assert mail.subjects[1] == "Flowlog: As mensagens aos clientes voltaram a sair"
    assert BANNER not in staff.get("/admin/").content.decode()
    wait_until(lambda: NotificationLog.objects.get().status == "sent", "the message")
    assert len(mail.mails) == 2


def test_a_held_instance_is_told_by_mail_when_it_begins_and_when_it_ends(
    system: System, mail: MailServer, gateway: SandboxProcess
) -> None:
    system.env |= {"NOTIFICATIONS_PROBE_FIRST": "0.5", "NOTIFICATIONS_PROBE_MAX": "1"}
    system.start_all()
    wait_until_all_is_well(Client(), mail)
    gateway.disconnect("flowlog")
    make_order(notify=True)
    wait_until(lambda: mail.mails, "a mail")
    assert mail.subjects == ["Flowlog: WhatsApp flowlog desconectado"]
    gateway.disconnect("flowlog", disconnected=False)
    wait_until(lambda: len(mail.mails) == 2, "the second mail")
    assert mail.subjects[1] == "Flowlog: WhatsApp flowlog voltou"
    wait_until(lambda: NotificationLog.objects.get().status == "sent", "the message")
    assert len(mail.mails) == 2
