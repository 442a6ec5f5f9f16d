"""What to do about each pending migration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.migration import Migration
from django.db.migrations.state import ProjectState

from flowlog.operations.migrationcheck import catalog
from flowlog.operations.migrationcheck.hazards import breaks
from flowlog.operations.migrationcheck.locks import locks
from flowlog.operations.migrationcheck.rehearsal import Change, rehearse
from flowlog.operations.migrationcheck.schema_objects import Context, SchemaObject, schema_objects
from flowlog.operations.migrationcheck.steps import state_after, steps


class Advice(StrEnum):
    """What a pending migration meets, and so what to do with it."""

    APPLY = "apply"
    """Nothing of it was made by hand: `migrate` applies it."""
    FAKE = "fake"
    """All of it was made by hand, as it should be: `migrate --fake`."""
    COMPLETE = "complete"
    """A part of it was made by hand, or otherwise: complete it by SQL, then `migrate --fake`."""
    UNDO = "undo"
    """The same, but it also does what neither SQL nor faking does: undo what was made, then `migrate`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One pending migration."""

    app: str
    name: str
    schema_objects: Sequence[SchemaObject]
    runs_code: bool
    breaks: Sequence[str] = field(default_factory=list)
    locks: Sequence[str] = field(default_factory=list)
    problems: Sequence[str] = field(default_factory=list)
    """Why some of it could not be compared with the database."""

    @property
    def advice(self) -> Advice:
        if all(part.untouched for part in self.schema_objects):
            return Advice.APPLY
        if self.runs_code or self.problems or any(part.blocked for part in self.schema_objects):
            return Advice.UNDO
        return Advice.FAKE if all(part.done for part in self.schema_objects) else Advice.COMPLETE

    @property
    def needs_advice(self) -> bool:
        """Whether somebody should read this before migrating."""
        return bool(self.advice is not Advice.APPLY or self.breaks or self.locks or self.problems)

    @property
    def sql(self) -> list[str]:
        """What completes it."""
        return [statement for part in self.schema_objects if not part.done for statement in part.make]


def findings() -> list[Finding]:
    """All pending migrations, in the order in which they would be applied. Changes nothing."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    state = executor._create_project_state(with_applied_migrations=True)  # type: ignore[attr-defined]
    return judge([migration for migration, _backwards in plan], state)


def judge(plan: Iterable[Migration], start: ProjectState) -> list[Finding]:
    """What these migrations meet, applied in this order by those who have come as far as `start`."""
    done, state = [], start
    for migration in plan:
        done.append(steps(migration, state))
        state = state_after(done[-1], state)
    changes = rehearse([step for each in done for step in each], start)
    context = Context(catalog.schema(), [change.after for change in changes], set())
    found = []
    for migration, each in zip(plan, done, strict=True):
        found.append(_finding(migration, changes[: len(each)], context))
        changes = changes[len(each) :]
    return found


def _finding(migration: Migration, changes: Sequence[Change], context: Context) -> Finding:
    return Finding(
        migration.app_label,
        migration.name,
        [part for change in changes for part in schema_objects(change, context)],
        any(change.step.unseen for change in changes),
        [words for change in changes for words in breaks(change.step)],
        [words for change in changes for words in locks(change.step)],
        list(dict.fromkeys(change.problem for change in changes if change.problem)),
    )


@dataclass(frozen=True, slots=True)
class Order:
    """One migration to be brought into the database by its name, after this SQL; `fake`: only noted as applied."""

    app: str
    name: str
    sql: Sequence[str]
    fake: bool

    @property
    def typed(self) -> list[str]:
        """What to type for it."""
        shell = "\n".join(["python manage.py dbshell -- -v ON_ERROR_STOP=1 <<'SQL'", *self.sql, "SQL"])
        migrate = f"python manage.py migrate {self.app} {self.name}{' --fake' if self.fake else ''}"
        return [shell, migrate] if self.sql else [migrate]


def orders(found: Sequence[Finding]) -> list[Order]:
    """What to do before `migrate`, in this order. Empty where `migrate` is enough.

    Faking one migration fakes all that it builds on, so each of those before it is applied by its name; the SQL of an
    incomplete one builds on them, too.
    """
    faked = [number for number, each in enumerate(found) if each.advice in (Advice.FAKE, Advice.COMPLETE)]
    return [
        Order(each.app, each.name, each.sql if each.advice is Advice.COMPLETE else (), fake=number in faked)
        for number, each in enumerate(found[: faked[-1] + 1] if faked else ())
    ]


def commands(found: Sequence[Finding]) -> list[str]:
    """The same as commands to type, `migrate` at their end. Empty where `migrate` is enough."""
    typed = [command for order in orders(found) for command in order.typed]
    return [*typed, "python manage.py migrate"] if typed else []
