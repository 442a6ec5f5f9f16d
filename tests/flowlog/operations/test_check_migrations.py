"""`manage.py check_migrations` where somebody was faster than the migrations, and what its advice leads to."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.db.models.functions import Now

from flowlog.operations.migrationcheck.report import Advice, findings
from tests.factories import make_instance, make_order
from tests.flowlog.operations.past import as_of, database, drop
from tests.flowlog.operations.schema import schema, sql
from tests.processes import environment

pytestmark = pytest.mark.django_db(transaction=True)

NAMES = {
    "0005": "0005_webhooks_receipts_replies",
    "0006": "0006_carrier_news",
    "0007": "0007_anonymised_at",
    "0008": "0008_anonymise_index",
}
type Facts = set[tuple[Any, ...]]


# Of the migrations that came later none is pending here: `test_all_of_them` looks at those, which takes long.
NEWEST = ("integrations", NAMES["0008"])


@pytest.fixture(scope="module")
def that_day(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """The name of a database of the day when `NEWEST` was the newest, with a message and what it belongs to."""
    name = f"{connection.settings_dict['NAME']}_that_day"
    with django_db_blocker.unblock():
        with as_of(NEWEST), database(name):
            call_command("migrate", verbosity=0)
            executor = MigrationExecutor(connection)
            state = executor.loader.project_state(executor.loader.graph.leaf_nodes())
            store = state.apps.get_model("orders", "Store").objects.create(name="Loja")
            customer = state.apps.get_model("orders", "Customer").objects.create(store=store, name="Maria")
            order = state.apps.get_model("orders", "Order").objects.create(
                store=store, customer=customer, code="ABC234", delivery_method="courier"
            )
            instance = state.apps.get_model("integrations", "EvolutionInstance").objects.create(
                store=store, name="loja"
            )
            state.apps.get_model("integrations", "NotificationLog").objects.create(
                order=order, instance=instance, dedupe_key="resend", snapshot={}, expires_at=Now()
            )
        yield name
        drop(name)


@pytest.fixture
def migrated(that_day: str, transactional_db: None) -> Iterator[Facts]:
    """What the schema is without anything done by hand, in a copy of that day's database."""
    copy = f"{that_day}_copy"
    with as_of(NEWEST), database(copy, template=that_day):
        expected = schema()
        yield expected
        call_command("migrate", verbosity=0)
        assert schema() == expected
    drop(copy)


@pytest.fixture
def behind(migrated: Facts) -> Facts:
    """A database before the webhooks, receipts and replies: the migrations from there on are pending."""
    call_command("migrate", "integrations", "0004", verbosity=0)
    return migrated


def check(*arguments: str) -> tuple[int, str]:
    out, code = io.StringIO(), 0
    try:
        call_command("check_migrations", *arguments, stdout=out)
    except SystemExit as exit_:
        code = int(str(exit_.code))
    return code, out.getvalue()


def advice_by_name() -> dict[str, Advice]:
    return {each.name: each.advice for each in findings()}


def follow_the_advice() -> None:
    """Type what it says, to the letter."""
    _code, text = check("--json")
    for command in json.loads(text)["commands"]:
        if command.startswith("python manage.py dbshell"):
            env = environment(PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
            done = subprocess.run(["bash", "-c", command], env=env, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == (0, "")
        else:
            assert command.startswith("python manage.py migrate")
            call_command(*shlex.split(command)[2:], verbosity=0)


def assert_migrated(expected: Facts) -> None:
    """Nothing is pending, and the schema is what the migrations make of it."""
    executor = MigrationExecutor(connection)
    assert executor.migration_plan(executor.loader.graph.leaf_nodes()) == []
    assert schema() == expected
    with connection.cursor() as cursor:
        cursor.execute("SELECT conname FROM pg_constraint UNION SELECT relname FROM pg_class WHERE relkind = 'i'")
        names = {name for (name,) in cursor.fetchall()}
    state = executor.loader.project_state([NEWEST])
    metas = [model._meta for model in state.apps.get_models() if model._meta.app_label == "integrations"]
    expected_names = {named.name for meta in metas for named in (*meta.indexes, *meta.constraints)}
    assert "notification_to_anonymise" in expected_names
    assert expected_names <= names


def test_with_nothing_pending_it_says_so() -> None:
    assert check() == (0, "✔ Nenhuma migration pendente.\n")
    assert check("--json") == (0, json.dumps({"safe": True, "migrations": [], "commands": []}, indent=2) + "\n")


def test_all_of_them() -> None:
    """All that came since, in a database with a message, where nobody did anything by hand."""
    expected = schema()
    make_instance()
    make_order(until="confirmed", notify=True)
    call_command("migrate", "integrations", "0004", verbosity=0)
    try:
        assert_nothing_was_done_or_is()
    finally:
        call_command("migrate", verbosity=0)
    assert schema() == expected


def assert_nothing_was_done_or_is() -> None:
    """It finds nothing made by hand, changes nothing, and takes no lock that keeps others from writing."""
    before = schema(), _applied()
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute("LOCK TABLE integrations_notificationlog, orders_order IN EXCLUSIVE MODE")
        sql("SET lock_timeout = '1s'")
        code, text = check("--json")
        sql("RESET lock_timeout")
    found = json.loads(text)
    assert (code, found["commands"]) == (0, [])
    assert {each["verdict"] for each in found["migrations"]} == {Advice.APPLY}
    assert (schema(), _applied()) == before


class TestApplying:
    """What deploy.sh has it do: the migrations, and with a word of the operator's what it advises."""

    def test_without_advice_it_migrates(self, behind: Facts) -> None:
        assert check("--apply")[0] == 0
        assert_migrated(behind)

    def test_with_advice_it_changes_nothing_unless_that_is_accepted(self, behind: Facts) -> None:
        sql("ALTER TABLE integrations_notificationlog ADD anonymised_at date NULL")
        before = schema(), _applied()
        assert check("--apply")[0] == 1
        assert (schema(), _applied()) == before
        with pytest.raises(ProgrammingError, match="already exists"):
            check("--apply", "--accept")
        sql("ALTER TABLE integrations_notificationlog DROP anonymised_at")

    def test_the_advice_is_carried_out_as_if_typed(self, behind: Facts) -> None:
        sql("ALTER TABLE integrations_notificationlog ADD anonymised_at date NULL")
        code, text = check("--apply", "--apply-advice")
        assert code == 0, text
        assert_migrated(behind)

    def test_what_stops_it_is_told_with_its_migration(self, behind: Facts) -> None:
        sql("ALTER TABLE integrations_notificationlog ADD anonymised_at jsonb NULL")
        with pytest.raises(CommandError, match=rf"Parou em integrations.{NAMES['0007']}: "):
            check("--apply", "--apply-advice")
        assert ("integrations", NAMES["0007"]) not in _applied()
        sql("ALTER TABLE integrations_notificationlog DROP anonymised_at")


class TestMadeByHand:
    def test_a_column_of_the_same_type(self, behind: Facts) -> None:
        sql("ALTER TABLE integrations_notificationlog ADD anonymised_at timestamptz NULL")
        code, text = check()
        assert code == 1
        assert advice_by_name()[NAMES["0007"]] is Advice.FAKE
        lines = [line.strip() for line in text.splitlines()]
        assert "python manage.py migrate integrations 0005_webhooks_receipts_replies" in lines
        assert "python manage.py migrate integrations 0007_anonymised_at --fake" in lines
        assert lines[-1] == "python manage.py migrate"
        follow_the_advice()
        assert_migrated(behind)

    def test_a_column_of_another_type(self, behind: Facts) -> None:
        sql("ALTER TABLE integrations_notificationlog ADD anonymised_at date NULL")
        code, text = check()
        assert code == 1
        assert advice_by_name()[NAMES["0007"]] is Advice.COMPLETE
        assert "existe, mas tipo date em vez de timestamp with time zone" in text
        assert "Fazer o fake agora seria errado." in text
        follow_the_advice()
        assert_migrated(behind)

    def test_half_of_a_migrations_parts(self, behind: Facts) -> None:
        sql("ALTER TABLE integrations_notificationlog ADD receipt varchar(12) DEFAULT '' NOT NULL")
        code, text = check()
        assert code == 1
        assert advice_by_name()[NAMES["0005"]] is Advice.COMPLETE
        assert "já existe: coluna integrations_notificationlog.receipt" in text
        assert "falta: tabela integrations_webhookevent" in text
        follow_the_advice()
        assert_migrated(behind)

    def test_a_table_with_a_column_missing(self, behind: Facts) -> None:
        sql("CREATE TABLE integrations_carriernews (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY)")
        assert advice_by_name()[NAMES["0006"]] is Advice.COMPLETE
        code, text = check()
        assert code == 1
        follow_the_advice()
        assert_migrated(behind)
        assert "já existe: tabela integrations_carriernews" in text
        assert "falta: coluna integrations_carriernews.tracking_code" in text


class TestIndexBuiltBesideTheWork:
    @pytest.fixture
    def behind(self, migrated: Facts) -> Facts:
        call_command("migrate", "integrations", "0007", verbosity=0)
        return migrated

    def test_as_it_should_be(self, behind: Facts) -> None:
        [part] = [part for each in findings() if each.name == NAMES["0008"] for part in each.schema_objects]
        assert part.make[0].startswith('CREATE INDEX CONCURRENTLY "notification_to_anonymise" ON ')
        sql(*part.make)
        assert advice_by_name()[NAMES["0008"]] is Advice.FAKE
        follow_the_advice()
        assert_migrated(behind)

    def test_another_one_of_that_name(self, behind: Facts) -> None:
        sql("CREATE INDEX notification_to_anonymise ON integrations_notificationlog (status)")
        assert advice_by_name()[NAMES["0008"]] is Advice.COMPLETE
        there = "CREATE INDEX ON integrations_notificationlog USING btree "
        assert (
            f"existe, mas é {there}(status) em vez de {there}(created_at, id) WHERE anonymised_at IS NULL"
            in (check()[1])
        )
        follow_the_advice()
        assert_migrated(behind)

    def test_one_that_could_not_be_built(self, behind: Facts) -> None:
        [part] = [part for each in findings() if each.name == NAMES["0008"] for part in each.schema_objects]
        sql(
            *part.make,
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'notification_to_anonymise'::regclass",
        )
        assert advice_by_name()[NAMES["0008"]] is Advice.COMPLETE
        follow_the_advice()
        assert_migrated(behind)


def _applied() -> list[tuple[str, str]]:
    return sorted(MigrationRecorder(connection).applied_migrations())


def test_a_database_that_is_away_is_no_advice(settings: Any) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check_migrations"],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DATABASE_URL": "postgresql://flowlog:secret-word@127.0.0.1:9/flowlog"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "Não foi possível consultar o banco" in done.stderr
    assert "secret-word" not in done.stdout + done.stderr
