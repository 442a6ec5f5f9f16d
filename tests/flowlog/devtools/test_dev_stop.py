"""`manage.py dev` ends with its terminal and by `make stop`, and says what is wrong with a port."""

from __future__ import annotations

import errno
import io
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command

from flowlog.devtools.children import MARK, end_marked
from flowlog.devtools.console import Console
from flowlog.devtools.errors import DevError
from flowlog.devtools.ports import choose_port, parse_port
from flowlog.devtools.run import end_run, only_run, settings_of_run, tell
from flowlog.devtools.system import Options, System
from flowlog.devtools.valkey import Valkey
from tests.embedded import BASE_DIR, RUN_HOME

# A run of the home in its first argument that runs nothing: what it says, it writes to the file in its second.
RUN = """
import sys
from pathlib import Path
from flowlog.devtools.run import only_run
from flowlog.devtools.supervisor import Interrupted, Supervisor
home, said = map(Path, sys.argv[1:])
supervisor = Supervisor(home, Path.cwd())
supervisor.listen_for_stop()
with only_run(home), said.open("w", buffering=1) as words:
    words.write("runs\\n")
    try:
        supervisor.wait(lambda: False, timeout=15)
    except Interrupted:
        words.write("stops\\n")
    except Exception as error:
        words.write(f"{error}\\n")
"""
# Make keeps a hang-up to itself and waits for what it has started.
MAKEFILE = """
run:
	@'{python}' -c "$$RUN" '{home}' '{words}'
"""
PLAIN, UNDER_NOHUP = 'exec "$@"', 'trap "" HUP; exec "$@"'


@pytest.fixture
def home(request: pytest.FixtureRequest) -> Iterator[Path]:
    home = RUN_HOME / request.node.name
    (home / "logs").mkdir(parents=True)
    yield home
    end_marked(home)
    shutil.rmtree(home)


@pytest.fixture
def words(home: Path) -> Path:
    """A pipe, so that nobody has to look again and again."""
    path = home / "words"
    os.mkfifo(path)
    return path


def stop(home: Path) -> tuple[int, str]:
    output = io.StringIO()
    code = System(Options(root=BASE_DIR, home=home, gateway_key="key"), Console(output)).stop()
    return code, output.getvalue()


# -- The terminal --------------------------------------------------------------------------------


@pytest.mark.parametrize("script", [PLAIN, UNDER_NOHUP], ids=["plain", "under nohup"])
def test_a_run_under_make_ends_with_its_terminal(home: Path, words: Path, script: str) -> None:
    makefile = home / "Makefile"
    makefile.write_text(MAKEFILE.format(python=sys.executable, home=home, words=words))
    leader, terminal = pty.fork()
    if not leader:
        command = ["sh", "-c", script, "sh", "make", "-f", str(makefile), "run"]
        os.execvpe("sh", command, {**os.environ, "RUN": RUN})  # noqa: S606
    try:
        with words.open() as said:
            assert said.readline() == "runs\n"
            os.close(terminal)
            if script == UNDER_NOHUP:
                # Whoever asked for it to stay still has this.
                assert end_run(home)
            assert said.readline() == "stops\n"
    finally:
        os.waitpid(leader, 0)


# -- make stop -----------------------------------------------------------------------------------


def test_stop_ends_the_run_of_its_home(home: Path, words: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", RUN, str(home), str(words)], cwd=BASE_DIR) as run:
        with words.open() as said:
            assert said.readline() == "runs\n"
            assert stop(home) == (0, "Flowlog has stopped.\n")
            assert said.readline() == "stops\n"
        assert run.wait() == 0
    assert stop(home) == (0, "Flowlog does not run in this checkout.\n")


def test_stop_ends_what_a_killed_run_left_behind(home: Path) -> None:
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env={**os.environ, MARK: str(home)})
    valkey = Valkey(home / "valkey")
    valkey.start()
    assert stop(home) == (0, "Ended what a killed run had left behind.\nFlowlog has stopped.\n")
    assert left.wait() == -signal.SIGTERM
    assert valkey.processes() == []


def test_no_process_is_ended_that_does_not_hold_the_run(home: Path) -> None:
    """What stands in the file may be of a run before, and the number by now another's."""
    with only_run(home) as lock, subprocess.Popen(["sleep", "600"]) as other:
        try:
            # All of it: the number of the run itself may have had more digits.
            lock.seek(0)
            lock.truncate()
            lock.write(f'{{"PID": "{other.pid}"}}')
            lock.flush()
            with pytest.raises(DevError, match="does not say as which process"):
                end_run(home)
            assert other.poll() is None
        finally:
            other.kill()


def test_the_process_of_a_run_is_none_of_its_settings(home: Path) -> None:
    with only_run(home) as lock:
        assert settings_of_run(home) == {}
        tell(lock, {"SITE_URL": "http://127.0.0.1:8123"})
        assert settings_of_run(home) == {"SITE_URL": "http://127.0.0.1:8123"}


# -- Ports ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["80000", "65536", "0", "-5", "abc", "8000.5", "８０００", ""])
@pytest.mark.parametrize(
    ("option", "what"), [("port", "the web server"), ("sandbox_port", "the sandbox and its phones")]
)
def test_what_is_no_port_is_told_in_a_sentence(option: str, what: str, text: str) -> None:
    with pytest.raises(SystemExit) as caught:
        call_command("dev", **{option: text})
    assert caught.value.code == f"“{text}” is no port for {what}: choose a number from 1 to 65535."


def test_the_first_and_the_last_port_are_ports() -> None:
    assert [parse_port("1", "x"), parse_port("65535", "x")] == [1, 65535]


def test_a_port_of_the_systems_own_is_not_called_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(DevError, match=r"^Port 80 is the system's own: choose one from 1024 to 65535\.$"):
        choose_port(8000, 80)
