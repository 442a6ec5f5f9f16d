"""What the database has that an older revision of the code does not know, and what of it that revision would miss."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ProjectState
from django.utils.translation import gettext as _

from flowlog.operations.migrationcheck.hazards import breaks
from flowlog.operations.migrationcheck.steps import state_after, steps

type Key = tuple[str, str]

_TIMEOUT = 10


class UnknownRevisionError(Exception):
    """The repository does not have it, or there is no repository."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """An applied migration that the revision does not have, and what of it the revision would miss."""

    app: str
    name: str
    breaks: tuple[str, ...]


def unknown_to(revision: str) -> list[Unknown]:
    """The applied migrations of ours that the revision does not have, in their order.

    One that the code here does not have either, after an earlier roll-back, is read from the repository's history.
    Raises UnknownRevisionError.
    """
    folders = _folders()
    theirs = set(_migrations(_git("ls-tree", "-r", "--name-only", "--full-tree", revision), folders))
    applied = {key for key in MigrationRecorder(connection).applied_migrations() if key[0] in folders.values()}
    newer = applied - theirs
    if not newer:
        return []
    try:
        return _judged(newer, theirs, folders)
    except Exception as error:  # noqa: BLE001  (old migrations may refer to code that is gone: then nobody can say)
        reason = _("cannot be judged: %(reason)s") % {"reason": error}
        return [Unknown(app, name, (reason,)) for app, name in sorted(newer)]


def _judged(newer: set[Key], theirs: set[Key], folders: Mapping[str, str]) -> list[Unknown]:
    executor = MigrationExecutor(None)
    executor.loader = _Loader(newer, folders)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes(), clean_start=True)
    ours = set(folders.values())
    state = ProjectState(real_apps=executor.loader.unmigrated_apps)
    for migration, _backwards in plan:
        if migration.app_label not in ours or (migration.app_label, migration.name) in theirs:
            state = migration.mutate_state(state, preserve=False)
    known, judged = state, []
    for migration, _backwards in plan:
        if (migration.app_label, migration.name) in newer:
            done = steps(migration, state, known)
            state = state_after(done, state)
            words = [words for step in done for words in breaks(step)]
            if any(step.unseen for step in done):
                words.append(_("runs code or SQL of its own, which cannot be checked"))
            judged.append(Unknown(migration.app_label, migration.name, tuple(words)))
    return judged


class _Loader(MigrationLoader):
    """The migrations of the code here, and of the repository's history those that are only in the database."""

    def __init__(self, applied: set[Key], folders: Mapping[str, str]) -> None:
        self._applied, self._folders = applied, folders
        super().__init__(None, ignore_no_migrations=True)

    def load_disk(self) -> None:
        super().load_disk()
        for folder, app in self._folders.items():
            for name in (name for label, name in self._applied if label == app):
                if (app, name) not in self.disk_migrations:
                    self.disk_migrations[app, name] = _from_history(f"{folder}/migrations/{name}.py", app, name)


def _from_history(path: str, app: str, name: str) -> Migration:
    # The last commit that has the file, on whatever branch.
    commit = _git("log", "--all", "--diff-filter=AM", "-1", "--format=%H", "--", path).strip()
    if not commit:
        raise UnknownRevisionError(_("the repository does not have it (%(path)s)") % {"path": path})
    spec = spec_from_loader(f"{app}.migrations.{name}", loader=None)
    assert spec is not None  # noqa: S101
    module = module_from_spec(spec)
    exec(compile(_git("show", f"{commit}:{path}"), path, "exec"), vars(module))  # noqa: S102  (our own repository)
    migration: Migration = module.Migration(name, app)
    return migration


def _folders() -> dict[str, str]:
    """The apps of this repository: their folders in it, and their labels."""
    root = Path(settings.BASE_DIR)
    configs = [each for each in apps.get_app_configs() if Path(each.path).parent == root]
    return {Path(each.path).name: each.label for each in configs}


def _migrations(listed: str, folders: Mapping[str, str]) -> Iterator[Key]:
    for path in map(Path, listed.splitlines()):
        if len(path.parts) == 3 and path.parts[1] == "migrations" and path.suffix == ".py":  # noqa: PLR2004
            yield folders.get(path.parts[0], path.parts[0]), path.stem


def _git(*arguments: str) -> str:
    root = str(settings.BASE_DIR)
    command = ["git", "-c", f"safe.directory={root}", "-C", root, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        raise UnknownRevisionError(getattr(error, "stderr", None) or str(error)) from None
    return done.stdout
