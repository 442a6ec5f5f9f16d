"""The operations of migrations, one by one, each with the models around it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.operations import ValidateConstraint
from django.db.migrations import RunPython, RunSQL, SeparateDatabaseAndState
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.operations.fields import FieldOperation
from django.db.migrations.operations.models import IndexOperation, ModelOperation
from django.db.migrations.state import ProjectState

_SCHEMA = (ModelOperation, FieldOperation, IndexOperation, ValidateConstraint, SeparateDatabaseAndState)


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of a migration.

    `known` are the models of the version that may still run; `before` and `after` those around the operation.
    """

    migration: Migration
    operation: Operation
    known: ProjectState
    before: ProjectState
    after: ProjectState

    @property
    def app(self) -> str:
        return self.migration.app_label

    @property
    def unseen(self) -> bool:
        """Whether what it does is not said by the models: code or SQL of its own."""
        return not isinstance(self.operation, _SCHEMA)

    def model(self, name: str, *, old: bool = False) -> Any:
        """The model of that name after the operation, or before it."""
        return (self.before if old else self.after).apps.get_model(self.app, name)

    @property
    def model_name(self) -> str:
        """The lower-case name of the model that it is about; empty if it is about none."""
        operation: Any = self.operation
        name = getattr(operation, "model_name", None) or getattr(operation, "old_name", None)
        return str(name or getattr(operation, "name", "")).lower()

    def fields(self) -> tuple[Any, Any]:
        """The field of an AlterField before and after."""
        operation: Any = self.operation
        old, new = self.model(operation.model_name, old=True), self.model(operation.model_name)
        return old._meta.get_field(operation.name), new._meta.get_field(operation.name)


def steps(migration: Migration, start: ProjectState, known: ProjectState | None = None) -> list[Step]:
    """What it does to the database, in this order. What is not `known` from before it, nobody misses.

    What stands in an operation's view of the models alone is left out, unless it tells what its SQL or code does.
    """
    return list(_of(migration, migration.operations, known or start, start))


def state_after(done: Sequence[Step], start: ProjectState) -> ProjectState:
    """The models after all of it."""
    return done[-1].after if done else start


def all_steps() -> Iterator[Step]:
    """Every operation of every migration of ours and of others, applied or not, from the very first."""
    executor = MigrationExecutor(None)
    state = ProjectState()
    for migration, _backwards in executor.migration_plan(executor.loader.graph.leaf_nodes(), clean_start=True):
        done = steps(migration, state)
        yield from done
        state = state_after(done, state)


def _of(
    migration: Migration, operations: Iterable[Operation], known: ProjectState, state: ProjectState
) -> Iterator[Step]:
    for operation in operations:
        after = state.clone()
        operation.state_forwards(migration.app_label, after)
        match operation:
            case RunSQL():
                yield Step(migration, operation, known, state, state)
                yield from _of(migration, operation.state_operations, known, state)
            case SeparateDatabaseAndState():
                done = list(_of(migration, operation.database_operations, known, state))
                yield from done
                if any(step.unseen for step in done):
                    yield from _of(migration, operation.state_operations, known, state)
                yield Step(migration, SeparateDatabaseAndState(), known, state, after)
            case RunPython() | _:
                yield Step(migration, operation, known, state, after)
        state = after
