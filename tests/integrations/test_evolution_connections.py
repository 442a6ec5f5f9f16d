"""The client's connections, over real sockets: what each failure means, and when one is used again."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from requests import Request, Session

from integrations.evolution import client as client_module
from integrations.evolution.client import EvolutionClient
from integrations.evolution.servers import Server
from integrations.gateways import GatewayError
from integrations.gateways.transport import GatewaySession
from tests.integrations.evolution import (
    NUMBER,
    RETRYABLE,
    TEXT,
    UNKNOWN,
    connect,
    failure,
    failure_of,
    read_then_reset,
)
from tests.integrations.raw_server import CREATED, Connection, answering, raw_server

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


def _read_then_close(connection: Connection) -> None:
    connection.request()


def _reset_without_reading(connection: Connection) -> None:
    connection.wait_for_data()
    connection.reset()


def _garbage(connection: Connection) -> None:
    connection.request()
    connection.send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


@pytest.mark.parametrize("talk", [_reset_without_reading, read_then_reset, _read_then_close, _garbage])
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


# -- What is written -----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["post", "GET"])
@pytest.mark.parametrize(
    "asked",
    [
        {"json": {"a": "ção"}}, {"json": {}}, {"json": []}, {"data": b"{}"}, {}, {"json": 1, "params": {"page": 2}},
        {"json": {"b": 1}, "headers": {"X-Key": "k"}}, {"json": {"b": 1}, "headers": {"X-Key": "other"}},
    ],
)  # fmt: skip
def test_a_request_is_as_requests_makes_it_whatever_was_asked_before(asked: dict[str, Any], method: str) -> None:
    session = GatewaySession()
    session.headers["apikey"] = "a-key"
    request = Request(method, "http://127.0.0.1:9/lo ja", **asked)
    expected = Session.prepare_request(session, request)
    session.prepare_request(Request(method, "http://127.0.0.1:9/lo ja", json={"an": "other"}))
    for _each in range(2):
        made = session.prepare_request(request)
        assert (made.method, made.url, made.body) == (expected.method, expected.url, expected.body)
        assert dict(made.headers) == dict(expected.headers)
        made.headers["X-Mine"] = "1"
