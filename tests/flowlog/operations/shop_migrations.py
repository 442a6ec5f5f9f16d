"""Migrations of an app that does not exist, on a table of its own with a row."""

from __future__ import annotations

from typing import Any

from django.db import connection, models
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState

from flowlog.operations.migrationcheck.steps import Step, steps
from tests.flowlog.operations.schema import sql


def shop(**options: Any) -> ProjectState:
    """An app `shop` with `Customer` and `Order`."""
    state = ProjectState()
    key: tuple[str, Any] = ("id", models.BigAutoField(primary_key=True))
    fields: list[tuple[str, Any]] = [
        key,
        ("code", models.CharField(max_length=10)),
        ("note", models.CharField(max_length=10, null=True)),
        ("number", models.IntegerField(default=0)),
        ("state", models.CharField(max_length=10, db_default="new")),
    ]
    state.add_model(ModelState("shop", "Customer", [key]))
    state.add_model(ModelState("shop", "Order", fields, options))
    return state


def build(state: ProjectState) -> None:
    """Make the tables, with a row each."""
    with connection.schema_editor() as editor:
        for model in state.apps.get_models():
            editor.create_model(model)
    sql("INSERT INTO shop_customer DEFAULT VALUES", "INSERT INTO shop_order (code, number) VALUES ('a', 1)")


def migration(*operations: Operation) -> Migration:
    newer = type("Newer", (Migration,), {"operations": list(operations)})
    made: Migration = newer("0002_newer", "shop")
    return made


def steps_of(*operations: Operation, state: ProjectState | None = None) -> list[Step]:
    return steps(migration(*operations), state or shop())
