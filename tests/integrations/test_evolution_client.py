"""The client of the gateway, over real sockets: what it sends, and what each failure means."""

from __future__ import annotations

import json
import logging
import os
import pickle
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from integrations.evolution import client as client_module
from integrations.evolution.client import EvolutionClient
from integrations.evolution.manager import EvolutionManager
from integrations.evolution.servers import Server
from integrations.gateways import GatewayError, Outcome
from tests.integrations.raw_server import CREATED, Connection, answering, raw_server
from tests.integrations.sandbox import SandboxProcess

PERMANENT, RETRYABLE, INSTANCE_DOWN, UNKNOWN = Outcome
NUMBER = "+5511987654321"
KEY = "a-secret-key-0123456789"
TEXT = "Seu pedido *PK7-M3Q* foi confirmado"


def connect(
    url: str, *, read_timeout: float = 5, connect_timeout: float = 5, clock: Any = time.monotonic
) -> EvolutionClient:
    return EvolutionClient(url, KEY, connect_timeout=connect_timeout, read_timeout=read_timeout, clock=clock)


def failure(client: EvolutionClient) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        client.send_text("loja", NUMBER, TEXT)
    return caught.value


def failure_of(talk: Callable[[Connection], None], *, read_timeout: float = 5, scheme: str = "http") -> GatewayError:
    with raw_server(talk) as server:
        client = connect(server.url.replace("http", scheme, 1), read_timeout=read_timeout, connect_timeout=1)
        return failure(client)


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


# -- Not sent for certain ------------------------------------------------------------------------


def test_a_refused_connection_may_be_retried() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        error = failure(connect(f"http://127.0.0.1:{bound.getsockname()[1]}"))
    assert (error.outcome, error.code, error.http_status) == (RETRYABLE, "gateway_unreachable", None)


@pytest.mark.parametrize("host", ["gateway.invalid", "a" * 70 + ".example", "..example"])
def test_a_name_that_does_not_resolve_may_be_retried(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    resolve = socket.getaddrinfo

    def unknown(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "gateway.invalid":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(name, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = failure(connect(f"http://{host}:8080"))
    assert (error.outcome, error.code) == (RETRYABLE, "gateway_unreachable")


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port whose queue of connections is full: it leaves further ones unanswered."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_a_connect_timeout_may_be_retried_and_is_one_for_all_addresses(
    monkeypatch: pytest.MonkeyPatch, silent_port: int
) -> None:
    address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", silent_port))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [address] * 8)
    error = failure(connect(f"http://gateway.example:{silent_port}", connect_timeout=0.3))
    assert (error.outcome, error.code) == (RETRYABLE, "gateway_unreachable")
    assert 0.25 < error.duration < 1.5


def test_the_next_address_is_tried() -> None:
    with raw_server(answering([])) as server:
        port = int(server.url.rpartition(":")[2])
        receipt = connect(f"http://localhost:{port}").send_text("loja", NUMBER, TEXT)  # ::1 refuses, if it is there
    assert receipt.http_status == 201


@pytest.mark.parametrize("talk", [Connection.hang, Connection.reset, lambda connection: connection.answer()])
def test_a_tls_handshake_that_fails_may_be_retried(talk: Callable[[Connection], None]) -> None:
    error = failure_of(talk, scheme="https")
    assert (error.outcome, error.code) == (RETRYABLE, "gateway_unreachable")
    assert error.duration < 3


# -- Perhaps sent --------------------------------------------------------------------------------


def _read_then_reset(connection: Connection) -> None:
    connection.request()
    connection.reset()


def _read_then_close(connection: Connection) -> None:
    connection.request()


def _reset_without_reading(connection: Connection) -> None:
    connection.wait_for_data()
    connection.reset()


def _garbage(connection: Connection) -> None:
    connection.request()
    connection.send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


@pytest.mark.parametrize("talk", [_reset_without_reading, _read_then_reset, _read_then_close, _garbage])
def test_a_connection_that_breaks_after_it_was_made_is_unknown(talk: Callable[[Connection], None]) -> None:
    error = failure_of(talk)
    assert (error.outcome, error.code, error.http_status) == (UNKNOWN, "connection_reset", None)


def test_a_connection_that_is_reset_at_once_is_never_taken_as_sent() -> None:
    # Depending on when the reset is seen, connecting failed already or the request was written.
    error = failure_of(Connection.reset)
    assert (error.outcome, error.code) in {(RETRYABLE, "gateway_unreachable"), (UNKNOWN, "connection_reset")}


def test_a_body_that_breaks_off_is_unknown_but_the_status_is_kept() -> None:
    def talk(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n" + CREATED[:-9])
        connection.reset()

    error = failure_of(talk)
    assert (error.outcome, error.code, error.http_status) == (UNKNOWN, "connection_reset", 201)


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 201 Cre", b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n" + CREATED[:-9]]
)
def test_an_answer_that_ends_early_is_unknown(head: bytes) -> None:
    def talk(connection: Connection) -> None:
        connection.request()
        connection.send(head)

    error = failure_of(talk)
    assert (error.outcome, error.code, error.http_status) == (UNKNOWN, "unexpected_answer", 201)


def _hang_before_the_answer(connection: Connection) -> None:
    connection.request()
    connection.hang()


def _hang_in_the_body(connection: Connection) -> None:
    connection.request()
    connection.send(b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{")
    connection.hang()


def _dribble_the_head(connection: Connection) -> None:
    connection.request()
    connection.dribble(b"HTTP/1.1 201 Created\r\n" + b"X-Slow: 1\r\n" * 1000, every=0.02)


def _dribble_the_body(connection: Connection) -> None:
    connection.request()
    connection.send(b"HTTP/1.1 201 Created\r\nContent-Length: 5000\r\n\r\n")
    connection.dribble(b" " * 5000, every=0.02)


def _dribble_chunks(connection: Connection) -> None:
    connection.request()
    connection.send(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n")
    connection.dribble(b"1\r\n \r\n" * 1000, every=0.02)


@pytest.mark.parametrize(
    ("talk", "status"),
    [
        (_hang_before_the_answer, None),
        (_hang_in_the_body, 201),
        (_dribble_the_head, None),
        (_dribble_the_body, 201),
        (_dribble_chunks, 201),
    ],
)
def test_an_answer_has_one_deadline_however_it_comes(talk: Callable[[Connection], None], status: int | None) -> None:
    error = failure_of(talk, read_timeout=0.4)
    assert (error.outcome, error.code, error.http_status) == (UNKNOWN, "read_timeout", status)
    assert 0.35 < error.duration < 2


def test_a_redirect_is_not_followed_and_its_body_not_read() -> None:
    elsewhere: list[bytes] = []
    with raw_server(answering(elsewhere)) as other:

        def talk(connection: Connection) -> None:
            connection.request()
            connection.send(f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {other.url}/\r\n\r\n".encode())
            while True:
                connection.send(b"x" * 65536)

        with raw_server(talk) as server:
            error = failure(connect(server.url))
            assert server.finished.wait(5), "the client went on reading"
    assert (error.outcome, error.code, error.http_status) == (UNKNOWN, "unexpected_answer", 307)
    assert elsewhere == []


def test_an_endless_body_is_cut_and_its_connection_dropped() -> None:
    def talk(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 201 Created\r\n\r\n" + CREATED[:-1])
        while True:
            connection.send(b" " * 65536)

    with raw_server(talk) as server:
        error = failure(connect(server.url))
        assert server.finished.wait(5), "the client went on reading"
    assert (error.outcome, error.code, error.http_status) == (UNKNOWN, "unexpected_answer", 201)
    assert len(error.response_body) == 2000


def test_an_interruption_from_outside_leaves_the_client_usable() -> None:
    def interrupt(*_: Any) -> None:
        raise SoftTimeLimitExceeded

    seen: list[bytes] = []

    def talk(connection: Connection) -> None:
        while request := connection.request():
            seen.append(request)
            if b"hang" in request:
                connection.hang()
            connection.answer()

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with raw_server(talk) as server:
            client = connect(server.url)
            client.send_text("loja", NUMBER, "1")
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(SoftTimeLimitExceeded):
                client.send_text("loja", NUMBER, "hang")
            assert client.send_text("loja", NUMBER, "2").http_status == 201
            assert (len(seen), server.connections) == (3, 2)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# -- Connections ---------------------------------------------------------------------------------


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("idle", "connections"), [(0, 1), (3.9, 1), (4.0, 2), (60, 2)])
def test_a_connection_idle_for_four_seconds_is_not_used_again(idle: float, connections: int) -> None:
    clock = Clock()
    requests: list[bytes] = []
    with raw_server(answering(requests)) as server:
        client = connect(server.url, clock=clock)
        client.send_text("loja", NUMBER, "1")
        clock.now += idle
        client.send_text("loja", NUMBER, "2")
        assert (len(requests), server.connections) == (2, connections)


def test_a_connection_that_the_gateway_closed_is_not_used_again() -> None:
    def talk(connection: Connection) -> None:
        connection.request()
        connection.answer()

    with raw_server(talk) as server:
        client = connect(server.url)
        client.send_text("loja", NUMBER, "1")
        assert server.finished.wait(5)
        assert client.send_text("loja", NUMBER, "2").http_status == 201
        assert server.connections == 2


def test_each_process_and_each_setting_has_its_own_client(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = client_module.client()
    assert client_module.client() is first
    there = Server("http://127.0.0.1:11", "key")
    assert client_module.client(there) is client_module.client(Server("http://127.0.0.1:11", "key")) is not first
    assert client_module.client(Server("http://127.0.0.1:11", "another")) is not client_module.client(there)
    assert "key" not in repr(there).replace("Server", "")
    settings.EVOLUTION_API_URL = "http://127.0.0.1:10"
    second = client_module.client()
    assert second is not first
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert client_module.client() is not second


# -- The last look at the clock ------------------------------------------------------------------


def late(client: EvolutionClient, not_after: float) -> None:
    with pytest.raises(GatewayError) as caught:
        client.send_text("loja", NUMBER, TEXT, not_after=not_after)
    assert (caught.value.outcome, caught.value.code, caught.value.http_status) == (RETRYABLE, "too_late", None)


def test_a_send_whose_process_stood_still_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    arrived: list[bytes] = []
    resolve = socket.getaddrinfo

    def stand_still(*args: Any, **kwargs: Any) -> Any:
        clock.now += 4
        return resolve(*args, **kwargs)

    def talk(connection: Connection) -> None:
        arrived.append(connection.request())

    with raw_server(talk) as server:
        client = connect(server.url, clock=clock)
        monkeypatch.setattr(socket, "getaddrinfo", stand_still)
        late(client, not_after=clock.now + 3)
        assert server.finished.wait(5)
        assert (arrived, server.connections) == ([b""], 1)


def test_one_in_time_is_written_and_a_late_one_leaves_the_client_usable() -> None:
    clock = Clock()
    requests: list[bytes] = []
    with raw_server(answering(requests)) as server:
        client = connect(server.url, clock=clock)
        assert client.send_text("loja", NUMBER, "1", not_after=clock.now).http_status == 201
        late(client, not_after=clock.now - 0.001)
        assert client.send_text("loja", NUMBER, "2").http_status == 201
        assert [json.loads(request.partition(b"\r\n\r\n")[2])["text"] for request in requests] == ["1", "2"]


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
    errors = [failure_of(_read_then_reset), failure_of(Connection.hang, scheme="https")]
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
