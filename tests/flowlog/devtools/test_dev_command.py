"""`manage.py dev`: one per checkout, nothing left behind, a sentence for everything that goes wrong."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from flowlog.devtools.children import MARK, end_marked
from flowlog.devtools.console import Console
from flowlog.devtools.errors import DevError
from flowlog.devtools.ports import HOST, choose_port
from flowlog.devtools.run import only_run, settings_of_run, tell
from flowlog.devtools.supervisor import STOP_SIGNALS, Interrupted, Supervisor
from flowlog.devtools.valkey import Valkey
from tests.embedded import BASE_DIR, RUN_HOME

FIND_PYTHON = BASE_DIR / "deploy" / "find_python.sh"
SLEEP = ["-c", "import time; time.sleep(600)"]
# Runs the system of the home in its first argument, on the web port in its second.
SYSTEM = """
import sys
from pathlib import Path
from flowlog.devtools.console import Console
from flowlog.devtools.system import Options, System
options = Options(root=Path.cwd(), home=Path(sys.argv[1]), gateway_key="key", port=int(sys.argv[2]))
sys.exit(System(options, Console()).run())
"""

# Runs `manage.py shell` as if its development data were in the folder of its first argument.
MANAGE = """
import sys
from pathlib import Path
import manage
manage.HOME = Path(sys.argv[1])
say = "from django.conf import settings as s; print(s.SITE_URL, s.EVOLUTION_API_URL, s.EVOLUTION_API_KEY)"
sys.argv[1:] = ["shell", "--no-imports", "-c", say]
manage.main()
"""


@pytest.fixture
def home(request: pytest.FixtureRequest) -> Iterator[Path]:
    home = RUN_HOME / request.node.name
    (home / "logs").mkdir(parents=True)
    yield home
    end_marked(home)
    shutil.rmtree(home)


@pytest.fixture
def supervisor(home: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(home, BASE_DIR, grace=0.5)
    yield supervisor
    supervisor.end()


@contextmanager
def busy_port() -> Iterator[int]:
    with closing(socket.socket()) as listener:
        listener.bind((HOST, 0))
        listener.listen()
        yield listener.getsockname()[1]


def run_system(home: Path, port: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SYSTEM, str(home), str(port)], cwd=BASE_DIR, capture_output=True, text=True, check=False
    )


def marked(home: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(home):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# -- Ports ---------------------------------------------------------------------------------------


def test_a_busy_default_port_gives_way_to_the_next_free_one() -> None:
    with busy_port() as port:
        chosen = choose_port(port, None)
    assert port < chosen < port + 100


def test_two_parts_never_share_a_port() -> None:
    with busy_port() as port:
        pass
    assert choose_port(port, None, taken=frozenset({port})) > port


def test_a_wanted_port_that_is_busy_is_an_error() -> None:
    with busy_port() as port, pytest.raises(DevError) as caught:
        choose_port(8000, port)
    assert str(caught.value) == f"Port {port} is busy: stop what uses it, or choose another one."


def test_a_busy_port_ends_the_command_before_anything_starts(home: Path) -> None:
    with busy_port() as port:
        result = run_system(home, port)
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout.strip() == f"Port {port} is busy: stop what uses it, or choose another one."
    assert sorted(path.name for path in home.iterdir()) == ["dev.lock", "logs"]


# -- One per checkout ----------------------------------------------------------------------------


def test_a_second_one_says_where_the_first_is_and_does_no_harm(home: Path, supervisor: Supervisor) -> None:
    supervisor.start("sleeper", SLEEP, os.environ)
    with only_run(home) as lock:
        tell(lock, {"SITE_URL": "http://127.0.0.1:8123"})
        result = run_system(home, 0)
    assert result.returncode == 1
    assert result.stdout.strip() == (
        f"Flowlog already runs in this checkout (http://127.0.0.1:8123, process {os.getpid()}): `make stop` ends it."
    )
    assert len(marked(home)) == 1


@pytest.fixture
def told(home: Path) -> Iterator[dict[str, str]]:
    """What a run tells that is under way."""
    told = {
        "SITE_URL": "http://127.0.0.1:8123",
        "EVOLUTION_API_URL": "http://127.0.0.1:8086",
        "EVOLUTION_API_KEY": "key-of-the-run",
    }
    with only_run(home) as lock:
        tell(lock, told)
        yield told


def command_beside(home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs `MANAGE` beside the run of `home`; of the settings that a run tells it has only those that are given."""
    names = ("SITE_URL", "EVOLUTION_API_URL", "EVOLUTION_API_KEY")
    own = {name: value for name, value in os.environ.items() if name not in names} | environment
    command = [sys.executable, "-c", MANAGE, str(home)]
    return subprocess.run(command, cwd=BASE_DIR, env=own, capture_output=True, text=True, check=False)


def test_a_command_beside_a_run_speaks_to_its_site_and_its_gateway(home: Path, told: dict[str, str]) -> None:
    assert command_beside(home).stdout.split() == list(told.values())
    assert stat.S_IMODE((home / "dev.lock").stat().st_mode) == 0o600


def test_what_its_own_environment_says_goes_before(home: Path, told: dict[str, str]) -> None:
    own = {"SITE_URL": "http://127.0.0.1:1", "EVOLUTION_API_URL": "http://127.0.0.1:2", "EVOLUTION_API_KEY": "mine"}
    assert command_beside(home, **own).stdout.split() == list(own.values())


def test_in_production_no_run_is_looked_for(home: Path, told: dict[str, str]) -> None:
    result = command_beside(
        home, DEBUG="false", SECRET_KEY="".join(map(chr, range(48, 110))), ALLOWED_HOSTS="x.example"
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "Falta SITE_URL: defina no ambiente ou no .env.\n"


def test_a_run_that_has_ended_tells_nothing(home: Path) -> None:
    with suppress(Interrupted), only_run(home) as lock:
        tell(lock, {"SITE_URL": "http://127.0.0.1:8123"})
        assert settings_of_run(home) == {"SITE_URL": "http://127.0.0.1:8123"}
        raise Interrupted
    assert settings_of_run(home) == {}
    assert (home / "dev.lock").read_text() == ""
    (home / "dev.lock").write_text('{"SITE_URL": "of one that was killed"}')
    assert settings_of_run(home) == {}


def test_whoever_looks_for_a_run_does_not_keep_one_from_starting(home: Path) -> None:
    with (home / "dev.lock").open("w") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.2, fcntl.flock, (looking, fcntl.LOCK_UN)).start()
        with only_run(home):
            assert settings_of_run(home) == {}


def test_a_closed_terminal_does_not_keep_a_run_from_stopping() -> None:
    ours, theirs = os.openpty()
    os.close(ours)
    with open(theirs, "w") as terminal:  # noqa: PTH123
        Console(terminal).line("Stopping …")
        # What could not be written is written once more when the file is closed.
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), theirs)


# -- Processes -----------------------------------------------------------------------------------


def test_the_death_of_a_part_is_told_with_its_last_words(supervisor: Supervisor, home: Path) -> None:
    supervisor.start("steady", SLEEP, os.environ)
    supervisor.start("worker-x", ["-c", "import sys; sys.exit('no such queue')"], os.environ)
    with pytest.raises(DevError) as caught:
        supervisor.wait(lambda: False)
    log = home / "logs" / "worker-x.log"
    assert str(caught.value) == f"worker-x ended with exit code 1. The end of {log}:\n    no such queue"


def test_a_killed_part_is_told_by_its_signal(supervisor: Supervisor, home: Path) -> None:
    supervisor.start("web", SLEEP, os.environ)
    wait_for(lambda: marked(home))
    marked(home)[0].kill()
    with pytest.raises(DevError, match=r"^web was killed by SIGKILL\. "):
        supervisor.wait(lambda: False)


def test_the_death_of_a_server_is_noticed(supervisor: Supervisor, home: Path) -> None:
    with Valkey(home / "valkey") as valkey:
        supervisor.watch([valkey])
        supervisor.wait(valkey.answers)
        valkey.kill()
        with pytest.raises(DevError, match=r"^Valkey died\. The end of [^\n]*server\.log:\n"):
            supervisor.wait(lambda: False)


def test_what_takes_too_long_is_named(supervisor: Supervisor) -> None:
    with pytest.raises(DevError, match=r"^The web server was not ready after 0 s\."):
        supervisor.wait(lambda: False, what="The web server", timeout=0.1)


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_ends_the_wait(supervisor: Supervisor, number: signal.Signals) -> None:
    before = {each: signal.getsignal(each) for each in STOP_SIGNALS}
    supervisor.listen_for_stop()
    try:
        threading.Timer(0.1, os.kill, (os.getpid(), number)).start()
        with pytest.raises(Interrupted):
            supervisor.wait(lambda: False)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def test_the_end_leaves_no_process_behind(supervisor: Supervisor, home: Path) -> None:
    """Neither one that ignores SIGTERM, nor its child in a session of its own."""
    stubborn = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True); "
        "sys.stdout.write('ready'); sys.stdout.flush(); time.sleep(600)"
    )
    supervisor.start("stubborn", ["-c", stubborn], os.environ)
    wait_for(lambda: (home / "logs" / "stubborn.log").read_text() == "ready" and len(marked(home)) == 2)
    supervisor.end()
    assert marked(home) == []


def test_only_processes_of_this_home_are_ended(home: Path) -> None:
    """What a killed run left behind goes; a neighbour's processes stay."""
    neighbour = home.with_name(f"{home.name}-neighbour")
    own, other = (
        subprocess.Popen([sys.executable, *SLEEP], env={**os.environ, MARK: str(folder)})
        for folder in (home, neighbour)
    )
    try:
        wait_for(lambda: marked(home) and marked(neighbour))
        assert end_marked(home) == 1
        own.wait(timeout=10)
        assert marked(home) == []
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


# -- Finding a Python ----------------------------------------------------------------------------


def find_python(path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(FIND_PYTHON)],
        env={"PATH": str(path), "HOME": str(path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_without_a_python_one_sentence_says_what_is_missing(tmp_path: Path) -> None:
    program(tmp_path / "python3", "exit 1")
    result = find_python(tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "Flowlog needs Python 3.13 or newer with its venv module: install it (Debian: python3.13-venv), "
        "or pyenv or uv, or set PYTHON=/path/to/python.\n"
    )


def test_a_named_python_that_is_too_old_is_not_replaced_by_another(tmp_path: Path) -> None:
    program(tmp_path / "python3.13", "exit 0")
    program(tmp_path / "old", "exit 1")
    result = find_python(tmp_path, PYTHON=str(tmp_path / "old"))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"PYTHON={tmp_path}/old is not a Python 3.13 or newer with its venv module.\n"


def test_the_first_suitable_python_is_taken(tmp_path: Path) -> None:
    program(tmp_path / "python3.13", "exit 0")
    program(tmp_path / "python3", "exit 0")
    assert find_python(tmp_path).stdout == f"{tmp_path}/python3.13\n"


def test_a_python_of_pyenv_is_found_behind_a_shim_that_fails(tmp_path: Path) -> None:
    program(tmp_path / "python3.13", "exit 127")
    program(tmp_path / ".pyenv" / "versions" / "3.12.1" / "bin" / "python", "exit 1")
    wanted = tmp_path / ".pyenv" / "versions" / "3.13.5" / "bin" / "python"
    program(wanted, "exit 0")
    assert find_python(tmp_path).stdout == f"{wanted}\n"


def test_uv_is_asked_last(tmp_path: Path) -> None:
    program(tmp_path / "uv", 'case "$2" in find) echo /from/uv/python ;; esac')
    result = find_python(tmp_path)
    assert (result.returncode, result.stdout) == (0, "/from/uv/python\n")


def test_this_python_is_suitable(tmp_path: Path) -> None:
    assert find_python(tmp_path, PYTHON=sys.executable).stdout == f"{sys.executable}\n"
