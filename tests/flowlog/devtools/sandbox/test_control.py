"""How the sandbox is started, and told to misbehave."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from flowlog.devtools import sandbox as sandbox_package
from flowlog.devtools.sandbox.faults import BY_ENDING, MAGIC_NUMBERS, Fault
from tests.embedded import BASE_DIR
from tests.flowlog.devtools.sandbox.api import Api, assert_error
from tests.integrations.sandbox import SandboxProcess, sandbox

# -- Control -------------------------------------------------------------------------------------


def test_a_fault_meets_the_next_sends_only(api: Api) -> None:
    api.process.fault(Fault.SERVER_ERROR, times=2)
    assert [api.send().status_code for _ in range(3)] == [500, 500, 201]
    api.process.fault(Fault.SERVER_ERROR)
    api.process.fault(None)
    assert api.send().status_code == 201


def test_errors_by_chance(api: Api) -> None:
    api.process.options(error_rate=1, error_fault=Fault.TIMED_OUT)
    assert_error(api.send(), 500, "Internal Server Error", "Timed Out")
    api.process.options(error_rate=0)
    assert api.send().status_code == 201


def test_latency(api: Api) -> None:
    api.process.options(latency_ms=120)
    started = time.monotonic()
    api.send()
    assert time.monotonic() - started >= 0.12


@pytest.mark.parametrize(
    "options",
    [
        {"version": "2.3"},
        {"licensed": 0},
        {"meta_code": -1},
        {"error_rate": 2},
        {"error_rate": "1"},
        {"latency_ms": -1},
        {"fault": "none_such"},
        {"error_fault": None},
        {"fault_count": 1.5},
        {"keep_messages": 1},
        {"disconnected": True},
        {"disconnected": {"nao-existe": True}},
        {"disconnected": {"loja": 1}},
        {"forgetful": True},
        {"forgetful": {"nao-existe": True}},
        {"forgetful": {"loja": 1}, "disconnected": {"loja": True}},
        {"search_status": 200},
        {"search_status": 599},
        {"search_status": False},
        {"search_status": 500.0},
        {"search_hang_seconds": -1},
        {"latency": 5},
        {"receipts": 1},
        {"server_ack_seconds": -1},
        {"read_seconds": "5"},
        {"reply_form": None},
        {"reply_form": "email"},
        {"webhook_copies": 0},
        {"webhook_retry_scale": None},
        {"disconnected": {"loja": 404}},
        {"forgetful": {"loja": 401}},
        {"latency_ms": 500, "failures": True},
    ],
)
def test_an_option_that_makes_no_sense_changes_nothing(api: Api, options: dict[str, Any]) -> None:
    before = api.call("GET", "/sandbox/options").json()
    answer = api.call("POST", "/sandbox/options", options)
    assert answer.status_code == 400
    assert api.call("GET", "/sandbox/options").json() == before


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/sandbox/options"),
        ("POST", "/sandbox/options"),
        ("GET", "/sandbox/messages"),
        ("DELETE", "/sandbox/messages"),
    ],
)
def test_the_controls_need_the_key(api: Api, method: str, path: str) -> None:
    api.send()
    for key in (None, "wrong"):
        assert api.call(method, path, key=key).status_code == 401
    assert len(api.process.messages()) == 1


def test_messages_survive_a_crash_in_their_file(tmp_path: Path) -> None:
    data = tmp_path / "var" / "messages.jsonl"
    with sandbox("loja", data=data) as process:
        api = Api(process)
        for text in ("1", "linha\u2028dois", "3"):
            api.send(text)
        before = process.messages()
        process.stop()
        with pytest.raises(requests.ConnectionError):
            api.send()
        with data.open("a") as file:
            file.write('\n{"id": "cut sho')
        address = process.base_url
        process.start()
        assert process.base_url == address
        assert process.messages() == before
        api.send("4")
        process.stop()
        process.start()
        assert process.texts() == ["1", "linha\u2028dois", "3", "4"]
        process.clear()
        assert process.messages() == []
        assert not data.exists()
        api.session.close()


def test_every_fault_has_one_magic_number_that_is_documented() -> None:
    assert sorted(BY_ENDING.values()) == sorted(Fault)
    assert len({number.ending for number in MAGIC_NUMBERS}) == len(MAGIC_NUMBERS)
    assert sandbox_package.__doc__ is not None
    assert all(f"{number.ending}  " in sandbox_package.__doc__ for number in MAGIC_NUMBERS)


# -- The command ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        ((), {"DEBUG": "false"}, "`evolution_sandbox` is for development only"),
        (("--host=0.0.0.0",), {}, "loopback addresses only"),
        (("--host=example.com",), {}, "loopback addresses only"),
        (("--error-rate=2",), {}, "between 0 and 1"),
        (("--port=70000",), {}, "cannot listen"),
        (("--port=abc",), {}, "argument --port: invalid int value: 'abc'"),
    ],
)
def test_the_command_refuses(arguments: tuple[str, ...], environment: dict[str, str], message: str) -> None:
    production = {"SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz" * 2, "SITE_URL": "https://shop.example"}
    result = subprocess.run(
        [sys.executable, "manage.py", "evolution_sandbox", "--port=0", *arguments],
        cwd=BASE_DIR,
        env={**os.environ, "DEBUG": "true", **production, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    # The options' own parser ends with 2.
    assert result.returncode == (2 if message.startswith("argument ") else 1)
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_the_release_that_it_plays_is_chosen_at_the_start() -> None:
    with sandbox("loja", options=("--plays=2.4.0-rc2",)) as candidate:
        answer = requests.get(candidate.base_url, timeout=10)
        assert answer.json()["version"] == candidate.options()["version"] == "2.4.0-rc2"


def test_a_port_in_use_is_a_clear_error(process: SandboxProcess) -> None:
    with pytest.raises(RuntimeError, match="did not start"), sandbox("loja", options=(f"--port={process.port}",)):
        pass
