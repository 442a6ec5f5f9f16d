"""What to do about each pending migration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.db import connection
from django.db.migrations import SeparateDatabaseAndState
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.migration import Migration
from django.db.migrations.state import ProjectState

from flowlog.migrationcheck import hazards
from flowlog.migrationcheck.parts import Part, Step, parts, unseen


class Verdict(StrEnum):
    """What a pending migration meets, and so what to do with it."""

    APPLY = "apply"
    """Nothing of it was made by hand: `migrate` applies it."""
    FAKE = "fake"
    """All of it was made by hand, as it should be: `migrate --fake`."""
    COMPLETE = "complete"
    """A part of it was made by hand, or otherwise: complete it by SQL, then `migrate --fake`."""
    UNDO = "undo"
    """The same, but it also runs code of its own, which faking would skip: undo what was made, then `migrate`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One pending migration."""

    app: str
    name: str
    parts: Sequence[Part]
    runs_code: bool
    breaks: Sequence[str] = field(default_factory=list)
    locks: Sequence[str] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        if not any(part.done or part.begun for part in self.parts):
            return Verdict.APPLY
        if self.runs_code:
            return Verdict.UNDO
        return Verdict.FAKE if all(part.done for part in self.parts) else Verdict.COMPLETE

    @property
    def needs_advice(self) -> bool:
        """Whether somebody should read this before migrating."""
        return bool(self.verdict is not Verdict.APPLY or self.breaks or self.locks)

    @property
    def sql(self) -> list[str]:
        """What completes it."""
        return [statement for part in self.parts if not part.done for statement in part.make]


def findings() -> list[Finding]:
    """All pending migrations, in the order in which they would be applied. Changes nothing."""
    with _read_only():
        executor = MigrationExecutor(connection)
        state = executor._create_project_state(with_applied_migrations=True)  # type: ignore[attr-defined]
        found = []
        to_come: set[str] = set()
        for migration, _backwards in executor.migration_plan(executor.loader.graph.leaf_nodes()):
            steps = list(_steps(migration, state))
            state = steps[-1].after if steps else state
            found.append(_finding(migration, steps, to_come))
        return found


def all_steps() -> Iterator[tuple[Migration, Step]]:
    """Every operation of every migration of ours and of others, applied or not, from the very first."""
    executor = MigrationExecutor(connection)
    state = ProjectState()
    for migration, _backwards in executor.migration_plan(executor.loader.graph.leaf_nodes(), clean_start=True):
        for step in _steps(migration, state):
            yield migration, step
            state = step.after


def commands(found: Sequence[Finding]) -> list[str]:
    """What to type, in this order, once the SQL of the incomplete ones was run. Empty where `migrate` is enough.

    Faking one migration fakes all that it builds on, so each of those before it is applied by its name.
    """
    faked = [number for number, each in enumerate(found) if each.verdict in (Verdict.FAKE, Verdict.COMPLETE)]
    if not faked:
        return []
    typed = [
        f"python manage.py migrate {each.app} {each.name}{' --fake' if number in faked else ''}"
        for number, each in enumerate(found[: faked[-1] + 1])
    ]
    return [*typed, "python manage.py migrate"]


def _steps(migration: Migration, start: ProjectState) -> Iterator[Step]:
    state = start
    for operation in migration.operations:
        after = state.clone()
        operation.state_forwards(migration.app_label, after)
        if isinstance(operation, SeparateDatabaseAndState):
            yield from _database_steps(migration, operation, start, state)
            yield Step(migration.app_label, SeparateDatabaseAndState(), start, state, after)
        else:
            yield Step(migration.app_label, operation, start, state, after)
        state = after


def _database_steps(migration: Migration, operation: Any, start: ProjectState, state: ProjectState) -> Iterator[Step]:
    """What it really does; its view of the models is another matter."""
    for inner in operation.database_operations:
        after = state.clone()
        inner.state_forwards(migration.app_label, after)
        yield Step(migration.app_label, inner, start, state, after)
        state = after


def _finding(migration: Migration, steps: Sequence[Step], to_come: set[str]) -> Finding:
    return Finding(
        migration.app_label,
        migration.name,
        [part for step in steps for part in parts(step, to_come)],
        any(unseen(step.operation) for step in steps),
        [words for step in steps for words in hazards.breaks(step)],
        [words for step in steps for words in hazards.locks(step)],
    )


@contextmanager
def _read_only() -> Iterator[None]:
    """Whatever this may try, the database refuses to be changed. Not a transaction: some checks may not be in one."""
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")
