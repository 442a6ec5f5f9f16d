"""The units start what development starts. That they are well-formed and may do little is tested on a server."""

from __future__ import annotations

import re
import shlex

import pytest
from django.conf import settings as conf

from flowlog.celery import app
from flowlog.devtools.system import celery_arguments
from tests.embedded import BASE_DIR

UNITS = BASE_DIR / "deploy" / "systemd"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
IN_ITS_RELEASE = ["/usr/bin/env", "-u", "PWD"]


def settings(unit: str) -> dict[str, str]:
    """The settings of a unit's file; of one that stands there twice, the last."""
    return dict(re.findall(r"(?m)^([A-Za-z]+)=(.*)$", (UNITS / unit).read_text()))


def test_there_is_a_unit_for_each_process() -> None:
    names = {"web", "web-stand-in", "worker-default", "worker-whatsapp", "beat", "backup", "backup-failed"}
    assert set(SERVICES) == {f"flowlog-{name}.service" for name in names}


@pytest.mark.parametrize("name", ["worker-default", "worker-whatsapp", "beat"])
def test_celery_is_started_as_in_development(name: str) -> None:
    # systemd reads %% as %.
    command = shlex.split(settings(f"flowlog-{name}.service")["ExecStart"].replace("%%", "%"))
    assert command == [*IN_ITS_RELEASE, ".venv/bin/python", "-m", "celery", "-A", "flowlog", *celery_arguments()[name]]


@pytest.mark.parametrize("unit", SERVICES)
def test_what_runs_does_not_know_the_link_that_leads_to_its_release(unit: str) -> None:
    found = settings(unit)
    assert found["WorkingDirectory"] == "/opt/flowlog/releases/current"
    program = ["deploy/backup.sh"] if unit == "flowlog-backup.service" else [".venv/bin/python"]
    assert shlex.split(found["ExecStart"])[:4] == [*IN_ITS_RELEASE, *program]


@pytest.mark.parametrize("name", ["web", "worker-default", "worker-whatsapp"])
def test_what_comes_before_the_sandbox_is_roots_and_does_not_run_as_root(name: str) -> None:
    who = "--reuid=flowlog --regid=flowlog --init-groups --reset-env"
    before = settings(f"flowlog-{name}.service")["ExecStartPre"]
    assert before == f"-+/usr/bin/setpriv {who} /usr/local/lib/flowlog/take_over.sh %p"


@pytest.mark.parametrize("name", ["worker-default", "worker-whatsapp"])
def test_workers_may_finish_what_is_in_hand_and_always_come_back(name: str) -> None:
    found = settings(f"flowlog-{name}.service")
    expected = {
        "Type": "simple", "KillMode": "mixed", "KillSignal": "SIGTERM", "Restart": "always",
        "RestartSec": "5", "StartLimitIntervalSec": "0", "OOMPolicy": "continue",
    }  # fmt: skip
    assert expected.items() <= found.items()
    assert "REMAP_SIGTERM" not in found["Environment"]


@pytest.mark.parametrize("name", ["worker-default", "worker-whatsapp"])
def test_no_worker_is_killed_before_its_longest_task_has_ended(name: str) -> None:
    """By its hard limit at the latest, and then there is time to write down what came of it."""
    queue = name.removeprefix("worker-")
    limits = [conf.CELERY_TASK_TIME_LIMIT]
    for task, limited in conf.CELERY_TASK_ANNOTATIONS.items():
        if app.amqp.router.route({}, task)["queue"].name == queue:
            limits.append(limited["time_limit"])
    assert max(limits) + 15 <= int(settings(f"flowlog-{name}.service")["TimeoutStopSec"])


def test_a_backup_that_fails_is_told_at_once() -> None:
    """By the command that tests/flowlog/operations/test_alarm_command.py tries."""
    assert settings("flowlog-backup.service")["OnFailure"] == "flowlog-backup-failed.service"
    command = shlex.split(settings("flowlog-backup-failed.service")["ExecStart"])
    assert command == [*IN_ITS_RELEASE, ".venv/bin/python", "manage.py", "alarm", "backup-failed"]


def test_what_answers_during_a_restart_is_the_same_program() -> None:
    web, stand_in = settings("flowlog-web.service"), settings("flowlog-web-stand-in.service")
    assert stand_in["ExecStart"] == web["ExecStart"]
    assert stand_in["Sockets"] == "flowlog-web.socket"
    assert stand_in["NotifyAccess"] == web["NotifyAccess"] == "all"
    # Where a unit does not say so, as those of before, gunicorn itself says that it is ready.
    assert all("READY_BY=workers" in unit["Environment"].split() for unit in (web, stand_in))
    assert "\nAfter=" not in (UNITS / "flowlog-web-stand-in.service").read_text()
    # The stop that waits for it must not be cut short.
    assert int(stand_in["TimeoutStartSec"]) < int(web["TimeoutStopSec"])
    # Who stops the site stops both.
    assert web["PropagatesStopTo"] == "flowlog-web-stand-in.service"


def test_beat_follows_the_worker_of_default() -> None:
    assert settings("flowlog-beat.service")["PartOf"] == "flowlog-worker-default.service"
    assert "flowlog-beat.service" in settings("flowlog-worker-default.service")["Wants"].split()


@pytest.mark.parametrize("unit", SERVICES)
def test_every_service_has_a_user_of_its_own(unit: str) -> None:
    assert (settings(unit)["User"], settings(unit)["Group"]) == ("flowlog", "flowlog")


def test_nginx_tells_of_no_failed_request_with_its_address() -> None:
    """Its log of errors has one format, in which the query and the page before stand whole."""
    servers = (BASE_DIR / "deploy" / "nginx" / "flowlog.conf").read_text().split("\nserver {")[1:]
    assert [re.findall(r"(?m)^    error_log (.*);$", server) for server in servers] == [
        ["/var/log/nginx/error.log crit"],
        ["/var/log/nginx/error.log crit"],
    ]
