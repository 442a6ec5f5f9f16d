"""What is said before the code goes back: which migrations of the database the older code does not know, or misses."""

from __future__ import annotations

import getpass
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from tests.deploy.releases import Releases
from tests.processes import environment

pytestmark = pytest.mark.django_db(transaction=True)

MIGRATION = """from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "{before}")]
    operations = [{operation}]
"""
ADDS = 'migrations.AddField("order", "weight", models.IntegerField(null=True))'
REMOVES = 'migrations.RemoveField("order", "notes")'
NOT_KNOWN = "O banco tem migrations que esta revisão não conhece: {}. O esquema fica como está.\n"
MISSED = "ATENÇÃO: orders.{} {}.\n"
MEND = "Se esta revisão falhar por isso, corrija o código novo em vez de voltar.\n"
REMOVED = "remove order.notes, que o código anterior ainda lê"
NOT_LOOKED = (
    "ATENÇÃO: não foi possível conferir o banco. Se alguma destas migrations, que a revisão {:.12} não conhece, já foi "
    "aplicada, ela pode falhar: {}\n"
)


class Server:
    """A server's copy of the repository, and what the roll-back's function says there."""

    def __init__(self, releases: Releases) -> None:
        self.releases = releases
        self.root = self.releases.folder
        (self.root / ".venv").symlink_to(sys.prefix)
        self.first = self.last = self.git("rev-parse", "HEAD")
        self._newest = max(path.stem for path in (self.root / "orders" / "migrations").glob("0*.py"))

    def git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=self.root, capture_output=True, text=True, check=True
        ).stdout.strip()

    def release(self, name: str, operation: str, *, applied: bool = True) -> str:
        """Commit a migration of the orders with this operation; the database says that it was applied."""
        file = self.root / "orders" / "migrations" / f"{name}.py"
        file.write_text(MIGRATION.format(before=self._newest, operation=operation))
        self.last, self._newest = self.releases.release(name), name
        if applied:
            MigrationRecorder(connection).record_applied("orders", name)
        return self.last

    def said(self, revision: str, **env: str) -> str:
        """What `warn_about_schema` says; it succeeds whatever there is."""
        script = "source deploy/lib.sh; source deploy/release_steps.sh; warn_about_schema"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"ROOT=$PWD LOG=; {script} {revision}"],
            cwd=self.root, env=environment(FLOWLOG_USER=getpass.getuser(), NEWEST=self.last) | env,
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def first_release(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    root = tmp_path_factory.mktemp("first")
    return Releases(root / "flowlog", root / "origin.git")


@pytest.fixture
def server(first_release: Releases, tmp_path: Path) -> Iterator[Server]:
    yield Server(first_release.copied(tmp_path / "flowlog", tmp_path / "origin.git"))
    recorder = MigrationRecorder(connection)
    recorder.migration_qs.filter(app="orders", name__gte="0900").delete()


def test_where_nothing_was_applied_there_is_nothing_to_miss(server: Server) -> None:
    """A deploy that failed before it migrated."""
    server.release("0901_b", REMOVES, applied=False)
    assert server.said(server.first) == "✔ O banco não tem nenhuma migration que esta revisão não conheça.\n"


def test_what_only_adds_is_mentioned_and_what_takes_away_is_warned_about(server: Server) -> None:
    middle = server.release("0901_b", ADDS)
    assert server.said(server.first) == NOT_KNOWN.format("orders.0901_b")
    server.release("0902_c", REMOVES)
    newer = NOT_KNOWN.format("orders.0901_b, orders.0902_c")
    assert server.said(server.first) == newer + MISSED.format("0902_c", REMOVED) + MEND
    assert server.said(middle) == NOT_KNOWN.format("orders.0902_c") + MISSED.format("0902_c", REMOVED) + MEND
    # From C to B and then to A: the code that is here does not know C's migration either.
    server.git("checkout", "--quiet", "--detach", middle)
    assert server.said(server.first) == newer + MISSED.format("0902_c", REMOVED) + MEND


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (
            'migrations.AddField("order", "weight", models.IntegerField(default=0))',
            "acrescenta order.weight sem valor padrão no banco: o código anterior não consegue inserir linhas",
        ),
        (
            'migrations.AlterField("order", "notes", models.CharField(max_length=10))',
            "troca o tipo de order.notes, que o código anterior ainda lê e grava",
        ),
        ("migrations.RunSQL('SELECT 1')", "roda código ou SQL próprio, que não dá para conferir"),
    ],
)
def test_what_the_older_code_cannot_live_with(server: Server, operation: str, words: str) -> None:
    server.release("0901_b", operation)
    assert server.said(server.first) == NOT_KNOWN.format("orders.0901_b") + MISSED.format("0901_b", words) + MEND


def test_what_the_repository_does_not_have(server: Server) -> None:
    MigrationRecorder(connection).record_applied("orders", "0900_from_elsewhere")
    why = "não pode ser avaliada: o repositório não a tem (orders/migrations/0900_from_elsewhere.py)"
    newer = NOT_KNOWN.format("orders.0900_from_elsewhere")
    assert server.said(server.first) == newer + MISSED.format("0900_from_elsewhere", why) + MEND


@pytest.mark.parametrize("broken", ["code", "database", "older code"])
def test_where_nobody_can_look_the_repository_is_asked(server: Server, broken: str) -> None:
    middle = server.release("0901_b", ADDS)
    server.release("0902_c", REMOVES)
    files = "orders/migrations/0901_b.py orders/migrations/0902_c.py"
    env = {}
    if broken == "code":
        (server.root / "orders" / "models.py").write_text("import nowhere\n")
    elif broken == "database":
        env["DATABASE_URL"] = "postgresql://flowlog:word@127.0.0.1:9/flowlog"
    else:  # that does not know the question, and has just one of the migrations
        server.git("checkout", "--quiet", "--detach", middle)
        (server.root / "flowlog" / "operations" / "management" / "commands" / "check_migrations.py").unlink()
    assert server.said(server.first, **env) == NOT_LOOKED.format(server.first, files)
    if broken == "code":
        assert server.said(server.last) == ""


def test_a_revision_that_does_not_exist_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check_migrations", "--against", "no-such-tag"],
        env=environment(), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Não há esta revisão aqui: ")
