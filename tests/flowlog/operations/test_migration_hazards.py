"""What a migration would break in the version before it, and which big tables it would lock."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently
from django.db import models
from django.db.migrations import operations as ops
from django.db.models.functions import Now
from django.utils import translation

from flowlog.operations.migrationcheck.hazards import breaks
from flowlog.operations.migrationcheck.locks import locks
from flowlog.operations.migrationcheck.steps import all_steps
from tests.flowlog.operations.schema import sql
from tests.flowlog.operations.shop_migrations import build, shop, steps_of

CODE = models.CharField(max_length=10)
POSITIVE = models.CheckConstraint(condition=models.Q(number__gte=0), name="positive")
ONCE = models.UniqueConstraint(fields=["code"], name="once")


def altered(name: str, field: models.Field[Any, Any]) -> ops.AlterField:
    return ops.AlterField("order", name, field)


READS = "which code without it still reads"
WRITES = "which rows of code without it may violate"
BREAKING = {
    "removed field": (ops.RemoveField("order", "code"), f"removes order.code, {READS}"),
    "removed model": (ops.DeleteModel("Order"), f"removes Order, {READS}"),
    "renamed field": (ops.RenameField("order", "code", "reference"), f"renames order.code, {READS}"),
    "renamed model": (ops.RenameModel("Order", "Sale"), f"renames Order, {READS}"),
    "renamed table": (ops.AlterModelTable("order", "sales"), f"renames order, {READS}"),
    "renamed column": (
        altered("code", models.CharField(max_length=10, db_column="reference")),
        f"renames order.code, {READS}",
    ),
    "another type": (altered("code", models.IntegerField()), f"changes the type of order.code, {READS} and writes"),
    "smaller numbers": (
        altered("number", models.SmallIntegerField(default=0)),
        f"changes the type of order.number, {READS} and writes",
    ),
    "shorter text": (
        altered("code", models.CharField(max_length=9)),
        f"changes the type of order.code, {READS} and writes",
    ),
    "not null": (
        altered("note", models.CharField(max_length=10, db_default="")),
        "forbids NULL in order.note, which code without it may still write",
    ),
    "no default any more": (
        altered("state", models.CharField(max_length=10)),
        "takes the database's default of order.state away: code without it cannot insert rows",
    ),
    "unique": (altered("code", models.CharField(max_length=10, unique=True)), f"makes order.code unique, {WRITES}"),
    "new column without a default": (
        ops.AddField("order", "size", models.IntegerField(default=0)),
        "adds order.size without a default of the database: code without it cannot insert rows",
    ),
    "new unique column with one default for all": (
        ops.AddField("order", "size", models.IntegerField(db_default=0, unique=True)),
        f"makes order.size unique, {WRITES}",
    ),
    "a foreign key": (
        altered("number", models.ForeignKey("shop.Customer", models.PROTECT, db_column="number", db_default=0)),
        f"gives order.number another foreign key, {WRITES}",
    ),
    "check": (ops.AddConstraint("order", POSITIVE), f"adds the constraint positive, {WRITES}"),
    "check that is not validated": (
        AddConstraintNotValid("order", POSITIVE),
        f"adds the constraint positive, {WRITES}",
    ),
    "unique constraint": (ops.AddConstraint("order", ONCE), f"adds the constraint once, {WRITES}"),
    "unique together": (
        ops.AlterUniqueTogether("order", {("code", "number")}),
        f"makes order (code, number) unique, {WRITES}",
    ),
}
HARMLESS = {
    "new column": ops.AddField("order", "size", models.IntegerField(null=True)),
    "new column with a default": ops.AddField("order", "made_at", models.DateTimeField(db_default=Now())),
    "new model": ops.CreateModel("Parcel", [("id", models.BigAutoField(primary_key=True))]),
    "longer text": altered("code", models.CharField(max_length=11)),
    "any text": altered("code", models.TextField()),
    "bigger numbers": altered("number", models.BigIntegerField(default=0)),
    "null": altered("code", models.CharField(max_length=10, null=True)),
    "index": altered("code", models.CharField(max_length=10, db_index=True)),
    "another name in Python only": ops.RenameField("order", "code", "reference"),
    "a constraint that lets more through": AddConstraintNotValid(
        "order",
        models.CheckConstraint(condition=models.Q(number__gte=0) | models.Q(code="", number=-1), name="positive_or"),
    ),
    "no constraint any more": ops.RemoveConstraint("order", "positive"),
}


@pytest.fixture(autouse=True)
def _in_english() -> Any:
    with translation.override("en"):
        yield


@pytest.mark.parametrize("kind", BREAKING)
def test_it_breaks_the_version_before(kind: str) -> None:
    operation, words = BREAKING[kind]
    [step] = steps_of(operation)
    assert words in list(breaks(step))


@pytest.mark.parametrize("kind", HARMLESS)
def test_it_breaks_nothing(kind: str) -> None:
    state = shop(constraints=[POSITIVE])
    if kind.startswith("another name"):
        state.alter_field("shop", "order", "code", models.CharField(max_length=10, db_column="code"), True)  # noqa: FBT003
    assert [words for step in steps_of(HARMLESS[kind], state=state) for words in breaks(step)] == []


def test_what_the_version_before_does_not_know_it_does_not_miss() -> None:
    found = steps_of(
        ops.AddField("order", "size", models.IntegerField(null=True)),
        ops.RemoveField("order", "size"),
        ops.CreateModel("Parcel", [("id", models.BigAutoField(primary_key=True)), ("size", models.IntegerField())]),
        ops.AddField("parcel", "weight", models.IntegerField(default=0)),
        ops.AddConstraint("parcel", models.CheckConstraint(condition=models.Q(size__gt=0), name="some_size")),
        ops.RemoveField("parcel", "size"),
    )
    assert [words for step in found for words in breaks(step)] == []


SIZE = ops.AddField("order", "size", models.IntegerField(null=True))
SIZE_OF_ALL = ops.AddField("order", "size", models.IntegerField(db_default=0))
POSITIVE_SIZE = models.CheckConstraint(condition=models.Q(size__gte=0), name="positive")
SIZE_IF_NUMBER = models.CheckConstraint(condition=models.Q(size__gte=0) | models.Q(number=0), name="some_size")
ONE_SIZE = models.UniqueConstraint(fields=["code", "size"], name="one_size")
ONE_SIZE_IF_ANY = models.UniqueConstraint(fields=["code", "size"], condition=~models.Q(size=0), name="one_size")
ONE_SIZE_BUT_ONE = models.UniqueConstraint(fields=["code", "size"], condition=~models.Q(size=1), name="one_size")


@pytest.mark.parametrize(
    ("field", "constraint", "holds"),
    [
        (SIZE_OF_ALL, ONE_SIZE_IF_ANY, True),
        (SIZE_OF_ALL, ONE_SIZE_BUT_ONE, False),
        (SIZE, POSITIVE_SIZE, True),
        (SIZE_OF_ALL, POSITIVE_SIZE, True),
        (SIZE, SIZE_IF_NUMBER, False),
        (SIZE, ONE_SIZE, True),
        (SIZE_OF_ALL, ONE_SIZE, False),
    ],
)
def test_a_constraint_of_fields_that_the_version_before_leaves_alone(
    field: ops.AddField, constraint: models.BaseConstraint, holds: bool
) -> None:
    found = steps_of(field, ops.AddConstraint("order", constraint))
    words = [words for step in found for words in breaks(step)]
    assert words == ([] if holds else [f"adds the constraint {constraint.name}, {WRITES}"])


def test_the_database_operations_are_what_counts() -> None:
    apart = ops.SeparateDatabaseAndState(
        state_operations=[ops.RemoveField("order", "code")], database_operations=[altered("code", models.TextField())]
    )
    assert [words for step in steps_of(apart) for words in breaks(step)] == []
    told = ops.RunSQL("ALTER TABLE shop_order DROP code", state_operations=[ops.RemoveField("order", "code")])
    assert [words for step in steps_of(told) for words in breaks(step)] == [f"removes order.code, {READS}"]


LOCKING = {
    "index": (ops.AddIndex("order", models.Index(fields=["code"], name="by_code")), "not built CONCURRENTLY"),
    "check": (ops.AddConstraint("order", POSITIVE), "a constraint checks every row"),
    "unique constraint": (ops.AddConstraint("order", ONCE), "a unique constraint builds its index"),
    "unique together": (ops.AlterUniqueTogether("order", {("code",)}), "a unique constraint builds its index"),
    "unique column": (altered("code", models.CharField(max_length=10, unique=True)), "its index or foreign key is"),
    "column with an index": (
        altered("code", models.CharField(max_length=10, db_index=True)),
        "its index or foreign key is built at once",
    ),
    "another type": (altered("number", models.BigIntegerField()), "a change of type rewrites the table"),
    "not null": (altered("note", models.CharField(max_length=10, db_default="")), "NOT NULL checks every row"),
    "foreign key": (
        ops.AddField("order", "customer", models.ForeignKey("shop.Customer", models.CASCADE, null=True)),
        "its index or foreign key is built at once",
    ),
}
QUICK = {
    "index": AddIndexConcurrently("order", models.Index(fields=["code"], name="by_code")),
    "check": AddConstraintNotValid("order", POSITIVE),
    "together as before": ops.AlterUniqueTogether("order", {("code", "number")}),
    "not together any more": ops.AlterUniqueTogether("order", set()),
    "longer text": altered("code", models.CharField(max_length=11)),
    "column": ops.AddField("order", "size", models.IntegerField(db_default=0)),
    "small table": ops.AddIndex("customer", models.Index(fields=["id"], name="by_id")),
}


@pytest.fixture
def big(db: None) -> None:
    build(shop())
    sql("INSERT INTO shop_order (code, number) SELECT 'a', n FROM generate_series(2, 100001) n", "ANALYZE shop_order")


@pytest.mark.usefixtures("big")
def test_a_lock_on_a_big_table_is_told() -> None:
    for kind, (operation, why) in LOCKING.items():
        [step] = steps_of(operation)
        [words] = locks(step)
        assert words.startswith("locks shop_order (about 100001 rows): "), kind
        assert why in words, kind
    for kind, operation in QUICK.items():
        [step] = steps_of(operation, state=shop(unique_together={("code", "number")}))
        assert list(locks(step)) == [], kind


def test_no_migration_of_ours_breaks_the_version_before_it() -> None:
    """A roll-back of the code must run on the newer schema: add, fill, switch, drop later."""
    ours = {"flowlog", "orders", "integrations", "notifications", "api", "outgoing"}
    found = [
        (step.app, step.migration.name, words) for step in all_steps() if step.app in ours for words in breaks(step)
    ]
    # No release has the field and not the constraint: the one migration's tables are locked, the other's are not.
    together = {("orders", "0019_order_origin_indexes"): "order_once_per_origin"}
    assert [each for each in found if together.get(each[:2], "-") not in each[2]] == []


@pytest.mark.django_db(transaction=True)
def test_django_migration_linter_finds_nothing_in_our_migrations(settings: Any) -> None:
    from django_migration_linter import MigrationLinter

    ours = ["flowlog", "orders", "integrations"]
    # It takes a wider text for another type; ours tells them apart.
    linter = MigrationLinter(
        path=str(settings.BASE_DIR), include_apps=ours, no_cache=True, no_output=True,
        exclude_migration_tests=["ALTER_COLUMN"],
    )  # fmt: skip
    linter.lint_all_migrations()
    there = {(path.parts[-3], path.stem) for app in ours for path in settings.BASE_DIR.glob(f"{app}/migrations/0*.py")}
    assert (linter.nb_valid, linter.nb_warnings, linter.nb_erroneous) == (len(there), 0, 0)
