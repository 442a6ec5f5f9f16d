"""What each operation would change, as PostgreSQL itself shows it: tried on empty temporary tables, and taken back.

The real tables are neither locked nor touched: during the rehearsal their names lead to the temporary ones or nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import DatabaseError, connection, transaction
from django.db.backends.postgresql.schema import DatabaseSchemaEditor
from django.db.migrations import AddIndex, RemoveIndex
from django.db.migrations.state import ProjectState

from flowlog.operations.migrationcheck import catalog
from flowlog.operations.migrationcheck.steps import Step


@dataclass(frozen=True, slots=True)
class Change:
    """What an operation makes of the schema that it expects, and by which SQL; or why that could not be found out."""

    step: Step
    before: catalog.Schema = field(default_factory=dict)
    after: catalog.Schema = field(default_factory=dict)
    sql: tuple[str, ...] = ()
    problem: str = ""


def rehearse(steps: Sequence[Step], start: ProjectState) -> list[Change]:
    """What each of these operations would change, one after the other, beginning with the tables of `start`."""
    if not steps:
        return []
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL search_path TO pg_temp")
        changes = _changes(steps, _build(start))
        transaction.set_rollback(True)
    return changes


def _build(state: ProjectState) -> str:
    """Make the tables; returns what went wrong, if it did."""
    models = [model for model in state.apps.get_models() if model._meta.can_migrate(connection)]
    try:
        with transaction.atomic(), DatabaseSchemaEditor(connection, atomic=False) as editor:
            for model in models:
                editor.create_model(model)
    except DatabaseError as error:
        return _reason(error)
    return ""


def _changes(steps: Sequence[Step], problem: str) -> list[Change]:
    changes = []
    before = catalog.schema()
    for step in steps:
        change = Change(step, problem=problem) if problem else _try(step, before)
        changes.append(change)
        before = change.after or before
    return changes


def _try(step: Step, before: catalog.Schema) -> Change:
    if step.unseen:
        return Change(step, before, before)
    try:
        with transaction.atomic(), _Recorder(connection, atomic=False) as editor:
            _run(step, editor)
    except (DatabaseError, ValueError) as error:
        return Change(step, before, before, problem=_reason(error))
    return Change(step, before, catalog.schema(), _in_its_own_words(step, editor.recorded))


def _run(step: Step, editor: DatabaseSchemaEditor) -> None:
    operation: Any = step.operation
    arguments = (step.app, editor, step.before, step.after)
    # What CONCURRENTLY makes is the same, but not in a transaction.
    match operation:
        case AddIndexConcurrently():
            AddIndex.database_forwards(operation, *arguments)
        case RemoveIndexConcurrently():
            RemoveIndex.database_forwards(operation, *arguments)
        case _:
            operation.database_forwards(*arguments)


def _in_its_own_words(step: Step, recorded: Sequence[str]) -> tuple[str, ...]:
    if isinstance(step.operation, AddIndexConcurrently | RemoveIndexConcurrently):
        recorded = [statement.replace(" INDEX ", " INDEX CONCURRENTLY ", 1) for statement in recorded]
    return tuple(f"{statement.rstrip(';')};" for statement in recorded)


class _Recorder(DatabaseSchemaEditor):
    """Executes the statements, and keeps them."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.recorded: list[str] = []

    def execute(self, sql: Any, params: Any = ()) -> None:
        statement = str(sql) if params is None else connection.ops.compose_sql(str(sql), params)  # type: ignore[attr-defined]
        self.recorded.append(statement)
        super().execute(statement, None)


def _reason(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
