"""The client of the gateway: what it sends and keeps, and what the sandbox's failures mean."""

from __future__ import annotations

import json
import logging
import pickle
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from integrations.evolution.client import EvolutionClient
from integrations.evolution.manager import EvolutionManager
from integrations.gateways import GatewayError, Outcome
from tests.integrations.evolution import (
    INSTANCE_DOWN,
    KEY,
    NUMBER,
    PERMANENT,
    RETRYABLE,
    TEXT,
    UNKNOWN,
    connect,
    failure,
    failure_of,
    read_then_reset,
)
from tests.integrations.raw_server import CREATED, Connection, answering, raw_server
from tests.integrations.sandbox import SandboxProcess

# -- What it sends -------------------------------------------------------------------------------


def test_a_text_is_sent_once_with_the_documented_fields_only() -> None:
    requests: list[bytes] = []
    with raw_server(answering(requests)) as server:
        receipt = connect(server.url + "/").send_text("minha loja/1", NUMBER, TEXT)
    (request,) = requests
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /message/sendText/minha%20loja%2F1 HTTP/1.1"
    assert f"apikey: {KEY}" in lines
    assert "Content-Type: application/json" in lines
    assert "Accept-Encoding: identity" in lines
    assert json.loads(body) == {"number": "5511987654321", "text": TEXT, "linkPreview": False}
    assert receipt.provider_message_id == "3EB0067BA1CCEACB85451F"
    assert receipt.http_status == 201
    assert receipt.response_body == CREATED.decode()
    assert 0 < receipt.duration < 5


def test_the_id_that_a_message_is_to_have_is_said() -> None:
    requests: list[bytes] = []
    with raw_server(answering(requests)) as server:
        receipt = connect(server.url).send_text("loja", NUMBER, TEXT, "3EB00123456789ABCDEF01")
    body = json.loads(requests[0].partition(b"\r\n\r\n")[2])
    expected = {"number": "5511987654321", "text": TEXT, "linkPreview": False, "messageId": "3EB00123456789ABCDEF01"}
    assert body == expected
    # An older gateway makes one of its own, which is the message's.
    assert receipt.provider_message_id == "3EB0067BA1CCEACB85451F"


@pytest.mark.parametrize(
    "number", ["5511987654321", "+055119876", "+55 11 98765-4321", "", "+551198765432١", "+1234567890123456"]
)
def test_a_number_that_is_not_e164_is_refused_without_a_request(number: str) -> None:
    with raw_server(answering([])) as server, pytest.raises(GatewayError) as caught:
        connect(server.url).send_text("loja", number, TEXT)
    assert (caught.value.outcome, caught.value.code, caught.value.http_status) == (PERMANENT, "invalid_number", None)
    assert server.connections == 0


@pytest.mark.parametrize("url", ["", "gateway.example", "ftp://gateway.example", "http://"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        connect(url)


@pytest.mark.parametrize("key", ["a\nb", " a", "ã", "a\x00"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ValueError, match=r"plain ASCII without surrounding space\.$"):
        EvolutionClient("http://127.0.0.1:9", key, connect_timeout=1, read_timeout=1)


def test_proxies_netrc_and_cookies_of_the_environment_play_no_part(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password secret")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", str(netrc))
    requests: list[bytes] = []

    def talk(connection: Connection) -> None:
        while request := connection.request():
            requests.append(request)
            connection.answer(headers="Set-Cookie: session=1; Path=/\r\n")

    with raw_server(talk) as server:
        client = connect(server.url)
        client.send_text("loja", NUMBER, "1")
        client.send_text("loja", NUMBER, "2")
    assert len(requests) == 2
    assert not any(b"\r\nAuthorization:" in request or b"\r\nCookie:" in request for request in requests)


# -- What is kept --------------------------------------------------------------------------------


def test_bodies_are_kept_without_keys_and_what_the_database_refuses() -> None:
    message = f'{KEY} Bearer abc.def {{"token":"TOKEN-LOJA"}} \x00 5511987654321'
    body = json.dumps({"status": 400, "apikey": "OTHER", "hash": "HASH", "response": {"message": [message]}}).encode()
    body += b"\x00\xff"
    with raw_server(answering([], body, "400 Bad Request")) as server:
        error = failure(connect(server.url))
    for secret in (KEY, "abc.def", "TOKEN-LOJA", "OTHER", "HASH", "\x00"):
        assert secret not in error.response_body
    assert "5511987654321" in error.response_body
    assert '"apikey": "***"' in error.response_body


def test_a_long_body_is_cut_after_its_keys_are_gone() -> None:
    body = json.dumps({"message": "x" * 1985 + KEY + "y" * 500}).encode()
    with raw_server(answering([], body, "500 Internal Server Error")) as server:
        error = failure(connect(server.url))
    assert len(error.response_body) == 2000
    assert KEY[:4] not in error.response_body


def test_errors_and_logs_tell_neither_number_nor_key_nor_text(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    errors = [failure_of(read_then_reset), failure_of(Connection.hang, scheme="https")]
    for error in errors:
        shown = f"{error!s} {error!r} {error.__cause__!s}" + caplog.text
        assert not any(secret in shown for secret in (NUMBER[1:], KEY, "PK7"))
    assert str(errors[0]) == "connection_reset (unknown, no answer)"


def test_an_error_survives_the_way_between_processes() -> None:
    error = GatewayError(UNKNOWN, "read_timeout", http_status=201, response_body="{}", duration=1.5)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (copy.outcome, copy.code, copy.http_status, copy.response_body, copy.duration) == (
        UNKNOWN,
        "read_timeout",
        201,
        "{}",
        1.5,
    )


# -- Against the sandbox -------------------------------------------------------------------------

MAGIC = {
    # ending: (outcome, code, HTTP status, messages on the phone)
    "9001": (PERMANENT, "not_on_whatsapp", 400, 0),
    "9002": (INSTANCE_DOWN, "connection_closed", 400, 0),
    "9003": (INSTANCE_DOWN, "connection_closed", 500, 0),
    "9004": (INSTANCE_DOWN, "never_paired", 400, 0),
    "9005": (INSTANCE_DOWN, "never_connected", 500, 0),
    "9006": (UNKNOWN, "read_timeout", None, 1),
    "9007": (UNKNOWN, "read_timeout", None, 0),
    "9008": (UNKNOWN, "connection_reset", None, 1),
    "9009": (UNKNOWN, "connection_reset", None, 0),
    "9010": (UNKNOWN, "gateway_error", 500, 0),
    "9012": (INSTANCE_DOWN, "meta_auth", 201, 0),
    "9013": (RETRYABLE, "meta_rate_limit", 201, 0),
    "9014": (PERMANENT, "meta_recipient_not_allowed", 201, 0),
    "9015": (RETRYABLE, "meta_unavailable", 201, 0),
    "9016": (RETRYABLE, "number_query_timeout", 500, 0),
    "9017": (INSTANCE_DOWN, "unauthorized", 401, 0),
    "9018": (INSTANCE_DOWN, "instance_not_found", 404, 0),
    "9019": (UNKNOWN, "bad_gateway", 502, 0),
    "9020": (RETRYABLE, "gateway_database_down", 500, 0),
    "9021": (UNKNOWN, "whatsapp_timeout", 500, 0),
    "9022": (UNKNOWN, "gateway_error", 500, 1),
    "9025": (INSTANCE_DOWN, "never_connected", 400, 0),
    "9026": (PERMANENT, "meta_outside_24_hours", 201, 0),
    "9027": (RETRYABLE, "meta_error", 201, 0),
}


@pytest.fixture
def brief_hangs(gateway: SandboxProcess) -> Iterator[None]:
    """Sends that hang do so for a little longer than these tests wait."""
    before = gateway.options()["hang_seconds"]
    gateway.options(hang_seconds=0.6)
    yield
    gateway.options(hang_seconds=before)


def sandbox_client(gateway: SandboxProcess, read_timeout: float = 5) -> EvolutionClient:
    return EvolutionClient(gateway.base_url, gateway.api_key, connect_timeout=5, read_timeout=read_timeout)


@pytest.mark.usefixtures("brief_hangs")
@pytest.mark.parametrize(("ending", "expected"), MAGIC.items())
def test_a_magic_number_gives_its_failure(
    gateway: SandboxProcess, ending: str, expected: tuple[Outcome, str, int | None, int]
) -> None:
    outcome, code, status, arrived = expected
    number = f"+551191234{ending}"
    hangs = code == "read_timeout"
    with pytest.raises(GatewayError) as caught:
        sandbox_client(gateway, read_timeout=0.3 if hangs else 5).send_text("flowlog", number, TEXT)
    assert (caught.value.outcome, caught.value.code, caught.value.http_status) == (outcome, code, status)
    deadline = time.monotonic() + 5
    while hangs and len(gateway.texts(number)) < arrived and time.monotonic() < deadline:
        time.sleep(0.02)
    assert gateway.texts(number) == [TEXT] * arrived


def test_a_message_that_the_gateway_could_not_store_is_sent_without_an_id(gateway: SandboxProcess) -> None:
    receipt = sandbox_client(gateway).send_text("flowlog", "+5511912349011", TEXT)
    assert (receipt.provider_message_id, receipt.http_status) == ("", 400)
    assert gateway.texts("+5511912349011") == [TEXT]


@pytest.mark.parametrize(
    "url", ["https://licence.example/register?token=abc", "https://user:abc@licence.example/abc#abc"]
)
def test_of_where_to_register_only_the_host_is_kept(url: str) -> None:
    body = json.dumps({"error": "service not activated", "code": "LICENSE_REQUIRED", "register_url": url}).encode()
    with raw_server(answering([], body, "503 Service Unavailable")) as server:
        error = failure(connect(server.url))
    assert json.loads(error.response_body)["register_url"] == "https://licence.example/***"


def test_a_gateway_without_a_licence_does_nothing(gateway: SandboxProcess) -> None:
    gateway.options(licensed=False)
    own = EvolutionManager(gateway.base_url, gateway.api_key, connect_timeout=5, read_timeout=5)
    now = datetime.now(UTC)
    calls: list[Callable[[], object]] = [
        lambda: own.send_text("flowlog", NUMBER, TEXT), lambda: own.connection_state("flowlog"),
        lambda: own.find_messages("flowlog", NUMBER, since=now, until=now), lambda: own.find_by_id("flowlog", "3EB0"),
        own.instances, lambda: own.create("nova"), lambda: own.connect("flowlog"), lambda: own.logout("flowlog"),
        lambda: own.set_webhook("flowlog", "http://127.0.0.1:9", "x"), lambda: own.webhook("flowlog"),
        lambda: own.is_hidden("flowlog"),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(GatewayError) as caught:
            call()
        assert (caught.value.outcome, caught.value.code) == (INSTANCE_DOWN, "license_required")
    assert gateway.messages() == []


def test_a_number_that_fails_at_first_works_in_the_end(gateway: SandboxProcess) -> None:
    client = sandbox_client(gateway)
    for _ in range(2):
        with pytest.raises(GatewayError):
            client.send_text("flowlog", "+5511912349016", TEXT)
    assert client.send_text("flowlog", "+5511912349016", TEXT).http_status == 201
    assert gateway.texts("+5511912349016") == [TEXT]


def test_the_state_of_an_instance(gateway: SandboxProcess) -> None:
    client = sandbox_client(gateway)
    assert client.connection_state("flowlog") == "open"
    gateway.disconnect("flowlog")
    assert client.connection_state("flowlog") == "close"
    with pytest.raises(GatewayError) as caught:
        client.connection_state("nao-existe")
    assert (caught.value.outcome, caught.value.code) == (INSTANCE_DOWN, "instance_not_found")
    wrong = EvolutionClient(gateway.base_url, "wrong", connect_timeout=5, read_timeout=5)
    with pytest.raises(GatewayError) as caught:
        wrong.connection_state("flowlog")
    assert (caught.value.outcome, caught.value.code) == (INSTANCE_DOWN, "unauthorized")


@pytest.mark.parametrize("body", [b"{}", b'{"instance":[]}', b'{"instance":{"state":1}}', b"<html>"])
@pytest.mark.parametrize("status", ["200 OK", "201 Created"])
def test_a_state_that_is_none_is_unexpected(body: bytes, status: str) -> None:
    with raw_server(answering([], body, status)) as server, pytest.raises(GatewayError) as caught:
        connect(server.url).connection_state("loja")
    assert (caught.value.outcome, caught.value.code) == (UNKNOWN, "unexpected_answer")
