"""Each thing that somebody may have made otherwise than the migration: what is said of it, and that the SQL mends it.

Tables have rows, as they do at a shop's. Everything is taken back at the end of each test.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from django.utils import translation

from flowlog.operations.migrationcheck.report import Advice, Finding, judge
from tests.factories import make_instance, make_order
from tests.flowlog.operations.schema import schema, sql

pytestmark = pytest.mark.django_db

LOADER = cache(lambda: MigrationLoader(None))
WEBHOOKS, NEWS_OF_CARRIERS = "0005_webhooks_receipts_replies", "0006_carrier_news"


@cache
def before(name: str) -> ProjectState:
    state: ProjectState = LOADER().project_state(("integrations", name), at_end=False)
    return state


def found_of(*names: str) -> list[Finding]:
    """What is found of these migrations by somebody who has come as far as the first of them."""
    return judge([LOADER().graph.nodes["integrations", name] for name in names], before(names[0]))


def found_of_one(name: str) -> Finding:
    [finding] = found_of(name)
    return finding


@pytest.fixture(autouse=True)
def expected() -> Iterator[set[tuple[Any, ...]]]:
    """The schema without anything done by hand. There is a message, and what it belongs to."""
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    make_instance()
    make_order(until="confirmed", notify=True)
    _as_before("0010_answers_heard", REPLY)
    _as_before("0033_carrier_connections", NEWS)
    sql(
        f"ALTER TABLE {NEWS} ADD CONSTRAINT carrier_news_has_order_or_says_why "
        "CHECK (order_id IS NOT NULL OR result IN ('unknown', 'ambiguous'))"
    )
    with translation.override("en"):
        yield schema()


def _as_before(migration: str, table: str) -> None:
    """The table without what this migration and later ones did to it."""
    fields = before(migration).apps.get_model("integrations", table.removeprefix("integrations_"))._meta.local_fields
    with connection.cursor() as cursor:
        there = {column.name for column in connection.introspection.get_table_description(cursor, table)}
    for column in sorted(there - {field.column for field in fields}):
        sql(f'ALTER TABLE {table} DROP COLUMN "{column}" CASCADE')
    for field in fields:
        if not field.null:
            sql(f'ALTER TABLE {table} ALTER COLUMN "{field.column}" SET NOT NULL')


REPLY, NEWS, WEBHOOK = "integrations_customerreply", "integrations_carriernews", "integrations_webhookevent"
ORDER_KEY = "integrations_customerreply_order_id_fec7a1f0"
DEVIATIONS = {
    "no foreign key": (WEBHOOKS, f"ALTER TABLE {REPLY} DROP CONSTRAINT {ORDER_KEY}_fk_orders_order_id",
        f"missing: FOREIGN KEY (order_id) REFERENCES orders_order(id) DEFERRABLE INITIALLY DEFERRED of table {REPLY}"),
    "another foreign key": (WEBHOOKS,
        (f"ALTER TABLE {REPLY} DROP CONSTRAINT {ORDER_KEY}_fk_orders_order_id, "
        "ADD FOREIGN KEY (order_id) REFERENCES orders_order ON DELETE CASCADE"),
        "it is FOREIGN KEY (order_id) REFERENCES orders_order(id) ON DELETE CASCADE instead of "),
    "no index of a foreign key": (WEBHOOKS, f"DROP INDEX {ORDER_KEY}",
        f"missing: INDEX btree (order_id) of table {REPLY}"),
    "no primary key": (WEBHOOKS, f"ALTER TABLE {REPLY} DROP CONSTRAINT {REPLY}_pkey",
        f"missing: PRIMARY KEY (id) of table {REPLY}"),
    "no unique column": (NEWS_OF_CARRIERS, f"ALTER TABLE {NEWS} DROP CONSTRAINT {NEWS}_signature_key",
        f"missing: UNIQUE (signature) of table {NEWS}"),
    "no index for LIKE": (NEWS_OF_CARRIERS, f"DROP INDEX {NEWS}_signature_6a7328cb_like",
        f"missing: INDEX btree (signature varchar_pattern_ops) of table {NEWS}"),
    "another check": (NEWS_OF_CARRIERS,
        (f"ALTER TABLE {NEWS} DROP CONSTRAINT carrier_news_applied_is_event, "
        "ADD CONSTRAINT carrier_news_applied_is_event CHECK (result <> 'applied' OR event_id IS NOT NULL)"),
        "it is CHECK (result::text <> 'applied'::text OR event_id IS NOT NULL) instead of CHECK ("),
    "a check that was not validated": (NEWS_OF_CARRIERS,
        (f"ALTER TABLE {NEWS} DROP CONSTRAINT carrier_news_applied_is_event, ADD CONSTRAINT "
        "carrier_news_applied_is_event "
        "CHECK (event_id IS NOT NULL AND result = 'applied' OR NOT result = 'applied' AND event_id IS NULL) NOT VALID"),
        "AND event_id IS NULL) NOT VALID instead of CHECK ("),
    "another condition": (WEBHOOKS,
        "DROP INDEX webhook_due; CREATE INDEX webhook_due ON integrations_webhookevent (due_at, id) WHERE error = ''",
        ("(due_at, id) WHERE error::text = ''::text instead of CREATE INDEX ON integrations_webhookevent USING btree "
        "(due_at, id) WHERE processed_at IS NULL")),
    "another direction": (WEBHOOKS,
        ("DROP INDEX webhook_due;"
        "CREATE INDEX webhook_due ON integrations_webhookevent (due_at DESC, id) WHERE processed_at IS NULL"),
        "(due_at DESC, id) WHERE processed_at IS NULL instead of CREATE INDEX ON "),
    "a unique index instead of a constraint": (WEBHOOKS,
        (f"ALTER TABLE {REPLY} DROP CONSTRAINT reply_once;"
        f"CREATE UNIQUE INDEX reply_once ON {REPLY} (instance_id, provider_message_id)"),
        "it is CREATE UNIQUE INDEX ON integrations_customerreply USING btree (instance_id, "),
    "another default": (WEBHOOKS, f"ALTER TABLE {WEBHOOK} ALTER error SET DEFAULT 'none'",
        "default 'none'::character varying instead of ''::character varying"),
    "another function as default": (WEBHOOKS, f"ALTER TABLE {WEBHOOK} ALTER received_at SET DEFAULT '2026-01-01'",
        "default '2026-01-01 "),
    "numbers that nobody may give": (WEBHOOKS, f"ALTER TABLE {WEBHOOK} ALTER id SET GENERATED ALWAYS",
        f"does not number the rows: column {WEBHOOK}.id"),
    "a unique column too many": (WEBHOOKS, f"ALTER TABLE {REPLY} ADD CONSTRAINT mine UNIQUE (customer_id)",
        "is not of the migration, and may refuse rows: UNIQUE (customer_id): index or constraint mine"),
    "a check too many": (WEBHOOKS, f"ALTER TABLE {REPLY} ADD CONSTRAINT mine CHECK (text <> '')",
        "may refuse rows: CHECK (text::text <> ''::text): index or constraint mine"),
    "a table too few": (WEBHOOKS, f"DROP TABLE {REPLY}", f"missing: table {REPLY}"),
}  # fmt: skip


def words(finding: Finding) -> str:
    return "; ".join(
        f"{part.partly_applied or 'missing'}: {part.name}" for part in finding.schema_objects if not part.done
    )


def test_as_it_should_be() -> None:
    found = found_of(WEBHOOKS, NEWS_OF_CARRIERS, "0007_anonymised_at", "0008_anonymise_index")
    assert [each.advice for each in found] == [Advice.FAKE] * 4
    assert [each.problems for each in found] == [[]] * 4


@pytest.mark.parametrize("deviation", DEVIATIONS)
def test_otherwise(expected: set[Any], deviation: str) -> None:
    name, statement, said = DEVIATIONS[deviation]
    sql(statement)
    finding = found_of_one(name)
    assert finding.advice is Advice.COMPLETE
    assert len([part for part in finding.schema_objects if not part.done]) == 1
    assert said in words(finding)
    sql(*finding.sql)
    assert schema() == expected
    assert found_of_one(name).advice is Advice.FAKE


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("varchar(12) NULL", "takes NULL; has no default"),
        ("varchar(12) NULL DEFAULT 'read'", "takes NULL; default 'read'::character varying instead of "),
        ("integer NULL DEFAULT 7", "type integer instead of character varying(12); takes NULL; default 7 instead of "),
        ("varchar(12) NOT NULL DEFAULT 'read'", "default 'read'::character varying instead of ''::"),
        ("varchar(12) COLLATE \"C\" NOT NULL DEFAULT ''", 'type character varying(12) COLLATE "C" instead of '),
    ],
)
def test_a_column_on_a_table_with_rows(expected: set[Any], column: str, said: str) -> None:
    sql(
        "ALTER TABLE integrations_notificationlog DROP receipt CASCADE",
        f"ALTER TABLE integrations_notificationlog ADD receipt {column}",
    )
    finding = found_of_one(WEBHOOKS)
    assert finding.advice is Advice.COMPLETE
    assert words(finding).startswith(said)
    sql(*finding.sql)
    assert schema() == expected
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(receipt), count(*) FROM integrations_notificationlog")
        filled, rows = cursor.fetchone()
        assert filled == rows > 0


def test_a_text_that_is_too_long_is_not_cut() -> None:
    table = "ALTER TABLE integrations_notificationlog"
    sql(f"{table} DROP receipt CASCADE", f"{table} ADD receipt text NOT NULL DEFAULT 'far too long to fit'")
    with pytest.raises(DatabaseError, match="value too long"), transaction.atomic():
        sql(*found_of_one(WEBHOOKS).sql)


ROW = "INSERT INTO integrations_webhookevent (%s instance_name, event, payload) VALUES (%s 'a', 'b', '{}')"


def test_rows_that_only_a_person_can_fill(expected: set[Any]) -> None:
    sql("ALTER TABLE integrations_webhookevent ALTER source DROP NOT NULL", ROW % ("", ""))
    finding = found_of_one(WEBHOOKS)
    assert words(finding).startswith("takes NULL; has rows without a value, which somebody must fill in first: ")
    sql("UPDATE integrations_webhookevent SET source = 'evolution'", *found_of_one(WEBHOOKS).sql)
    assert schema() == expected


def test_numbers_go_on_after_those_that_are_there(expected: set[Any]) -> None:
    sql("ALTER TABLE integrations_webhookevent ALTER id DROP IDENTITY", ROW % ("id, source,", "7, 'a',"))
    finding = found_of_one(WEBHOOKS)
    assert words(finding).startswith("does not number the rows: ")
    sql(*finding.sql, ROW % ("source,", "'a',"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM integrations_webhookevent ORDER BY 1")
        assert cursor.fetchall() == [(7,), (8,)]
    assert schema() == expected


def test_a_column_of_ones_own(expected: set[Any]) -> None:
    sql(f"ALTER TABLE {REPLY} ADD mine integer NOT NULL")
    finding = found_of_one(WEBHOOKS)
    assert words(finding).startswith("is not of the migration, and no row can be inserted without it: ")
    sql(*finding.sql)
    assert schema() - expected == {(REPLY, "mine", "integer", None, None, "YES", None, None)}
    sql(f"ALTER TABLE {REPLY} ALTER mine SET DEFAULT 0, ALTER mine SET NOT NULL")
    assert found_of_one(WEBHOOKS).advice is Advice.FAKE
