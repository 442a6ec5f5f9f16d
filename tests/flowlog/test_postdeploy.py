"""`manage.py postdeploy`, with real workers and a real message to the sandbox's phone."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from flowlog.checklists import postdeploy, trial, workers
from flowlog.checklists.items import State
from flowlog.logs.formats import TextLine
from flowlog.logs.masking import Masker
from integrations.models import DeliveryAttempt, NotificationLog
from orders.models import Customer, Order, OrderEvent, Store
from tests.broker import purge
from tests.factories import PHONE, make_instance, make_order
from tests.flowlog.test_logs import record
from tests.integrations.sandbox import SandboxProcess
from tests.processes import System, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def system(tmp_path: Path, gateway: SandboxProcess, settings: Any) -> Iterator[System]:
    settings.LOG_DIR = tmp_path / "web-logs"
    with ExitStack() as stack:
        purge("default", "whatsapp")
        make_instance()
        yield System(stack, tmp_path, gateway, HEARTBEAT_INTERVAL="1")


def call(*arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
    """The exit code, and the items by name."""
    out, code = io.StringIO(), 0
    try:
        call_command("postdeploy", "--json", *arguments, stdout=out)
    except SystemExit as exit_:
        code = int(str(exit_.code))
    report = json.loads(out.getvalue())
    assert report["ok"] is (code == 0)
    return code, {item["name"]: item for item in report["items"]}


def stored() -> list[int]:
    return [model.objects.count() for model in (Store, Customer, Order, OrderEvent, NotificationLog, DeliveryAttempt)]


def test_a_good_deploy_passes_and_its_test_order_leaves_nothing(
    system: System, gateway: SandboxProcess, settings: Any
) -> None:
    settings.HEARTBEAT_INTERVAL = 1
    settings.SITE_URL = system.web()
    system.start_all()
    customer = make_order().customer
    before = stored()
    code, items = call("--number", PHONE, "--timeout", "20")
    assert {name: item["state"] for name, item in items.items()} == {
        "fila default": "ok", "fila whatsapp": "ok", "logs/django.log": "ok", "migrations": "ok", "web": "ok",
        "pedido de teste": "ok", "beat": "ok",
    }  # fmt: skip
    assert code == 0
    assert items["fila whatsapp"]["words"] == "Consumida por whatsapp@test."
    [text] = gateway.texts(PHONE)
    assert "está confirmado" in text
    assert stored() == before
    customer.refresh_from_db()
    assert customer.name == "Maria da Silva"


def test_workers_of_another_revision_fail_and_are_named(system: System, settings: Any) -> None:
    system.worker("whatsapp", name="old")
    old = settings.REVISION
    settings.REVISION = "f" * 40
    items = list(workers.consumed_by_this_revision(0.1))
    assert [(item.name, item.state) for item in items] == [
        ("fila default", State.FAILED),
        ("fila whatsapp", State.FAILED),
        ("worker antigo", State.FAILED),
    ]
    assert items[0].words == "Nenhum worker a consome."
    assert items[1].words == "Só workers de outra revisão a consomem."
    assert items[2].words == f"old@test roda outra revisão ({old[:12]})."
    settings.REVISION = old
    system.worker("default")
    wait_until(lambda: len(workers.running()) == 2, "both workers")
    assert [item.state for item in workers.consumed_by_this_revision(5)] == [State.OK, State.OK]


def test_without_a_worker_the_test_order_fails_and_is_removed(system: System, gateway: SandboxProcess) -> None:
    before = stored()
    items = list(trial.send(PHONE, 0.3))
    assert [item.state for item in items] == [State.FAILED, State.OK]
    assert items[0].words == "A mensagem para …4321 não foi enviada em 0 s."
    assert stored() == before
    system.worker("whatsapp")
    make_order(notify=True, customer_phone="+5511987651111")
    wait_until(
        lambda: NotificationLog.objects.filter(status="sent").exists(), "the worker to have worked the queue off"
    )
    assert len(gateway.messages()) == 1
    assert gateway.messages(PHONE) == []


def test_a_message_on_its_way_is_left_alone_and_removed_the_next_time(system: System) -> None:
    before = stored()
    row = trial._confirmed_order(PHONE)
    NotificationLog.objects.filter(pk=row.pk).update(status="unknown", error_code="read_timeout")
    assert trial.clean_up() is False
    assert NotificationLog.objects.filter(pk=row.pk).exists()
    NotificationLog.objects.filter(pk=row.pk).update(status="failed")
    assert trial.clean_up() is True
    assert stored() == before


def test_a_failed_message_is_told_with_its_reason(system: System, gateway: SandboxProcess) -> None:
    system.worker("whatsapp")
    items = list(trial.send("+5511987659001", 20))
    assert items[0].state is State.FAILED
    assert items[0].words.startswith("falhou: ")
    assert items[1].state is State.OK


def test_dry_sends_nothing_and_leaves_nothing(system: System, gateway: SandboxProcess) -> None:
    system.worker("whatsapp")
    before = stored()
    [item] = trial.rehearse()
    assert item.state is State.OK
    assert "está confirmado! ✅” Nada foi enviado." in item.words
    assert stored() == before
    assert gateway.messages() == []


class TestLog:
    @pytest.fixture
    def log(self, tmp_path: Path, settings: Any) -> Path:
        settings.LOG_DIR = tmp_path
        return tmp_path / "django.log"

    def write(self, log: Path, *lines: tuple[datetime, str]) -> None:
        text = [TextLine(Masker()).format(record(words, created=when.timestamp())) for when, words in lines]
        log.write_text("\n".join(text) + "\n")

    def test_an_import_error_since_the_restart_fails_and_is_shown(self, log: Path) -> None:
        now = datetime.now(UTC)
        self.write(
            log,
            (now - timedelta(hours=1), "Stopped by ImportError: old"),
            (now, "Stopped by ModuleNotFoundError: No module named 'nonsense'"),
            (now, "Not Found: /favicon.ico"),
        )
        [item] = postdeploy.log_has_no_import_errors(now - timedelta(minutes=1))
        assert item.state is State.FAILED
        assert item.words.startswith("1 erros de importação desde ")
        assert "No module named 'nonsense'" in item.words
        assert "old" not in item.words

    def test_older_ones_do_not_count(self, log: Path) -> None:
        now = datetime.now(UTC)
        self.write(log, (now - timedelta(hours=1), "Stopped by ImportError: old"))
        [item] = postdeploy.log_has_no_import_errors(now - timedelta(minutes=1))
        assert item.state is State.OK

    def test_no_log_is_no_error(self, log: Path) -> None:
        assert not log.exists()
        [item] = postdeploy.log_has_no_import_errors(datetime.now(UTC))
        assert item.state is State.OK


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Diga com --number para onde vai a mensagem de teste, ou use --dry para não enviar."),
        (["--number", "12"], "12"),
        (["--dry", "--timeout", "soon"], "“soon” não é um número de segundos."),
        (["--dry", "--since", "2026-11-24"], "“2026-11-24” não é um momento com fuso"),
        (["--dry", "--number", PHONE], "not allowed with argument"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_happens(arguments: list[str], words: str) -> None:
    before = stored()
    with pytest.raises(CommandError, match=words.replace("(", r"\(")):
        call_command("postdeploy", *arguments)
    assert stored() == before
