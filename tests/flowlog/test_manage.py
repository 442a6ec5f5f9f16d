"""What a person sees of `manage.py` when something goes wrong, and what stays in the log."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from flowlog.logs.config import is_command
from tests.embedded import BASE_DIR
from tests.launcher import run
from tests.processes import environment

DATABASE_IS_AWAY = "O banco de dados não responde. Confira DATABASE_URL e o servidor. ("
NOWHERE = "postgresql://flowlog:password@127.0.0.1:9/flowlog"


def manage(*arguments: str, logs: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return run("manage.py", *arguments, env=environment(**{"LOG_DIR": str(logs)} | env))


def shell(code: str, logs: Path) -> subprocess.CompletedProcess[str]:
    return manage("shell", "--no-imports", "-c", code, logs=logs)


def statement(sql: str, logs: Path) -> subprocess.CompletedProcess[str]:
    return shell(f"from django.db import connection; connection.cursor().execute({sql!r})", logs)


@pytest.mark.django_db(transaction=True)
class TestDatabase:
    @pytest.mark.parametrize("command", [("notifications", "status"), ("evolution", "list"), ("migrate",)])
    def test_one_that_does_not_answer_is_one_sentence(self, command: tuple[str, ...], tmp_path: Path) -> None:
        done = manage(*command, logs=tmp_path, DATABASE_URL=NOWHERE)
        assert done.returncode == 1
        assert "Traceback" not in done.stdout
        [line] = done.stderr.splitlines()
        assert line.startswith(DATABASE_IS_AWAY)
        # What the server said, not that a pool has waited for it in vain.
        assert "Connection refused" in line
        [line] = (tmp_path / "django.log").read_text().splitlines()
        assert " CRITICAL flowlog.crash " in line
        assert "Stopped by OperationalError: connection failed" in line
        assert "Traceback" in line

    def test_one_that_goes_away_is_the_same(self, tmp_path: Path) -> None:
        code = (
            "from django.db import connection as c; c.cursor().execute('select pg_terminate_backend(pg_backend_pid())')"
        )
        done = shell(code, tmp_path)
        assert done.returncode == 1
        [line] = done.stderr.splitlines()
        assert line.startswith(DATABASE_IS_AWAY)

    def test_one_that_refuses_a_statement_is_an_error_like_any_other(self, tmp_path: Path) -> None:
        code = (
            "from django.db import connection as c; c.cursor().execute('set statement_timeout=1; select pg_sleep(60)')"
        )
        done = shell(code, tmp_path)
        assert done.returncode == 1
        assert DATABASE_IS_AWAY not in done.stderr
        assert "Traceback" in done.stderr
        assert "canceling statement due to statement timeout" in done.stderr.splitlines()[-1]


@pytest.mark.django_db(transaction=True)
def test_ctrl_c_ends_a_command_without_a_word(tmp_path: Path) -> None:
    done = shell("import os, signal; os.kill(os.getpid(), signal.SIGINT)", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
    assert not (tmp_path / "django.log").read_text()


@pytest.mark.django_db(transaction=True)
def test_what_a_command_logs_is_in_the_file_and_not_between_its_own_words(tmp_path: Path) -> None:
    done = shell("import logging; logging.getLogger('x').error('odd'); print('done')", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
    [line] = (tmp_path / "django.log").read_text().splitlines()
    assert line.endswith("] odd")


@pytest.mark.django_db(transaction=True)
def test_the_command_line_speaks_portuguese(tmp_path: Path) -> None:
    wrong = manage("notifications", "resend", "abc", logs=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.splitlines() == [
        "uso: manage.py notifications resend [-h] id",
        "manage.py notifications resend: erro: argumento id: “abc” não é o número de uma mensagem.",
    ]
    assert manage("evolution", "logout", "--help", logs=tmp_path).stdout.splitlines() == [
        "uso: manage.py evolution logout [-h] instance",
        "",
        "Desconecta uma instância do celular.",
        "",
        "argumentos:",
        "  instance    O nome dela no gateway.",
        "",
        "opções:",
        "  -h, --help  mostra esta ajuda e sai",
    ]


@pytest.mark.parametrize(
    ("arguments", "is_one"),
    [
        (["manage.py", "evolution", "list"], True),
        (["/opt/flowlog/manage.py", "migrate"], True),
        (["manage.py", "runserver", "127.0.0.1:8000"], False),
        (["manage.py", "dev"], False),
        (["manage.py", "evolution_sandbox"], False),
        (["/opt/flowlog/.venv/bin/gunicorn", "flowlog.wsgi"], False),
        (["/opt/flowlog/.venv/bin/celery", "-A", "flowlog", "worker"], False),
        (["manage.py"], False),
        ([], False),
    ],
)
def test_what_serves_is_no_command(arguments: list[str], is_one: bool) -> None:
    assert is_command(arguments) is is_one


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
class TestRoot:
    """What root starts by habit leaves nothing that the services could not write to."""

    SCRIPT = """
import runpy, sys, os
names = runpy.run_path(sys.argv[1], run_name="loaded")
names["step_down"]()
print(os.geteuid(), os.getegid(), os.getgroups(), os.environ["HOME"], os.access(".", os.X_OK))
"""

    def run(self, folder: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", self.SCRIPT, folder / "manage.py"],
            cwd=cwd, env=os.environ | {"HOME": "/root", "PYTHONPATH": str(BASE_DIR)}, capture_output=True, text=True,
            check=True,
        )  # fmt: skip

    @pytest.fixture
    def folder(self) -> Iterator[Path]:
        """That of an installation, which everybody reaches."""
        with TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            yield Path(folder)

    def test_it_gives_way_to_the_services_user_and_to_nobody_else(self, folder: Path, tmp_path: Path) -> None:
        user, private = pwd.getpwnam("nobody"), tmp_path / "root"
        private.mkdir(0o700)
        shutil.copy(BASE_DIR / "manage.py", folder)
        assert self.run(folder, private).stdout.split()[0] == "0"
        (folder / ".env").touch()
        os.chown(folder, user.pw_uid, user.pw_gid)
        # A developer's own, which root happens to have made.
        assert self.run(folder, private).stdout.split()[0] == "0"
        os.chown(folder / ".env", 0, user.pw_gid)
        done = self.run(folder, private)
        assert done.stderr == "manage.py: como nobody, e não como root.\n"
        uid, gid, *_groups, home, usable = done.stdout.split()
        assert (int(uid), int(gid), home, usable) == (user.pw_uid, user.pw_gid, user.pw_dir, "True")
