"""That a launched program is to its starter, and to itself, what an executed one is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.launcher import BASE_DIR, Launched, Launcher, run

# What a program sees of itself.
LOOKS = """
import json, os, signal, sys, threading
print(json.dumps({
    "name": __name__, "main": sys.modules["__main__"].__file__ == __file__, "argv": sys.argv, "folder": os.getcwd(),
    "environment": dict(os.environ), "session": os.getsid(0) == os.getpid(), "input": sys.stdin.read(),
    "files": sorted(os.listdir("/proc/self/fd")), "threads": threading.active_count(),
    "ours": sorted(name for name in sys.modules if name.startswith(("flowlog", "orders", "integrations"))),
    "interrupt": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
    "child": signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL,
}))
"""


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    launcher = Launcher()
    yield launcher
    launcher.close()


def launch(launcher: Launcher, folder: Path, program: str, *arguments: str, **env: str) -> Launched:
    script = folder / "program.py"
    script.write_text(program)
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        changed = os.environ | env
        return launcher.start(str(script), *arguments, env=changed, stdout=out, stderr=err, group=True)


def test_a_program_sees_what_an_executed_one_sees(launcher: Launcher, tmp_path: Path) -> None:
    launched = launch(launcher, tmp_path, LOOKS, "one", "two", MARK="here")
    assert launched.wait(30) == 0
    command = [sys.executable, str(tmp_path / "program.py"), "one", "two"]
    executed = subprocess.run(
        command, env=os.environ | {"MARK": "here"}, cwd=BASE_DIR, stdin=subprocess.DEVNULL, capture_output=True,
        check=True, start_new_session=True,
    )  # fmt: skip
    assert json.loads((tmp_path / "out").read_text()) == json.loads(executed.stdout)
    assert (tmp_path / "err").read_text() == ""


@pytest.mark.parametrize(
    ("program", "status", "said"),
    [
        ("raise SystemExit(3)", 3, ""),
        ("import sys; sys.exit('A sentence.')", 1, "A sentence.\n"),
        ("import atexit, sys; atexit.register(lambda: sys.stderr.write('The end.\\n'))", 0, "The end.\n"),
        ("import threading, sys; threading.Timer(0.1, lambda: sys.stderr.write('Late.\\n')).start()", 0, "Late.\n"),
        ("import os; os.kill(os.getpid(), 9)", -9, ""),
        ("raise ValueError('odd')", 1, "ValueError: odd\n"),
    ],
    ids=["code", "sentence", "end", "thread", "killed", "error"],
)
def test_it_ends_as_an_executed_one(launcher: Launcher, program: str, status: int, said: str, tmp_path: Path) -> None:
    launched = launch(launcher, tmp_path, program)
    assert (launched.wait(30), launched.poll(), launched.returncode) == (status, status, status)
    assert (tmp_path / "err").read_text().endswith(said)
    launched.terminate()


def test_its_group_gets_signals_and_its_id_lasts(launcher: Launcher, tmp_path: Path) -> None:
    sleeps = "import subprocess; subprocess.run(['sleep', '600'])"
    first, second = (launch(launcher, tmp_path, sleeps) for _ in range(2))
    with pytest.raises(subprocess.TimeoutExpired):
        first.wait(0.01)
    assert (first.poll(), first.returncode) == (None, None)
    os.killpg(first.pid, signal.SIGKILL)
    while psutil.Process(first.pid).status() != psutil.STATUS_ZOMBIE:
        pass
    assert first.wait() == -signal.SIGKILL
    while psutil.pid_exists(first.pid):
        pass
    second.send_signal(signal.SIGSTOP)
    os.killpg(second.pid, signal.SIGCONT)
    os.killpg(second.pid, signal.SIGTERM)
    assert second.wait(30) == -signal.SIGTERM


def test_where_something_was_read_before_it_is_executed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text("print('found')")
    looks = run("-c", "import elsewhere", env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert (looks.returncode, looks.stdout, looks.stderr) == (0, "found\n", "")
    command = "import psutil; print(psutil.Process().cmdline()[1])"
    said = [
        run("-c", command, env=os.environ | env).stdout
        for env in ({}, {"PYTHONHASHSEED": "1"}, {"KOMBU_LOG_DEBUG": "1"})
    ]
    assert said == ["-m\n", "-c\n", "-c\n"]


def test_what_does_not_end_is_ended() -> None:
    def running() -> set[int]:
        return {child.pid for child in psutil.Process().children(recursive=True)}

    run("-c", "", env=os.environ)
    before = running()
    with pytest.raises(subprocess.TimeoutExpired):
        run("-c", "import time; time.sleep(600)", env=os.environ, timeout=0.1)
    while running() - before:  # what other tests have started may end meanwhile
        pass
