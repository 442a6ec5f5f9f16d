"""What the tests of the sandbox share: a sandbox for each file of them, and a gateway's state for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.flowlog.devtools.sandbox.api import AT_ONCE, SECRET, Api, Gateway
from tests.integrations.receiver import Receiver, receiver
from tests.integrations.sandbox import SandboxProcess, sandbox


@pytest.fixture(scope="module")
def process() -> Iterator[SandboxProcess]:
    with sandbox("loja", "outra") as running:
        yield running


@pytest.fixture
def api(process: SandboxProcess) -> Iterator[Api]:
    process.clear()
    api = Api(process)
    yield api
    api.session.close()
    process.options(
        version="2.3.7",
        licensed=True,
        meta_code=0,
        meta_transient=False,
        fault=None,
        error_rate=0,
        latency_ms=0,
        keep_messages=True,
        failures=2,
        search_status=0,
        search_hang_seconds=0,
        receipts=True,
        server_ack_seconds=0.3,
        delivery_ack_seconds=1,
        read_seconds=5,
        disconnected={"loja": False},
        forgetful={"loja": False},
    )


@pytest.fixture(scope="module")
def running() -> Iterator[SandboxProcess]:
    with sandbox("outra") as process:
        yield process


@pytest.fixture(scope="module")
def listening() -> Iterator[Receiver]:
    with receiver() as taker:
        yield taker


@pytest.fixture
def taker(listening: Receiver) -> Receiver:
    listening.clear()
    return listening


@pytest.fixture
def gateway(running: SandboxProcess, taker: Receiver) -> Iterator[Gateway]:
    """The gateway with a new instance `loja`, connected; its webhook is the receiver, everything comes at once."""
    before = running.options(**AT_ONCE)
    before.pop("instances")
    gateway = Gateway(running)
    body = {"instanceName": "loja", "integration": "WHATSAPP-BAILEYS", "token": "TOKEN-LOJA"}
    assert gateway.call("POST", "/instance/create", body).status_code == 201
    running.options(disconnected={"loja": False})
    running.set_webhook("loja", taker.url, SECRET)
    yield gateway
    running.options(**{**before, "forgetful": {}, "webhook_retry_scale": 0})
    gateway.call("DELETE", "/instance/delete/loja")
    running.webhooks()
    running.options(webhook_retry_scale=1)
    running.clear()
    gateway.session.close()
