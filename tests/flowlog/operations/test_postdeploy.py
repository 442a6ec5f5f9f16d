"""`manage.py postdeploy`, with real workers and a real message to the sandbox's phone."""

from __future__ import annotations

import io
import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now

from flowlog.checklist import State
from flowlog.logs.formats import TextLine
from flowlog.logs.masking import Masker
from flowlog.operations.checklists import installation, postdeploy, trial, workers
from flowlog.transport import Transport
from integrations.instances import connections
from integrations.models import DeliveryAttempt, EvolutionInstance, NotificationLog
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


def test_a_question_does_not_take_the_answers_to_the_next() -> None:
    """kombu 5.7: what a question still waits for on Redis when its time is over gets the next one's first answer."""
    assert Transport.brpop_timeout <= workers._ASKED_FOR


class TestOneOfSeveralServers:
    """What other machines serve is theirs to restart: it is told, and does not fail this one's deploy."""

    def states(self, *own: str) -> list[tuple[str, State]]:
        # On a busy machine an answer may take longer than it is waited for.
        wait_until(workers.running, "an answer of the workers")
        return [(item.name, item.state) for item in workers.consumed_by_this_revision(0.1, frozenset(own))]

    def test_their_workers_are_a_warning(self, system: System, settings: Any) -> None:
        system.worker("whatsapp")
        settings.REVISION = "f" * 40
        elsewhere = [
            ("fila default", State.WARNING),
            ("fila whatsapp", State.WARNING),
            ("worker antigo", State.WARNING),
        ]
        assert self.states() == elsewhere
        assert self.states("default") == [("fila default", State.FAILED), *elsewhere[1:]]
        assert self.states("whatsapp") == [elsewhere[0], ("fila whatsapp", State.FAILED), elsewhere[2]]

    def test_an_old_worker_of_this_machine_fails(
        self, system: System, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(workers, "gethostname", lambda: "test")
        system.worker("whatsapp")
        settings.REVISION = "f" * 40
        assert self.states("whatsapp")[-1] == ("worker antigo", State.FAILED)
        assert self.states("default")[-1] == ("worker antigo", State.WARNING)

    def test_a_message_that_they_do_not_send_is_a_warning(self, system: System, settings: Any) -> None:
        before = stored()
        elsewhere, here = frozenset({"default"}), frozenset({"whatsapp"})
        assert [item.state for item in trial.send(PHONE, 0.3, elsewhere)] == [State.WARNING, State.OK]
        assert [item.state for item in trial.send(PHONE, 0.3, here)] == [State.FAILED, State.OK]
        system.worker("whatsapp")
        to_nobody = "+5511987659001"
        assert next(iter(trial.send(to_nobody, 20, elsewhere))).state is State.FAILED
        settings.REVISION = "f" * 40
        assert next(iter(trial.send(to_nobody, 20, elsewhere))).state is State.WARNING
        assert trial.clean_up() is True
        assert stored() == before

    def test_the_command_passes_there(self, system: System, settings: Any) -> None:
        system.start_all()
        settings.REVISION = "f" * 40
        settings.SITE_URL = "http://127.0.0.1:9"
        code, items = call("--number", PHONE, "--timeout", "1", "--queues", "")
        assert code == 0
        assert items["fila whatsapp"]["state"] == items["worker antigo"]["state"] == "warning"
        assert call("--dry", "--timeout", "1", "--queues", "default")[0] == 1
        assert call("--dry", "--timeout", "1")[0] == 1


class TestBusyShop:
    """A good release is not to blame that the test message has to wait."""

    def test_the_test_order_goes_before_what_waits_and_changes_no_other_order(
        self, system: System, gateway: SandboxProcess
    ) -> None:
        EvolutionInstance.objects.update(messages_per_minute=60)
        phones = [f"+55119876520{number:02}" for number in range(30)]
        for phone in phones:
            make_order(notify=True, customer_phone=phone)
        system.worker("whatsapp")
        assert [item.state for item in trial.send(PHONE, 15)] == [State.OK, State.OK]
        sent = [f"+{message['number']}" for message in gateway.messages()]
        assert sent.count(PHONE) == 1
        sent.remove(PHONE)
        assert len(sent) < len(phones)
        assert sent == phones[: len(sent)]

    def test_it_waits_for_the_call_that_is_on_its_way(self, system: System, gateway: SandboxProcess) -> None:
        system.worker("whatsapp")
        gateway.options(latency_ms=1500)
        make_order(notify=True, customer_phone="+5511987651111")
        wait_until(lambda: NotificationLog.objects.filter(status="sending").exists(), "the call to begin")
        assert [item.state for item in trial.send(PHONE, 0.1)] == [State.OK, State.OK]
        assert len(gateway.messages(PHONE)) == 1

    @pytest.mark.parametrize(
        ("full", "words"),
        [
            ({"daily_cap": 1}, "O WhatsApp da loja já enviou tudo o que o limite de 24 horas permite."),
            (
                {"next_send_at": Now() + timedelta(hours=1)},
                "É a próxima a sair, assim que o ritmo deixar.",
            ),
        ],
    )
    def test_cap_and_pace_are_a_warning_and_nothing_goes_later(
        self, full: dict[str, Any], words: str, system: System, gateway: SandboxProcess
    ) -> None:
        system.worker("whatsapp")
        make_order(notify=True, customer_phone="+5511987651111")
        wait_until(lambda: NotificationLog.objects.filter(status="sent").exists(), "the first message")
        before = stored()
        EvolutionInstance.objects.update(**full)
        found = list(trial.send(PHONE, 0.5))
        assert [item.state for item in found] == [State.WARNING, State.OK]
        assert found[0].words.startswith(f"A mensagem para …4321 não foi enviada em 0 s. {words}")
        assert stored() == before
        EvolutionInstance.objects.update(daily_cap=0, next_send_at=Now())
        make_order(notify=True, customer_phone="+5511987652222")
        wait_until(lambda: NotificationLog.objects.filter(status="sent").count() == 2, "the second message")
        assert gateway.messages(PHONE) == []

    def test_a_held_instance_is_a_warning_and_nothing_goes_later(self, system: System, gateway: SandboxProcess) -> None:
        system.worker("whatsapp")
        before = stored()
        gateway.disconnect("flowlog", 401)
        found = list(trial.send(PHONE, 2))
        assert [item.state for item in found] == [State.WARNING, State.OK]
        assert found[0].words.endswith(
            " em 2 s. O WhatsApp desta loja está desconectado: conecte de novo com o QR code."
        )
        assert stored() == before
        gateway.disconnect("flowlog", disconnected=False)
        connections.resume(EvolutionInstance.objects.get().pk)
        make_order(notify=True, customer_phone="+5511987652222")
        wait_until(lambda: NotificationLog.objects.filter(status="sent").exists(), "the next message")
        assert gateway.messages(PHONE) == []

    @pytest.mark.parametrize(
        ("changes", "to_blame"),
        [
            ({"error_code": "cannot_prepare"}, True),
            ({"status": "unknown", "error_code": "client_error", "attempts": 1}, True),
            ({"status": "unknown", "error_code": "lease_expired", "attempts": 1}, True),
            ({"error_code": "did_not_arrive", "attempts": 1}, True),
            ({"status": "unknown", "error_code": "read_timeout", "attempts": 1}, False),
            ({"error_code": "gateway_unreachable", "attempts": 1}, False),
            ({"error_code": "connection_closed"}, False),
            ({}, False),
        ],
    )
    def test_what_the_release_is_to_blame_for_is_not_put_down_to_the_pace(
        self, changes: dict[str, Any], to_blame: bool
    ) -> None:
        make_instance(next_send_at=Now() + timedelta(hours=1))
        row = trial._confirmed_order(PHONE)
        for name, value in ({"error_message": "x"} | changes).items():
            setattr(row, name, value)
        assert (trial._reason_to_wait(row) == "") is to_blame


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


class TestWeb:
    def test_a_provisional_certificate_is_called_by_its_name(self, tmp_path: Path, settings: Any) -> None:
        key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
             "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
            check=True, capture_output=True,
        )  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
            server.socket = context.wrap_socket(server.socket, server_side=True)
            threading.Thread(target=server.handle_request).start()
            settings.SITE_URL = f"https://127.0.0.1:{server.server_port}"
            [item] = postdeploy.web()
        assert (item.state, item.todo) == (State.WARNING, "Veja “Certificado” no DEPLOY.md.")
        assert item.words.startswith(f"O certificado de {settings.SITE_URL}/healthz não é confiável")

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_what_does_not_answer_may_not_reach_itself(self, scheme: str, settings: Any) -> None:
        settings.SITE_URL = f"{scheme}://127.0.0.1:9"
        [item] = postdeploy.web()
        assert (item.state, item.words) == (
            State.WARNING, f"{settings.SITE_URL}/healthz não responde (ConnectionError).",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Diga com --number para onde vai a mensagem de teste, ou use --dry para não enviar."),
        (["--number", "12"], "12"),
        (["--number", "+51 98765-0001"], "Brasil ou Peru?"),
        (["--dry", "--timeout", "soon"], "“soon” não é um número de segundos."),
        (["--dry", "--queues", "whatsap"], "“whatsap” não são filas: existem default, whatsapp."),
        (["--dry", "--since", "2026-11-24"], "“2026-11-24” não é um momento com fuso"),
        (["--dry", "--number", PHONE], "not allowed with argument"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_happens(arguments: list[str], words: str) -> None:
    before = stored()
    with pytest.raises(CommandError, match=words.replace("(", r"\(")):
        call_command("postdeploy", *arguments)
    assert stored() == before


def test_what_is_here_and_does_not_run_is_told(tmp_path: Path, settings: Any) -> None:
    def git(*arguments: str) -> str:
        as_us = ["-c", "user.name=Flowlog", "-c", "user.email=flowlog@example.com", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *as_us, *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def said() -> list[tuple[State, str]]:
        return [(item.state, item.words) for item in installation.code()]

    (tmp_path / ".gitignore").write_text("/releases/\n")
    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "one")
    settings.BASE_DIR, settings.REVISION = tmp_path, git("rev-parse", "HEAD")
    here = settings.REVISION[:12]
    assert said() == []
    (tmp_path / "releases" / "1").mkdir(parents=True)
    (tmp_path / "releases" / "current").symlink_to("1")
    (tmp_path / "releases" / "1" / "REVISION").write_text(f"{settings.REVISION}\n")
    assert said() == [(State.OK, f"Os serviços iniciam {here}, a que está aqui.")]
    (tmp_path / ".gitignore").write_text("/releases/\n/by-hand\n")
    changed = "Mudado à mão: .gitignore. Não roda: só roda o que tem commit."
    assert said() == [(State.WARNING, changed)]
    # As deploy.sh asks, from the folder of the release.
    settings.BASE_DIR = tmp_path / "releases" / "1"
    assert said() == [(State.WARNING, changed)]
    (tmp_path / "releases" / "1" / "REVISION").write_text("f" * 40)
    assert said() == [(State.FAILED, f"Os serviços iniciam {'f' * 12}, e não {here}, a que está aqui.")]
