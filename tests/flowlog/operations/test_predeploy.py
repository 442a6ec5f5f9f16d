"""`manage.py predeploy`, as an operator meets it: everything fine, and each thing that may be wrong."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from flowlog.celery import app
from flowlog.checklist import Item, State, failed, ok, run, warning
from flowlog.devtools.valkey import Valkey
from flowlog.operations.checklists import backup, connection_limits, installation, servers
from flowlog.operations.checklists import gateway as gateway_checks
from flowlog.operations.checklists import predeploy as predeploy_checks
from integrations.instances import connections
from tests import launcher
from tests.embedded import BASE_DIR, RUN_HOME
from tests.factories import make_instance
from tests.flowlog.operations.past import as_of, database, drop
from tests.flowlog.test_settings import PRODUCTION
from tests.integrations.meta import make_number, set_up
from tests.integrations.raw_server import Connection, raw_server
from tests.integrations.sandbox import SandboxProcess, sandbox
from tests.processes import environment

pytestmark = pytest.mark.django_db


def states(items: Any) -> list[tuple[str, State]]:
    return [(item.name, item.state) for item in items]


def predeploy(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return launcher.run("manage.py", "predeploy", *arguments, env=environment(**env))


@pytest.fixture
def private_dotenv() -> Iterator[None]:
    """A developer's `.env` holds no secrets, so that its mode may be any; the command would be right to complain."""
    dotenv = BASE_DIR / ".env"
    mode = dotenv.stat().st_mode if dotenv.is_file() else 0
    if mode:
        dotenv.chmod(0o600)
    yield
    if mode:
        dotenv.chmod(mode & 0o777)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("private_dotenv")
class TestCommand:
    def production(self, gateway: SandboxProcess, **env: str) -> dict[str, str]:
        keep = {name: os.environ[name] for name in ("REDIS_URL",)}
        return PRODUCTION | keep | {
            "DATABASE_URL": environment()["DATABASE_URL"],
            "EVOLUTION_API_URL": gateway.base_url,
            "EVOLUTION_API_KEY": gateway.api_key,
            "EVOLUTION_WEBHOOK_SECRET": "a-webhook-secret",
            "EMAIL_URL": "smtp+tls://user:pass@mail.example.com:587",
        } | env  # fmt: skip

    def test_a_healthy_production_passes_and_says_so_to_people_and_machines(self, gateway: SandboxProcess) -> None:
        make_instance()
        done = predeploy("--json", **self.production(gateway))
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        report = json.loads(done.stdout)
        assert report["ok"] is True
        fine = {item["name"] for item in report["items"] if item["state"] == "ok"}
        assert fine >= {
            "PostgreSQL", "Redis", "Evolution API", "instância flowlog", "configuração", "pacotes", "migrations",
            "disco", "relógio",
        }  # fmt: skip
        assert not [item for item in report["items"] if item["state"] == "failed"]
        for_people = predeploy(**self.production(gateway))
        assert for_people.returncode == 0
        assert "✔ Evolution API: Responde e aceita a nossa chave." in for_people.stdout.splitlines()
        assert for_people.stdout.splitlines()[-1].endswith(", 0 para corrigir.")

    def test_everything_down_is_told_item_by_item_without_a_secret(self, gateway: SandboxProcess) -> None:
        nowhere = {
            "DATABASE_URL": "postgresql://flowlog:secret-word@127.0.0.1:9/flowlog",
            "REDIS_URL": "redis://:other-secret@127.0.0.1:9/0",
            "EVOLUTION_API_URL": "http://127.0.0.1:9",
            "EVOLUTION_API_KEY": "third-secret",
        }
        done = predeploy(**self.production(gateway, **nowhere))
        assert done.returncode == 1
        broken = [line.partition(":")[0] for line in done.stdout.splitlines() if line.startswith("✘")]
        assert broken == ["✘ PostgreSQL", "✘ Redis"]
        assert "⚠ Evolution API: " in done.stdout
        for secret in ("secret-word", "other-secret", "third-secret"):
            assert secret not in done.stdout + done.stderr


class TestOldSchema:
    """Before the migrations of the new code have run, what they add is not there."""

    @pytest.mark.django_db(transaction=True)
    def test_earlier_migrations_are_no_failure(self, gateway: SandboxProcess) -> None:
        name = f"{connection.settings_dict['NAME']}_early"
        with database(name):
            with as_of(("integrations", "0002_holds_look_ups_resends")):
                call_command("migrate", verbosity=0)
                executor = MigrationExecutor(connection)
                state = executor.loader.project_state(executor.loader.graph.leaf_nodes())
            store = state.apps.get_model("orders", "Store").objects.create(name="Loja")
            state.apps.get_model("integrations", "EvolutionInstance").objects.create(
                store=store, name="flowlog", is_default=True
            )
            found = {item.name: item for item in run(predeploy_checks._IN_THE_DATABASE)}
        drop(name)
        assert found["instância flowlog"] == ok("instância flowlog", "Conectada.")
        assert found["migrations"].state is State.WARNING
        assert "integrations.0003_notification_indexes" in found["migrations"].words
        assert State.FAILED not in {item.state for item in found.values()}

    def test_no_column_is_read_that_a_release_could_have_added(self, gateway: SandboxProcess, settings: Any) -> None:
        make_instance()
        read = {"integrations_evolutioninstance": {"id", "name", "held_at", "held_reason"}}
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for app in ("flowlog", "orders", "integrations"):
                for model in apps.get_app_config(app).get_models():
                    table = model._meta.db_table
                    for column in {field.column for field in model._meta.concrete_fields} - read.get(table, set()):
                        cursor.execute(f'ALTER TABLE "{table}" DROP COLUMN IF EXISTS "{column}" CASCADE')
        gateway.set_webhook("flowlog", f"{settings.SITE_URL}/webhooks/evolution/flowlog/")
        found = list(run(predeploy_checks._IN_THE_DATABASE))
        assert [item for item in found if item.state is not State.OK] == []


class TestDatabase:
    @pytest.fixture(autouse=True)
    def safe_commits(self) -> None:
        """The embedded server of a test run does without them, which the checklist would mention."""
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit TO on")

    def test_says_its_version_and_that_a_superuser_may_too_much(self) -> None:
        assert states(servers.database()) == [("PostgreSQL", State.OK), ("usuário do banco", State.WARNING)]

    def test_a_role_without_rights_fails(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("CREATE ROLE powerless")
            cursor.execute("SET LOCAL ROLE powerless")
            found = list(servers.database())
        assert states(found) == [("PostgreSQL", State.OK), ("usuário do banco", State.FAILED)]

    def test_a_role_that_owns_its_database_only_is_fine(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("CREATE ROLE owner")
            cursor.execute(f"GRANT owner TO {connection.settings_dict['USER']}")
            cursor.execute("CREATE SCHEMA of_owner AUTHORIZATION owner")
            cursor.execute("SET LOCAL search_path TO of_owner")
            cursor.execute("SET LOCAL ROLE owner")
            found = list(servers.database())
        assert states(found) == [("PostgreSQL", State.OK), ("usuário do banco", State.OK)]

    def test_an_unsafe_commit_is_told(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit TO off")
            found = list(servers.database())
        assert states(found)[-1] == ("PostgreSQL", State.WARNING)
        assert "synchronous_commit" in found[-1].words

    def test_an_old_server_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(servers, "POSTGRESQL_AT_LEAST", 99)
        first = next(servers.database())
        assert (first.state, first.todo) == (State.FAILED, "O Flowlog precisa da versão 99 ou mais nova.")


class TestBroker:
    @pytest.fixture
    def own(self, settings: Any) -> Iterator[redis.Redis]:
        """A server that this test may set up as it likes."""
        with Valkey(RUN_HOME / "faults" / "valkey") as valkey:
            settings.REDIS_URL = valkey.url
            client = redis.Redis.from_url(valkey.url)
            yield client
            client.config_set("appendonly", "no")  # else it would take its time to write before it stops
            client.close()

    def test_one_set_up_as_the_guide_says_is_fine(self, own: redis.Redis) -> None:
        own.config_set("appendonly", "yes")
        own.config_set("maxmemory-policy", "noeviction")
        assert states(servers.broker()) == [("Redis", State.OK), ("memória do Redis", State.OK)]

    def test_one_that_forgets_is_told(self, own: redis.Redis) -> None:
        own.config_set("appendonly", "no")
        own.config_set("maxmemory-policy", "allkeys-lru")
        found = list(servers.broker())
        assert states(found)[2:] == [("memória do Redis", State.WARNING), ("gravação do Redis", State.WARNING)]
        assert "allkeys-lru" in found[2].words

    def test_one_that_is_full_fails(self, own: redis.Redis) -> None:
        used = int(own.info("memory")["used_memory"])
        own.config_set("maxmemory", used + (128 << 10))
        assert states(servers.broker())[1] == ("memória do Redis", State.FAILED)

    def test_one_that_only_celery_cannot_open_fails(self, own: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
        """It answers a ping, and yet no task could be published."""
        monkeypatch.setattr(app.conf, "broker_write_url", "redis://127.0.0.1:9/shop")
        [item] = servers.broker()
        assert (item.name, item.state) == ("Redis", State.FAILED)
        assert "Database is int" in item.words

    def test_one_that_does_not_answer_fails(self, settings: Any) -> None:
        settings.REDIS_URL = "redis://127.0.0.1:9/0"
        [item] = servers.broker()
        assert (item.name, item.state) == ("Redis", State.FAILED)

    def test_an_old_one_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(servers, "REDIS_AT_LEAST", 99)
        first = next(servers.broker())
        assert (first.state, first.todo) == (State.FAILED, "O Flowlog precisa da versão 99 ou mais nova.")


class TestGateway:
    def items(self) -> list[tuple[str, State, str]]:
        return [
            (item.name, item.state, item.words) for item in (*gateway_checks.credentials(), *gateway_checks.instances())
        ]

    def test_a_connected_instance_is_fine(self, gateway: SandboxProcess, settings: Any) -> None:
        make_instance()
        gateway.set_webhook("flowlog", f"{settings.SITE_URL}/webhooks/evolution/flowlog/")
        assert self.items() == [
            ("Evolution API", State.OK, "Responde e aceita a nossa chave."),
            ("instância flowlog", State.OK, "Conectada."),
            ("avisos de flowlog", State.OK, "Chegam aqui."),
        ]

    def test_a_webhook_without_the_events_of_this_release_is_told(self, gateway: SandboxProcess) -> None:
        make_instance()
        call_command("evolution", "set-webhook", "flowlog", stdout=io.StringIO())
        assert self.items()[2] == ("avisos de flowlog", State.OK, "Chegam aqui.")
        gateway.set_webhook("flowlog", "http://testserver/webhooks/evolution/flowlog", events=["MESSAGES_UPDATE"])
        (name, state, words) = self.items()[2]
        assert (name, state) == ("avisos de flowlog", State.WARNING)
        assert words.startswith("O gateway não avisa de CONNECTION_UPDATE, LOGOUT_INSTANCE, MESSAGES_D")

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("", "As confirmações e respostas dela não vão a lugar nenhum."),
            ("http://127.0.0.1:9/x/", "As confirmações e respostas dela vão para http://127.0.0.1:9/x/."),
        ],
    )
    def test_whose_webhooks_go_elsewhere_is_told(self, url: str, words: str, gateway: SandboxProcess) -> None:
        make_instance()
        gateway.set_webhook("flowlog", url)
        assert self.items()[2] == ("avisos de flowlog", State.WARNING, words)

    def test_a_wrong_key_fails(self, gateway: SandboxProcess, settings: Any) -> None:
        settings.EVOLUTION_API_KEY = "wrong"
        make_instance()
        assert self.items() == [
            (
                "Evolution API",
                State.FAILED,
                "A chave do WhatsApp foi recusada (EVOLUTION_API_KEY ou a própria). Chame quem cuida do sistema.",
            ),
        ]

    def test_without_an_instance_nothing_can_be_sent(self, gateway: SandboxProcess) -> None:
        assert self.items()[1:] == [("instâncias", State.WARNING, "O Flowlog não tem nenhuma: nada pode ser enviado.")]

    def test_an_instance_that_the_gateway_does_not_know_is_told(self, gateway: SandboxProcess) -> None:
        make_instance(name="outra-loja")
        assert self.items()[1:] == [("instância outra-loja", State.WARNING, "O gateway não tem essa instância.")]

    def test_an_instance_that_this_key_cannot_see_fails(self, settings: Any) -> None:
        make_instance(name="vizinha")
        with sandbox("flowlog", "vizinha") as own:
            settings.EVOLUTION_API_URL, settings.EVOLUTION_API_KEY = own.base_url, own.token("flowlog")
            [item] = gateway_checks.instances()
        assert item == failed(
            "instância vizinha",
            "Ela não pode ser vista com esta chave.",
            "Ponha em EVOLUTION_API_KEY a chave global do gateway.",
        )

    def test_what_becomes_of_a_gateway_meanwhile_hides_no_instance(self, settings: Any) -> None:
        """It lists its instances and then says nothing more: none of ours may pass for it."""
        for name in ("flowlog", "vizinha"):
            make_instance(name=name, is_default=name == "flowlog")
        answers = [("200 OK", b"[]"), ("500 Internal Server Error", b"{}"), ("500 Internal Server Error", b"{}")]

        def talk(connection: Connection) -> None:
            while connection.request():
                status, body = answers.pop(0)
                connection.answer(body, status)

        with raw_server(talk) as server:
            settings.EVOLUTION_API_URL = server.url
            found = list(gateway_checks.instances())
        assert [(item.name, item.state) for item in found] == [
            ("instância flowlog", State.WARNING),
            ("instância vizinha", State.WARNING),
        ]
        assert {item.todo for item in found} == {"Rode o predeploy de novo."}

    def test_a_gateway_without_a_licence_is_told_and_where_to_activate_it(self, gateway: SandboxProcess) -> None:
        gateway.options(licensed=False)
        make_instance()
        activate = "O serviço de WhatsApp está sem licença (página /manager). Chame quem cuida do sistema."
        [item] = [*gateway_checks.credentials(), *gateway_checks.instances()]
        assert item == warning("Evolution API", activate, "")

    def test_a_disconnected_instance_is_told(self, gateway: SandboxProcess) -> None:
        make_instance()
        gateway.disconnect("flowlog", 401)
        assert self.items()[1:] == [("instância flowlog", State.WARNING, "Não está conectada ao WhatsApp.")]

    @pytest.mark.parametrize(("said", "state"), [("CONNECTED", State.OK), ("BANNED", State.WARNING)])
    def test_a_shop_that_is_at_meta_alone_needs_no_gateway(
        self, said: str, state: State, gateway: SandboxProcess, settings: Any
    ) -> None:
        settings.META_GRAPH_URL, settings.EVOLUTION_API_URL = gateway.base_url, "http://127.0.0.1:9"
        set_up(gateway)
        gateway.options(meta_status=said)
        make_number(make_instance(name="meta", gateway="meta"))
        [(name, found, words)] = self.items()
        assert (name, found) == ("instância meta", state)
        assert words == ("Conectada." if state is State.OK else "A Meta não deixa o número enviar.")

    def test_a_held_instance_is_told(self, gateway: SandboxProcess) -> None:
        instance = make_instance()
        connections.hold(instance.pk, "connection_closed")
        item = self.items()[1]
        assert item[:2] == ("instância flowlog", State.WARNING)

    def test_the_clocks_agree(self, gateway: SandboxProcess) -> None:
        assert states(gateway_checks.clock()) == [("relógio", State.OK)]

    @pytest.mark.parametrize("whose", ["redis", "the_gateway"])
    @pytest.mark.parametrize(("seconds", "state"), [(4, State.OK), (-30, State.WARNING), (90, State.FAILED)])
    def test_a_clock_that_is_off_is_told(
        self, seconds: float, state: State, whose: str, gateway: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(gateway_checks, f"_seconds_from_{whose}", lambda: seconds)
        assert states(gateway_checks.clock()) == [("relógio", state)]

    @pytest.mark.parametrize(
        ("said", "states_found"),
        [
            ("echo yes", [State.OK]),
            ("echo no", [State.OK, State.WARNING]),
            ("echo Failed to connect to bus >&2; exit 1", [State.OK]),
        ],
    )
    def test_a_machine_without_ntp_is_told(
        self, said: str, states_found: list[State], gateway: SandboxProcess, tmp_path: Path, monkeypatch: Any
    ) -> None:
        timedatectl = tmp_path / "timedatectl"
        timedatectl.write_text(f"#!/bin/sh\n{said}\n")
        timedatectl.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        found = list(gateway_checks.clock())
        assert states(found) == [("relógio", state) for state in states_found]
        assert re.fullmatch(
            r"O do banco difere em -?0[.,]0 s\. O do Redis difere em -?0[.,]0 s\. "
            r"O do gateway difere em -?[01][.,]\d s\.",
            found[0].words,
        )

    def test_without_anything_that_knows_of_ntp_nothing_is_said(
        self, gateway: SandboxProcess, tmp_path: Path, monkeypatch: Any
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        assert states(gateway_checks.clock()) == [("relógio", State.OK)]


class TestBackup:
    @pytest.fixture
    def folder(self, tmp_path: Path, settings: Any) -> Path:
        settings.BACKUP_DIR = str(tmp_path)
        return tmp_path

    def copy(self, folder: Path, name: str, hours: float) -> None:
        (folder / name).touch()
        made = time.time() - 3600 * hours
        os.utime(folder / name, (made, made))

    def test_the_newest_checked_copy_counts(self, folder: Path) -> None:
        self.copy(folder, "flowlog-20261123-031500.dump", 27.5)
        self.copy(folder, "flowlog-20261124-031500.dump.partial", 0)
        [old] = backup.copies()
        assert (old.state, old.words) == (State.WARNING, f"A cópia mais nova em {folder} tem 1 dia.")
        self.copy(folder, "flowlog-20261124-031500.dump", 25.5)
        assert [item.state for item in backup.copies()] == [State.OK]

    def test_none_is_told_where_the_database_is(self, folder: Path) -> None:
        [none] = backup.copies()
        assert (none.state, none.words) == (State.WARNING, f"Não há nenhuma cópia em {folder}.")

    def test_another_machine_s_copies_cannot_be_looked_at(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(connection.settings_dict, "HOST", "10.0.0.5")
        assert [(item.state, item.words) for item in (*backup.copies(), *backup.room())] == [
            (State.OK, "Não conferido: nesta máquina não se faz nenhum.")
        ]

    def test_without_room_for_twice_the_database_it_is_told(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert states(backup.room()) == [("espaço para o backup", State.OK)]
        monkeypatch.setattr(backup, "_TIMES_THE_DATABASE", 1 << 40)
        assert states(backup.room()) == [("espaço para o backup", State.WARNING)]


class TestConnectionLimits:
    def test_the_least_of_all_limits_counts(self, settings: Any) -> None:
        settings.WHATSAPP_PROCESSES = 4
        assert connection_limits.needed() == 31
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_database()")
            [database] = cursor.fetchone()
            for limit, state in ((31, State.OK), (30, State.WARNING), (-1, State.OK)):
                cursor.execute(f'ALTER DATABASE "{database}" CONNECTION LIMIT {limit}')
                [item] = connection_limits.limits()
                assert (item.name, item.state) == ("conexões do banco", state)
                assert item.words.startswith("São precisas até 31; o banco dá ")
                assert limit < 0 or item.words.endswith(f" {limit}.")

    def test_the_site_has_as_many_processes_and_threads_as_are_counted(self) -> None:
        units = BASE_DIR / "deploy" / "systemd"
        settings = (BASE_DIR / "deploy" / "gunicorn.conf.py").read_text()
        for unit, number in (
            ("flowlog-web.service", connection_limits.WEB_PROCESSES),
            ("flowlog-web-stand-in.service", connection_limits.STAND_IN_PROCESSES),
        ):
            assert f"WEB_CONCURRENCY={number}\n" in (units / unit).read_text()
        assert f"\nthreads = {connection_limits.WEB_THREADS}\n" in settings


class TestInstallation:
    def test_debug_fails(self, settings: Any) -> None:
        settings.DEBUG = True
        assert states(installation.production_settings())[0] == ("configuração", State.FAILED)

    def test_what_django_says_in_english_is_said_in_our_words(self, settings: Any) -> None:
        settings.DEBUG, settings.SECRET_KEY = False, "django-insecure-" + "0123456789" * 5
        settings.SECURE_HSTS_SECONDS, settings.SECURE_SSL_REDIRECT = 0, False
        settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = False
        found = {item.name: item.words for item in installation.production_settings()}
        assert found["SITE_URL"].startswith("Começa com http://: ")
        assert found["SECRET_KEY"].startswith("Ela pode ser adivinhada: ")
        assert [words for words in found.values() if "security." in words] == []

    def test_a_setting_that_keeps_customers_uninformed_is_told(self, settings: Any) -> None:
        settings.NOTIFICATIONS_OVERRIDE_RECIPIENT = "+5511987654321"
        settings.EVOLUTION_WEBHOOK_SECRET = ""
        found = states(installation.production_settings())
        assert ("NOTIFICATIONS_OVERRIDE_RECIPIENT", State.WARNING) in found
        assert ("EVOLUTION_WEBHOOK_SECRET", State.WARNING) in found

    @pytest.mark.parametrize(("mode", "told"), [(0o640, False), (0o644, True)])
    def test_secrets_that_everybody_can_read_fail(self, mode: int, told: bool, tmp_path: Path, settings: Any) -> None:
        settings.BASE_DIR = tmp_path
        (tmp_path / ".env").touch()
        (tmp_path / ".env").chmod(mode)
        assert ((".env", State.FAILED) in states(installation.production_settings())) is told

    def test_a_package_that_was_not_installed_fails(self, tmp_path: Path, settings: Any) -> None:
        settings.BASE_DIR = tmp_path
        (tmp_path / "requirements.txt").write_text("# pinned\nDjango==1.0\ncelery[redis]==0.1\nnot-there==1.0\n")
        [item] = installation.packages()
        assert (item.state, item.todo) == (State.FAILED, "pip install -r requirements.txt")
        assert item.words == "Faltam, ou estão em outra versão: Django 1.0, celery 0.1, not-there 1.0."

    @pytest.mark.parametrize(
        ("few", "enough", "state"), [(1 << 60, 1 << 61, State.FAILED), (0, 1 << 61, State.WARNING)]
    )
    def test_a_full_disk_is_told(self, few: int, enough: int, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(installation, "_FEW_BYTES", few)
        monkeypatch.setattr(installation, "_ENOUGH_BYTES", enough)
        assert states(installation.disk()) == [("disco", state)]


def test_a_check_that_breaks_is_an_item_that_failed() -> None:
    def breaks() -> Iterator[Item]:
        yield ok("first", "x")
        raise RuntimeError("no secret of ours")

    found = list(run([("breaking", breaks), ("next", lambda: [warning("next", "x", "y"), failed("last", "x", "y")])]))
    assert states(found) == [
        ("first", State.OK), ("breaking", State.FAILED), ("next", State.WARNING), ("last", State.FAILED),
    ]  # fmt: skip
    assert found[1].words == "A própria verificação falhou (RuntimeError)."
