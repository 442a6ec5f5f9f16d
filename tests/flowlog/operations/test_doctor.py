"""`manage.py doctor`, as an operator meets it: all well, each server down, settings and code that cannot be loaded."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models.functions import Now

from flowlog.checklist import Item, State, failed, ok, warning
from flowlog.models import Heartbeat
from flowlog.monitoring import checks
from flowlog.operations.checklists import doctor, unloaded
from flowlog.operations.checklists import units as units_module
from integrations.carriers import intake as carriers_intake
from integrations.carriers.models import CarrierConnection
from integrations.instances import connections
from integrations.models import EvolutionInstance, WebhookTally
from orders.models import Store
from outgoing.models import Endpoint
from tests.broker import purge
from tests.embedded import BASE_DIR
from tests.factories import PHONE, make_instance, make_order
from tests.flowlog.monitoring.health import NOWHERE
from tests.flowlog.test_settings import PRODUCTION
from tests.integrations import parcels
from tests.integrations.sandbox import SandboxProcess
from tests.processes import System, environment, wait_until

RESTART = "sudo systemctl restart flowlog-web flowlog-worker-default flowlog-worker-whatsapp"
AWAY = "O serviço de WhatsApp não responde. Se continuar assim, chame quem cuida do sistema."


@pytest.fixture(autouse=True)
def own_logs(tmp_path: Path, settings: Any) -> None:
    settings.LOG_DIR = str(tmp_path / "logs")


@pytest.fixture(autouse=True)
def nothing_of_this_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `systemctl` that says what the test has it say; at first that it manages nothing."""
    program = tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return program


def call(*arguments: str) -> tuple[int, list[Item]]:
    """The exit code, and the items."""
    out, code = io.StringIO(), 0
    try:
        call_command("doctor", "--json", *arguments, stdout=out)
    except SystemExit as exit_:
        code = int(str(exit_.code))
    report = json.loads(out.getvalue())
    assert report["ok"] is (code == 0)
    return code, [Item(**item | {"state": State(item["state"])}) for item in report["items"]]


def wrong() -> list[Item]:
    """What is wrong; of what any system of a test lacks only what the test did not make so."""
    usual = {"configuração", ".env", "fila default", "fila whatsapp"}
    return [item for item in call()[1] if item.state is State.FAILED and item.name not in usual]


def run(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, with production's settings and `env`; a value of "" leaves one out."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env = {name: value for name, value in (inherited | PRODUCTION | env).items() if value}
    return subprocess.run(
        [sys.executable, "manage.py", "doctor", *arguments],
        cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.django_db(transaction=True)
class TestRunning:
    @pytest.fixture
    def system(self, tmp_path: Path, gateway: SandboxProcess, settings: Any) -> Iterator[System]:
        settings.DEBUG = False
        with ExitStack() as stack:
            purge("default", "whatsapp")
            make_instance()
            yield System(stack, tmp_path, gateway, HEARTBEAT_INTERVAL="1")

    def test_a_system_that_is_well(self, system: System, gateway: SandboxProcess, settings: Any) -> None:
        settings.SITE_URL = system.web()
        gateway.set_webhook("flowlog", f"{settings.SITE_URL}/webhooks/evolution/flowlog/")
        system.start_all()
        wait_until(lambda: all(check.ok for check in checks.run()), "signs of life")
        found = {item.name: item.state for item in call()[1]}
        found.pop(".env", None)  # a developer's may be read by anybody
        assert found.pop("configuração") in (State.WARNING, State.FAILED)  # those of a test are not production's
        assert [found.pop(name) for name in ("SITE_URL", "SECRET_KEY")] == [State.WARNING] * 2
        settled = {name for name, state in found.items() if state is not State.OK}
        assert settled <= {
            "usuário do banco",
            "PostgreSQL",
            "gravação do Redis",
            "memória do Redis",
            "relógio",
            "EMAIL_URL",
        }
        assert State.FAILED not in found.values()
        assert set(found) >= {
            "PostgreSQL", "Redis", "Evolution API", "instância flowlog", "avisos de flowlog", "pacotes", "disco",
            "sweep", "worker-default", "worker-whatsapp", "messages", "migrations", "pedido de teste", "fila default",
            "fila whatsapp", "logs/django.log", "web",
        }  # fmt: skip


@pytest.mark.django_db(transaction=True)
class TestWrong:
    @pytest.fixture(autouse=True)
    def well(self, alive: None, gateway: SandboxProcess, settings: Any) -> None:
        make_instance()
        settings.SITE_URL = "http://127.0.0.1:9"
        gateway.set_webhook("flowlog", f"{settings.SITE_URL}/webhooks/evolution/flowlog/")

    @pytest.fixture
    def alive(self) -> None:
        for queue in ("sweep", "default", "whatsapp"):
            Heartbeat.objects.create(queue=queue, beat_at=Now(), host="x@test")

    def test_nothing_of_this_is_wrong_at_first(self) -> None:
        assert wrong() == []

    def test_a_gateway_that_is_away_is_wrong_though_no_deploy_waits_for_it(self, settings: Any) -> None:
        settings.EVOLUTION_API_URL = "http://127.0.0.1:9"
        todo = "Veja EVOLUTION_API_URL e EVOLUTION_API_KEY no .env."
        assert wrong() == [failed("Evolution API", AWAY, todo)]

    def test_a_held_instance_with_what_waits_for_it(self, settings: Any) -> None:
        make_order(notify=True)
        connections.hold(EvolutionInstance.objects.get().pk, "unauthorized")
        live, told = wrong()
        assert (live.name, live.todo.split(";")[-1]) == (
            "instância flowlog", " `manage.py notifications release flowlog` libera agora."
        )  # fmt: skip
        pk = EvolutionInstance.objects.get().pk
        assert told.name == "WhatsApp flowlog parado"
        assert told.words.endswith("1 mensagem na fila.")
        assert told.todo == f"Abra http://127.0.0.1:9/admin/integrations/evolutioninstance/{pk}/change/"

    def test_silence_and_what_to_type(self) -> None:
        Heartbeat.objects.update(beat_at=Now() - timedelta(minutes=5))
        assert [(item.name, item.todo) for item in wrong()] == [
            ("sweep", "sudo systemctl status flowlog-beat flowlog-worker-default"),
            ("worker-default", "sudo systemctl restart flowlog-worker-default"),
            ("worker-whatsapp", "sudo systemctl restart flowlog-worker-whatsapp"),
        ]

    def test_a_migration_that_was_not_applied(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM django_migrations WHERE app = 'api' RETURNING name, applied")
            gone = cursor.fetchall()
            try:
                [item] = wrong()
            finally:
                rows = [("api", *row) for row in gone]
                cursor.executemany("INSERT INTO django_migrations (app, name, applied) VALUES (%s, %s, %s)", rows)
        assert item.name == "migrations"
        assert item.words.startswith("A aplicar: api.0001")

    def test_other_systems_in_trouble_are_counted(self) -> None:
        store = Store.get_default()
        CarrierConnection.objects.create(store=store, source="generic", name="Zuleica", last_error="x")
        Endpoint.objects.create(store=store, description="Zuleica", is_on=False, off_reason="x")
        words, found = "Em silêncio, com recusas ou com problema: 1.", call()[1]
        for name, address in (
            ("transportadoras ligadas", "integrations/carrierconnection/"),
            (str(Endpoint._meta.verbose_name_plural), "outgoing/endpoint/"),
        ):
            todo = f"Abra http://127.0.0.1:9/admin/{address}"
            assert [item for item in found if item.name == name] == [warning(name, words, todo)]

    def test_a_status_that_nobody_has_explained(self) -> None:
        carrier = parcels.make_connection()
        parcels.send(carrier, parcels.label("order.lost-in-space"))
        carriers_intake.process()
        [item] = [item for item in call()[1] if item.name == "Transportadora envia um status sem significado"]
        assert item.state is State.WARNING
        assert item.todo.endswith(f"/admin/integrations/carrierconnection/{carrier.pk}/mapping/")

    def test_without_redis_the_rest_is_looked_at(self, settings: Any) -> None:
        settings.REDIS_URL = NOWHERE
        code, found = call()
        names = [item.name for item in found]
        assert code == 1
        assert (
            found[names.index("Redis")].todo
            == "`sudo systemctl start redis-server`; se ele já roda, veja REDIS_URL no .env."
        )
        assert "instância flowlog" in names
        assert "fila default" not in names

    def test_all_that_readyz_asks_is_asked(self) -> None:
        assert {check.name for check in checks.run()} == set(doctor.TO_TYPE) | doctor.SAID_BETTER
        assert set(doctor.TO_TYPE).isdisjoint(doctor.SAID_BETTER)


class TestBounded:
    def test_what_does_not_answer_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor, "PATIENCE", 0.05)
        over = threading.Event()

        def check() -> Iterator[Item]:
            yield ok("first", "Fine.")
            over.wait(30)

        todo = "Tente de novo; se continuar assim, reinicie o que ele consulta, ou este servidor."
        try:
            assert list(doctor._run(("slow", check), ("next", lambda: [ok("next", "Fine.")]))) == [
                ok("first", "Fine."), failed("slow", "Sem resposta em 0 segundos.", todo), ok("next", "Fine."),
            ]  # fmt: skip
        finally:
            over.set()

    def test_what_breaks_is_told(self) -> None:
        def check() -> Iterator[Item]:
            yield ok("first", "Fine.")
            raise ValueError("+5511987654321")

        first, second = doctor._run(("broken", check))
        assert (first.state, second.name, second.words) == (
            State.OK,
            "broken",
            "A própria verificação falhou (ValueError).",
        )


class TestServersDown:
    def test_a_database_that_is_away(self, tmp_path: Path) -> None:
        env = {"LOG_DIR": str(tmp_path), "SITE_URL": "http://127.0.0.1:9", "EVOLUTION_API_URL": "http://127.0.0.1:9"}
        url = "postgresql://flowlog:secret-word@127.0.0.1:9/flowlog"
        done = run(BASE_DIR, DATABASE_URL=url, REDIS_URL=NOWHERE, **env)
        lines = done.stdout.splitlines()
        wrong = [line.partition(":")[0] for line in lines if line.startswith("✘") and ".env" not in line]
        assert (done.returncode, done.stderr, wrong) == (1, "", ["✘ PostgreSQL", "✘ Redis", "✘ Evolution API"])
        place = next(number for number, line in enumerate(lines) if line.startswith("✘ PostgreSQL"))
        assert lines[place + 1] == "    → `sudo systemctl start postgresql`; se ele já roda, veja DATABASE_URL no .env."
        assert "secret-word" not in done.stdout


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("code") / "flowlog"
    folder.mkdir()
    for name in (
        "flowlog",
        "orders",
        "integrations",
        "notifications",
        "api",
        "outgoing",
        "locale",
        "templates",
        "static",
    ):
        shutil.copytree(BASE_DIR / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("manage.py", "requirements.txt", ".env.example"):
        shutil.copy(BASE_DIR / name, folder)
    return folder


class TestUnloaded:
    """Settings or code that cannot be loaded, in a copy of the code."""

    @pytest.fixture(autouse=True)
    def dotenv(self, code: Path) -> Iterator[Path]:
        yield code / ".env"
        (code / ".env").unlink(missing_ok=True)

    def first(self, code: Path, *arguments: str, **env: str) -> list[str]:
        """What is wrong, line by line; it is told as such, and nothing is written to the log."""
        done = run(code, *arguments, **env)
        assert (done.returncode, done.stderr) == (1, "")
        assert "✔ pacotes" in done.stdout
        log = code / "logs" / "django.log"
        assert not log.exists() or log.read_text() == ""
        lines = done.stdout.splitlines()
        return [
            text
            for line, after in zip(lines, [*lines[1:], ""], strict=True)
            if line.startswith("✘")
            for text in (line, after)
        ]

    def test_a_wrong_setting_in_the_file(self, code: Path, dotenv: Path) -> None:
        dotenv.write_text("HEARTBEAT_INTERVAL=soon\n")
        assert self.first(code) == [
            "✘ configuração: HEARTBEAT_INTERVAL deve ser um número de segundos acima de 0, não 'soon'.",
            f"    → Corrija em {dotenv} e depois: `{RESTART}`.",
        ]

    def test_a_wrong_setting_of_the_shell(self, code: Path) -> None:
        lines = self.first(code, REDIS_URL="nonsense")
        assert lines[:2] == [
            "✘ configuração: REDIS_URL deve começar com um destes: redis, rediss, unix.",
            "    → `unset REDIS_URL` neste terminal, onde ela está definida: isso vale mais que o .env.",
        ]

    def test_no_file_at_all(self, code: Path, dotenv: Path) -> None:
        lines = self.first(code, SECRET_KEY="")
        assert lines[0] == "✘ configuração: Falta SECRET_KEY: defina no ambiente ou no .env."
        assert lines[2:] == [
            "✘ .env: Não existe.",
            f"    → Ponha a sua cópia no lugar: `sudo install -m 640 -g {code.group()} CÓPIA {dotenv}`.",
        ]

    def test_a_file_that_is_no_text(self, code: Path, dotenv: Path) -> None:
        dotenv.write_bytes("# Loja\n# da Conceição\n".encode("latin-1"))
        lines = self.first(code)
        assert lines[2:] == [
            "✘ .env: A linha 2 não é texto em UTF-8.",
            f"    → Digite essa linha de novo: `sudo nano {dotenv}`.",
        ]

    def test_code_that_is_broken(self, code: Path) -> None:
        module = code / "orders" / "models.py"
        good = module.read_text()
        module.write_text("from orders import nonsense\n")
        try:
            lines = self.first(code)
        finally:
            module.write_text(good)
            shutil.rmtree(code / "logs", ignore_errors=True)
        assert lines[0].startswith("✘ código: Não pode ser carregado: ImportError: cannot import name 'nonsense'")
        back = f"`sudo -u {BASE_DIR.owner()} {code}/deploy/rollback.sh`"
        assert lines[1] == f"    → `pip install -r requirements.txt`; se não adiantar: {back}."

    def test_a_folder_that_cannot_be_used(self, code: Path) -> None:
        assert self.first(code, LOG_DIR="/dev/null/logs")[0].startswith("✘ /dev/null/logs: ")

    @pytest.mark.parametrize(
        ("file", "todo"),
        [
            ("logs/django.log", "sudo chown -R {owner}: {file}"),
            (".env", "sudo chown root:{owner} {file} && sudo chmod 640 {file}"),
        ],
    )
    def test_what_this_user_may_not_use(self, file: str, todo: str) -> None:
        owner, path = BASE_DIR.owner(), BASE_DIR / file
        found = unloaded._file(path, "Permission denied", errno.EACCES)
        assert found == failed(
            str(path), f"{owner} não consegue usá-lo: Permission denied.", todo.format(owner=owner, file=path)
        )

    def test_libraries_that_are_not_there(self, code: Path, tmp_path: Path) -> None:
        (tmp_path / "decouple.py").write_text("raise ImportError('No module named decouple')\n")
        done = run(BASE_DIR, PYTHONPATH=str(tmp_path))
        assert (done.returncode, done.stderr) == (1, "")
        assert done.stdout == (
            "✘ pacotes: No module named decouple.\n"
            f"    → {BASE_DIR}/.venv/bin/python -m pip install -r {BASE_DIR}/requirements.txt\n"
        )
        done = run(code, PYTHONPATH=str(tmp_path))
        words = f"✘ Python: não há ambiente em {code}/.venv."
        assert done.stdout == f"{words}\n    → sudo /root/flowlog/deploy/install.sh\n"

    def test_another_command_says_what_it_always_said(self, code: Path) -> None:
        command, env = [sys.executable, "manage.py", "check"], PRODUCTION | {"REDIS_URL": "nonsense"}
        done = subprocess.run(command, cwd=code, env=env, capture_output=True, text=True, check=False, timeout=60)
        shutil.rmtree(code / "logs")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "REDIS_URL deve começar com um destes: redis, rediss, unix.\n"


class TestUnits:
    @pytest.fixture
    def says(self, nothing_of_this_machines: Path) -> Any:
        """What systemd is to say of each unit, beside that it is loaded."""

        def says(**states: str) -> list[Item]:
            blocks = []
            for name in units_module._UNITS:
                active, _, rest = states.get(
                    name.removeprefix("flowlog-").replace("-", "_").replace(".", "_"), ""
                ).partition(" ")
                lines = [f"Id={name}", "LoadState=loaded" if active else "LoadState=not-found", f"ActiveState={active}"]
                blocks.append("\n".join([*lines, *rest.split()]))
            answer = "\n\n".join(blocks)
            nothing_of_this_machines.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n")
            return list(units_module.units())

        return says

    WELL = {
        "web_socket": "active UnitFileState=enabled", "web_service": "active UnitFileState=enabled",
        "worker_default_service": "active UnitFileState=enabled",
        "worker_whatsapp_service": "active UnitFileState=enabled",
        "beat_service": "active UnitFileState=static", "backup_timer": "active UnitFileState=enabled",
        "backup_service": "inactive UnitFileState=static",
    }  # fmt: skip

    def test_all_run(self, says: Any) -> None:
        assert says(**self.WELL) == [ok("systemd", "O que deve rodar neste servidor roda: 7 unidades.")]

    def test_what_is_not_to_run_here_need_not(self, says: Any) -> None:
        elsewhere = dict.fromkeys(("worker_default_service", "backup_timer"), "inactive UnitFileState=disabled")
        beat = {"beat_service": "inactive UnitFileState=static"}
        assert says(**self.WELL | elsewhere | beat) == [
            ok("systemd", "O que deve rodar neste servidor roda: 4 unidades.")
        ]

    @pytest.mark.parametrize(
        ("unit", "state", "item"),
        [
            (
                "web_service", "inactive UnitFileState=enabled",
                failed("flowlog-web", "Está parado.", "sudo systemctl start flowlog-web"),
            ),
            (
                "beat_service", "inactive UnitFileState=static",
                failed("flowlog-beat", "Está parado.", "sudo systemctl start flowlog-beat"),
            ),
            (
                "worker_whatsapp_service", "activating SubState=auto-restart UnitFileState=enabled",
                failed(
                    "flowlog-worker-whatsapp", "Não consegue subir.",
                    "`sudo journalctl -u flowlog-worker-whatsapp -n 50` e `tail logs/django.log` dizem por quê.",
                ),
            ),
            (
                "backup_service", "failed UnitFileState=static",
                failed(
                    "flowlog-backup", "Falhou.",
                    "`sudo journalctl -u flowlog-backup -n 50` e `tail logs/backup.log` dizem por quê.",
                ),
            ),
            (
                "worker_default_service", "active UnitFileState=enabled NeedDaemonReload=yes",
                warning(
                    "flowlog-worker-default", "O arquivo dele mudou depois que o systemd o leu.",
                    "sudo systemctl daemon-reload",
                ),
            ),
        ],
    )  # fmt: skip
    def test_what_is_wrong_and_what_to_type(self, says: Any, unit: str, state: str, item: Item) -> None:
        assert says(**self.WELL | {unit: state}) == [item]

    def test_nothing_without_systemd(self, says: Any, nothing_of_this_machines: Path) -> None:
        assert says() == []
        nothing_of_this_machines.write_text("#!/bin/sh\nexit 1\n")
        assert list(units_module.units()) == []


NAME, CPF = "Zuleica Pompeu", "529.982.247-25"
SECRETS = {
    "EVOLUTION_API_KEY": "gateway-key-77secret", "EVOLUTION_WEBHOOK_SECRET": "webhook-secret-77secret",
    "METRICS_TOKEN": "metrics-token-77secret", "TRACKING_WEBHOOK_SECRET": "carrier-secret-77secret",
    "EMAIL_URL": "smtp+tls://ana%40loja.com.br:mail-password-77secret@127.0.0.1:9", "CREDENTIALS_KEYS": "A" * 43 + "=",
    "DEADMAN_PING_URL": "http://127.0.0.1:9/ping-path-77secret", "EARLIER_SECRET_KEYS": "earlier-key-77secret",
    "SENTRY_DSN": "http://sentry-key-77secret@127.0.0.1:9/1", "NOTIFICATIONS_OVERRIDE_RECIPIENT": "+5511955554444",
    "ALERT_EMAILS": "zuleica@loja.com.br",
}  # fmt: skip
HIDDEN = (
    "-77secret", PRODUCTION["SECRET_KEY"], "A" * 43, "5511955554444", "955554444", "zuleica@", "ana@loja", "ana%40loja",
    "11987654321", "987654321", NAME, "Zuleica", CPF,
)  # fmt: skip


class TestReport:
    def shown(self, *arguments: str, **env: str) -> str:
        done = run(BASE_DIR, "--report", *arguments, **SECRETS | env)
        assert (done.returncode, done.stderr) == (1, "")
        assert [word for word in HIDDEN if word in done.stdout] == []
        return done.stdout

    @pytest.mark.django_db(transaction=True)
    def test_it_tells_how_things_stand_and_nothing_of_anybody(self, gateway: SandboxProcess, tmp_path: Path) -> None:
        log = tmp_path / "django.log"
        line = f"2099-01-01 00:00:00,000 ERROR flowlog.startup ImportError {NAME} {PHONE} {CPF} gateway-key-77secret\n"
        log.write_text(line)
        instance = make_instance(name=PHONE.removeprefix("+"), api_url="http://127.0.0.1:9", api_key="own-key-77secret")
        make_order(customer_name=NAME, notify=True)
        connections.hold(instance.pk, "unauthorized")
        words = f"{NAME} {PHONE}: Bearer own-key-77secret"
        EvolutionInstance.objects.update(held_reason=PHONE)
        WebhookTally.objects.create(source="evolution", name=PHONE, status=401, number=3, last_at=Now())
        CarrierConnection.objects.create(store=Store.get_default(), source="generic", name=NAME, last_error=words)
        keep = {
            "LOG_DIR": str(tmp_path),
            "DATABASE_URL": environment()["DATABASE_URL"],
            "REDIS_URL": os.environ["REDIS_URL"],
        }
        shown = self.shown(**keep)
        lines = shown.splitlines()
        assert lines[0].startswith("Flowlog: relatório de ")
        assert lines[1].startswith("Versão: ")
        assert "EVOLUTION_WEBHOOK_SECRET" in lines[3]
        assert "✘ instância …4321: A chave do WhatsApp foi recusada" in shown or "✘ instância …4321: " in shown
        assert "✘ logs/django.log: 1 erros de importação" in shown
        assert "  pendente 1," in shown

    @pytest.mark.parametrize(
        "wrong",
        [
            {"ALERT_EMAILS": f"ana@loja.com.br,{NAME}"},
            {"WHATSAPP_PROCESSES": "metrics-token-77secret"},
            {"DATABASE_URL": "mysql://flowlog:database-77secret@127.0.0.1/flowlog"},
        ],
        ids=lambda wrong: next(iter(wrong)),
    )
    def test_nor_does_it_quote_a_wrong_setting(self, wrong: dict[str, str]) -> None:
        shown = self.shown(**wrong)
        [line] = [line for line in shown.splitlines() if line.startswith("✘ configuração: ")]
        assert line.startswith(f"✘ configuração: {next(iter(wrong))} deve ")
