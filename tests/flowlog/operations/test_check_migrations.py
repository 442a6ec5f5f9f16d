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
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from flowlog.operations.migrationcheck.report import Verdict, findings
from tests.factories import make_instance, make_order
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


@pytest.fixture
def migrated() -> Iterator[Facts]:
    """What the schema is without anything done by hand. There is a message, and what it belongs to."""
    expected = schema()
    make_instance()
    make_order(until="confirmed", notify=True)
    yield expected
    call_command("migrate", verbosity=0)
    assert schema() == expected


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


def verdicts() -> dict[str, Verdict]:
    return {each.name: each.verdict for each in findings()}


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
    metas = [model._meta for model in apps.get_app_config("integrations").get_models()]
    assert {named.name for meta in metas for named in (*meta.indexes, *meta.constraints)} <= names


def test_with_nothing_pending_it_says_so() -> None:
    assert check() == (0, "✔ Nenhuma migration pendente.\n")
    assert check("--json") == (0, json.dumps({"safe": True, "migrations": [], "commands": []}, indent=2) + "\n")


class TestMadeByHand:
    def test_nothing(self, behind: Facts) -> None:
        """Nor does it change anything, or take any lock that keeps others from writing."""
        before = schema(), _applied()
        with psycopg.connect(**connection.get_connection_params()) as other:
            other.execute("LOCK TABLE integrations_notificationlog, orders_order IN EXCLUSIVE MODE")
            sql("SET lock_timeout = '1s'")
            code, text = check()
            sql("RESET lock_timeout")
        assert code == 0
        assert "fake" not in text
        assert set(verdicts().values()) == {Verdict.APPLY}
        assert (schema(), _applied()) == before

    def test_a_column_of_the_same_type(self, behind: Facts) -> None:
        sql("ALTER TABLE integrations_notificationlog ADD anonymised_at timestamptz NULL")
        code, text = check()
        assert code == 1
        assert verdicts()[NAMES["0007"]] is Verdict.FAKE
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
        assert verdicts()[NAMES["0007"]] is Verdict.COMPLETE
        assert "existe, mas tipo date em vez de timestamp with time zone" in text
        assert "Fazer o fake agora seria errado." in text
        follow_the_advice()
        assert_migrated(behind)

    def test_half_of_a_migrations_parts(self, behind: Facts) -> None:
        sql("ALTER TABLE integrations_notificationlog ADD receipt varchar(12) DEFAULT '' NOT NULL")
        code, text = check()
        assert code == 1
        assert verdicts()[NAMES["0005"]] is Verdict.COMPLETE
        assert "já existe: coluna integrations_notificationlog.receipt" in text
        assert "falta: tabela integrations_webhookevent" in text
        follow_the_advice()
        assert_migrated(behind)

    def test_a_table_with_a_column_missing(self, behind: Facts) -> None:
        sql("CREATE TABLE integrations_carriernews (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY)")
        assert verdicts()[NAMES["0006"]] is Verdict.COMPLETE
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
        [part] = [part for each in findings() if each.name == NAMES["0008"] for part in each.parts]
        assert part.make[0].startswith('CREATE INDEX CONCURRENTLY "notification_to_anonymise" ON ')
        sql(*part.make)
        assert verdicts()[NAMES["0008"]] is Verdict.FAKE
        follow_the_advice()
        assert_migrated(behind)

    def test_another_one_of_that_name(self, behind: Facts) -> None:
        sql("CREATE INDEX notification_to_anonymise ON integrations_notificationlog (status)")
        assert verdicts()[NAMES["0008"]] is Verdict.COMPLETE
        there = "CREATE INDEX ON integrations_notificationlog USING btree "
        assert (
            f"existe, mas é {there}(status) em vez de {there}(created_at, id) WHERE anonymised_at IS NULL"
            in (check()[1])
        )
        follow_the_advice()
        assert_migrated(behind)

    def test_one_that_could_not_be_built(self, behind: Facts) -> None:
        [part] = [part for each in findings() if each.name == NAMES["0008"] for part in each.parts]
        sql(
            *part.make,
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'notification_to_anonymise'::regclass",
        )
        assert verdicts()[NAMES["0008"]] is Verdict.COMPLETE
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
