"""What the processes write into the log, tried with real processes."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from flowlog.logs.config import process_name
from flowlog.logs.context import AddIds, about, begin, current
from flowlog.logs.formats import JsonLine, TextLine, written_at
from flowlog.logs.masking import Masker
from tests.embedded import BASE_DIR
from tests.processes import environment, wait_until, web_server, worker

# Writes so many long lines as one of several processes.
WRITER = """
import logging.config, sys
from pathlib import Path
from flowlog.logs.config import logging_config
from flowlog.logs.masking import Masker
config = logging_config(Path(sys.argv[1]), "django", "INFO", "text", Masker())
config["root"]["handlers"].remove("console")
logging.config.dictConfig(config)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    logging.getLogger("writer").info("%s-%d:%s", sys.argv[2], number, "x" * 20_000)
"""
# Logs as one of several kinds of process does.
CONFIGURED = """
import logging.config, sys
from pathlib import Path
from flowlog.logs.config import STARTED, logging_config
from flowlog.logs.masking import Masker
config = logging_config(Path(sys.argv[1]), sys.argv[2], "WARNING", "text", Masker())
logging.config.dictConfig(config)
log = logging.getLogger
"""
# Makes one module impossible to import, in any process that finds this on its path.
BREAKER = """
import os, sys
class Breaker:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["BROKEN"]:
            raise ImportError("cannot import name 'nonsense', says +5511987654321")
sys.meta_path.insert(0, Breaker())
"""


@pytest.fixture(autouse=True)
def nothing_in_hand() -> None:
    """Whatever an earlier test's request has left."""
    begin()


def record(message: str, *args: Any, **values: Any) -> logging.LogRecord:
    made = logging.LogRecord("orders.services", logging.WARNING, __file__, 1, message, args, None)
    vars(made).update({"created": datetime(2026, 11, 24, 12, 30, 1, 250_000, UTC).timestamp(), "process": 7} | values)
    AddIds().filter(made)
    return made


def failure() -> Any:
    try:
        int("+5511987654321 is no number\nsecond line")
    except ValueError:
        return sys.exc_info()


class TestForms:
    def test_text_is_one_line_with_what_is_in_hand(self) -> None:
        with about(request="abcd1234", order="K7MPXQ", notification=12, task=""):
            line = TextLine(Masker()).format(record("Sent to %s\nat once", "+5511987654321"))
        when, rest = line.split(" ", 1)
        assert datetime.fromisoformat(when) == datetime(2026, 11, 24, 12, 30, 1, 250_000, UTC)
        assert rest == (
            "WARNING orders.services [7] (request=abcd1234 order=K7MPXQ notification=12) Sent to …4321 ⏎ at once"
        )

    def test_a_line_is_masked_once_for_all_handlers_and_by_each_form(self) -> None:
        asked: list[str] = []

        def mask(text: str) -> str:
            asked.append(text)
            return text

        text, other, made = TextLine(mask), JsonLine(str.upper), record("só isto")
        line = "2026-11-24T09:30:01.250-03:00 WARNING orders.services [7] só isto"
        assert text.format(made) == text.format(made) == line
        assert asked == ["só isto"]
        assert json.loads(other.format(made))["message"] == "SÓ ISTO"

    def test_json_has_the_same_as_fields(self) -> None:
        with about(order="K7MPXQ"):
            fields = json.loads(JsonLine(Masker()).format(record("Sent to %s", "+5511987654321")))
        assert datetime.fromisoformat(fields.pop("time")) == datetime(2026, 11, 24, 12, 30, 1, 250_000, UTC)
        assert fields == {
            "level": "WARNING", "logger": "orders.services", "process": 7, "message": "Sent to …4321",
            "order": "K7MPXQ",
        }  # fmt: skip

    @pytest.mark.parametrize("form", [TextLine, JsonLine])
    def test_a_traceback_stays_in_its_line_and_is_masked(self, form: Any) -> None:
        line = form(Masker()).format(record("Failed", exc_info=failure()))
        assert "\n" not in line
        assert "Traceback" in line
        assert "…4321 is no number" in line
        assert "5511987" not in line

    @pytest.mark.parametrize("form", [TextLine, JsonLine])
    def test_the_time_of_a_line_is_read_back(self, form: Any) -> None:
        assert written_at(form(Masker()).format(record("x"))) == datetime(2026, 11, 24, 12, 30, 1, 250_000, UTC)

    @pytest.mark.parametrize("line", ["", "Traceback (most recent call last):", "{", "{}", "[1]", "2026-11-24 x"])
    def test_what_is_no_line_has_no_time(self, line: str) -> None:
        assert written_at(line) is None


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["manage.py", "migrate"], "django"),
        (["/opt/flowlog/.venv/bin/gunicorn", "flowlog.wsgi"], "django"),
        (["/opt/flowlog/.venv/bin/celery", "-A", "flowlog", "worker", "-Q", "whatsapp"], "worker-whatsapp"),
        (["/x/celery/__main__.py", "-A", "flowlog", "worker", "-Q", "default"], "worker-default"),
        (["celery", "-A", "flowlog", "worker", "--queues", "default"], "worker-default"),
        (["celery", "-A", "flowlog", "worker", "--queues=default", "-c", "2"], "worker-default"),
        (["celery", "-A", "flowlog", "worker", "-Qdefault"], "worker-default"),
        (["celery", "-A", "flowlog", "worker", "-Q", "default,whatsapp"], "worker"),
        (["celery", "-A", "flowlog", "worker", "-Q", "../../etc/x"], "worker"),
        (["celery", "-A", "flowlog", "beat"], "beat"),
        (["celery", "-A", "flowlog", "inspect", "ping"], "django"),
        ([], "django"),
    ],
)
def test_each_process_has_its_file(arguments: list[str], name: str) -> None:
    assert process_name(arguments) == name


def write(folder: Path, process: str, program: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a program that logs as this process does; its stderr is the console."""
    return subprocess.run(
        [sys.executable, "-c", CONFIGURED + program, str(folder), process],
        cwd=BASE_DIR, env=os.environ | env, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip


def messages(log: Path) -> list[str]:
    return [line.partition("] ")[2] for line in log.read_text().splitlines()]


def test_a_workers_start_and_errors_are_in_django_log_too(tmp_path: Path) -> None:
    program = 'log("x").info("news"); log("x").warning("odd"); log("x").error("wrong"); log(STARTED).info("start")'
    write(tmp_path, "worker-whatsapp", program)
    assert messages(tmp_path / "worker-whatsapp.log") == ["odd", "wrong", "start"]
    assert messages(tmp_path / "django.log") == ["wrong", "start"]


def test_what_cannot_be_written_as_it_is_is_written_otherwise(tmp_path: Path) -> None:
    program = (
        r'log("x").warning("half \ud800 of %s", "+5511987654321");'
        r'log("x").warning("%d of them", "+5511987654321");'
        r'log("x").warning("\x1b[2J\0 gone \u2028 next")'
    )
    done = write(tmp_path, "django", program)
    said = ["half \\ud800 of …4321", "%d of them ('…4321',)", "\\x1b[2J\\x00 gone  ⏎  next"]
    assert messages(tmp_path / "django.log") == said
    assert [line.partition("] ")[2] for line in done.stderr.splitlines()] == said


def test_django_and_gunicorn_have_no_handlers_that_mask_nothing(tmp_path: Path) -> None:
    program = """
import gunicorn.glogging, gunicorn.config
gunicorn.glogging.Logger(gunicorn.config.Config())
import django; django.setup()
logging.config.dictConfig(config)
for name in ("django.request", "django.server", "gunicorn.error"):
    log(name).error("Error handling request /rastreio/bcXBselD7jloiVWmSN-J8Q/ of +5511987654321")
"""
    done = write(tmp_path, "django", program, DEBUG="true", LOG_DIR=str(tmp_path / "other"))
    assert messages(tmp_path / "django.log") == ["Error handling request /rastreio/***/ of …4321"] * 3
    assert [line.partition("] ")[2] for line in done.stderr.splitlines()] == messages(tmp_path / "django.log")


@pytest.mark.parametrize("separator", ["\x85", "\u2028", "\u2029", "\x0b"])
def test_json_is_one_line_for_every_reader(separator: str) -> None:
    line = JsonLine(Masker()).format(record(f"one{separator}two"))
    assert line.splitlines() == [line]
    assert json.loads(line)["message"] == f"one{separator}two"


def test_no_line_is_lost_or_torn_by_several_writers_and_a_rotation(tmp_path: Path) -> None:
    each, writers = 300, []
    for name in "abc":
        command = [sys.executable, "-c", WRITER, str(tmp_path), name, str(each)]
        writers.append(subprocess.Popen(command, cwd=BASE_DIR, stdin=subprocess.PIPE))
    for writer in writers:
        assert writer.stdin
        writer.stdin.close()
    log, rotated = tmp_path / "django.log", 0
    while any(writer.poll() is None for writer in writers):
        if log.exists() and log.stat().st_size > 1_000_000:
            log.rename(tmp_path / f"django.log.{rotated}")
            rotated += 1
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert rotated >= 2
    lines = [line for file in tmp_path.iterdir() for line in file.read_text().splitlines()]
    assert all(re.fullmatch(r"\S+ INFO writer \[\d+\] [abc]-\d+:x{20000}", line) for line in lines)
    written = {line.split()[-1].partition(":")[0] for line in lines}
    assert written == {f"{name}-{number}" for name in "abc" for number in range(each)}
    assert len(lines) == 3 * each


@pytest.mark.parametrize(
    "command",
    [
        ["manage.py", "migrate", "--check"],
        ["-c", "import flowlog.wsgi"],
        ["-m", "celery", "-A", "flowlog", "worker", "-Q", "whatsapp"],
        ["-m", "celery", "-A", "flowlog", "beat"],
    ],
    ids=["command", "web", "worker", "beat"],
)
class TestStart:
    def start(self, command: list[str], tmp_path: Path, **env: str) -> tuple[int, str]:
        """The exit code, and what is in django.log."""
        env = os.environ | {"DEBUG": "true", "LOG_DIR": str(tmp_path / "logs")} | env
        done = subprocess.run(
            [sys.executable, *command], cwd=BASE_DIR, env=env, capture_output=True, timeout=60, check=False
        )
        log = tmp_path / "logs" / "django.log"
        return done.returncode, log.read_text() if log.exists() else ""

    # One that Django loads, and one that every process needs before that. Beat loads no app.
    @pytest.mark.parametrize("broken", ["orders.services", "flowlog.logs.context"])
    def test_an_import_error_is_in_django_log(self, command: list[str], broken: str, tmp_path: Path) -> None:
        broken = broken.replace("orders.services", "flowlog.schedule") if "beat" in command else broken
        (tmp_path / "sitecustomize.py").write_text(BREAKER)
        code, log = self.start(command, tmp_path, PYTHONPATH=str(tmp_path), BROKEN=broken)
        assert code != 0
        [line] = [line for line in log.splitlines() if "CRITICAL flowlog.startup" in line]
        assert "Stopped by ImportError: cannot import name 'nonsense', says …4321" in line
        assert "5511987" not in log

    def test_a_wrong_setting_is_in_django_log(self, command: list[str], tmp_path: Path) -> None:
        code, log = self.start(command, tmp_path, HEARTBEAT_INTERVAL="soon", LOG_FORMAT="json")
        assert code != 0
        [line] = log.splitlines()
        says = "HEARTBEAT_INTERVAL deve ser um número de segundos acima de 0, não 'soon'."
        assert says in json.loads(line)["message"]


class TestRequests:
    @pytest.mark.parametrize("given", ["a1b2c3d4e5f60718", "b7d9f2e0-1c1b-4f0e-9f5e-2f2a0c3d4e5f"])
    def test_the_proxys_id_is_answered(self, given: str) -> None:
        assert Client(headers={"X-Request-ID": given}).get("/nowhere/")["X-Request-ID"] == given

    @pytest.mark.parametrize("given", ["", "short", "a b c d e f g h", "x" * 65, "új-azonosító", "5511987654321"])
    def test_a_strange_one_is_replaced(self, given: str) -> None:
        answered = Client(headers={"X-Request-ID": given}).get("/nowhere/")["X-Request-ID"]
        assert re.fullmatch("[0-9a-f]{32}", answered)

    def test_any_id_that_is_made_is_found_in_the_log(self) -> None:
        mask = Masker()
        for _number in range(2000):
            for made in (uuid.uuid4().hex, str(uuid.uuid4())):
                assert mask(made) == made

    def test_a_probe_does_not_pass_for_the_request_before_it(self) -> None:
        Client(headers={"X-Request-ID": "a1b2c3d4e5f60718"}).get("/nowhere/")
        assert current() == {"request": "a1b2c3d4e5f60718"}
        answered = Client().get("/healthz")["X-Request-ID"]
        assert current() == {"request": answered}

    def test_lines_of_a_request_carry_it(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.handler.addFilter(AddIds())
        Client(headers={"X-Request-ID": "a1b2c3d4e5f60718"}).get("/nowhere/")
        assert [vars(each)["ids"] for each in caplog.records] == [{"request": "a1b2c3d4e5f60718"}]


@pytest.mark.django_db(transaction=True)
def test_a_workers_lines_name_the_task_the_message_and_the_order(tmp_path: Path) -> None:
    from flowlog.celery import app
    from integrations.models import NotificationLog
    from tests.broker import purge
    from tests.factories import make_instance, make_order

    purge("whatsapp")
    make_instance()
    order = make_order(notify=True)
    row = NotificationLog.objects.get()
    other = make_order(notify=True)
    later = NotificationLog.objects.latest("pk")
    purge("whatsapp")
    # The wake-up of the second: a worker sends what is next and goes on, and each line is about what is in hand.
    sent = app.send_task("notifications.tasks.send_whatsapp", (later.pk, later.snapshot), queue="whatsapp")
    env = {"EVOLUTION_API_URL": "http://127.0.0.1:9", "LOG_DIR": str(tmp_path)}
    with worker("whatsapp", **env):
        wait_until(lambda: NotificationLog.objects.get(pk=later.pk).attempts, "an attempt")
    log = (tmp_path / "worker-whatsapp.log").read_text()
    assert environment()["DATABASE_URL"] not in log
    own = {(row.pk, order.code), (later.pk, other.code)}
    about = re.findall(rf"\(task={sent.id} notification=(\d+) order=(\w+)\)", log)
    assert {(int(pk), code) for pk, code in about} == own


@pytest.mark.django_db(transaction=True)
def test_each_process_says_when_it_started_and_with_which_revision(tmp_path: Path, settings: Any) -> None:
    log, env = tmp_path / "django.log", {"LOG_DIR": str(tmp_path), "LOG_LEVEL": "ERROR"}
    with worker("default", LOG_DIR=str(tmp_path)), web_server(**env):
        wait_until(lambda: log.exists() and log.read_text().count("Started") == 3, "two web workers and one of default")
    told = sorted(line.partition("] ")[2] for line in log.read_text().splitlines() if " flowlog.started " in line)
    name = settings.REVISION or "unknown"
    assert told == [f"Started {each}, revision {name}" for each in ("web", "web", "worker-default")]


def test_what_ends_a_command_is_written_masked_and_is_no_failed_start(tmp_path: Path) -> None:
    env = os.environ | {"DEBUG": "true", "LOG_DIR": str(tmp_path), "EVOLUTION_API_KEY": "gateway-secret-1"}
    command = ["manage.py", "shell", "-c", "raise ValueError('gateway-secret-1 and +5511987654321\\nare odd')"]
    done = subprocess.run(
        [sys.executable, *command], cwd=BASE_DIR, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    [line] = (tmp_path / "django.log").read_text().splitlines()
    assert " CRITICAL flowlog.crash " in line
    assert "] Stopped by ValueError: *** and …4321 ⏎ are odd ⏎ Traceback" in line
    assert done.stderr.endswith("ValueError: *** and …4321\nare odd\n")
    for text in (line, done.stderr):
        assert "5511987" not in text
        assert "gateway-secret" not in text
