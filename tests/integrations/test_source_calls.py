"""Calls to systems whose address somebody typed: they do not reach the server's own network."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import pytest

from integrations.gateways.transport import GatewaySession
from integrations.sources import calls
from tests.integrations.raw_server import Connection, answering, raw_server

NOT_PUBLIC = "não é um da internet pública"


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Have every name lead to these addresses, with the port that was asked for; which names were asked for."""
    asked: list[str] = []

    def resolved(host: str, port: int, *_args: Any, **_kwargs: Any) -> Any:
        asked.append(host)
        kinds = {True: socket.AF_INET6, False: socket.AF_INET}
        return [(kinds[":" in each], socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    return asked


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]"])
def test_the_servers_own_address_is_not_called_however_it_is_typed(host: str, settings: Any) -> None:
    settings.SITE_URL = "https://flowlog.example.com"
    with raw_server(answering([])) as server:
        port = server.url.rpartition(":")[2]
        with pytest.raises(calls.AwayError, match=NOT_PUBLIC):
            calls.call("GET", f"https://{host}:{port}/orders")
        assert server.connections == 0


def test_a_name_that_leads_inside_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = resolve_to(monkeypatch, "10.0.0.1", "169.254.169.254", "fe80::1")
    with pytest.raises(calls.AwayError, match=NOT_PUBLIC):
        calls.call("GET", "https://loja.example.com/orders")
    assert asked == ["loja.example.com"]


def test_it_is_the_address_that_was_judged_which_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is asked for once: what it leads to a moment later counts for nothing. Those inside are left out."""
    requests: list[bytes] = []
    with raw_server(answering(requests, b"[]", "200 OK")) as server:
        port = server.url.rpartition(":")[2]
        asked = resolve_to(monkeypatch, "10.0.0.1", "127.0.0.1")
        answer = GatewaySession(public_only=True).get(f"http://loja.example.com:{port}/orders", timeout=5)
        assert (answer.status_code, json.loads(answer.content)) == (200, [])
    assert asked == ["loja.example.com"]
    assert requests[0].startswith(b"GET /orders HTTP/1.1\r\nHost: loja.example.com:")


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX-A: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n"])
def test_an_answer_that_comes_byte_by_byte_is_cut(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """However soon each byte follows, it is the whole answer that has a time to come in."""
    monkeypatch.setattr(calls, "READ_TIMEOUT", 0.3)
    sent: list[int] = []

    def dribble(connection: Connection) -> None:
        connection.request()
        connection.send(head)
        for _each in range(9000):
            connection.send(b"H" if not head else b"1")
            sent.append(1)
            if connection.stopped.wait(0.05):
                return

    with raw_server(dribble) as server, pytest.raises(calls.AwayError, match="não responde"):
        calls.call("GET", server.url)
    assert 1 <= len(sent) < 100


def test_no_call_is_begun_once_the_time_is_over() -> None:
    with raw_server(answering([], b"[]", "200 OK")) as server:
        assert calls.calling_until(time.monotonic() + 60)("GET", server.url)[0] == 200
        with pytest.raises(calls.OutOfTimeError):
            calls.calling_until(time.monotonic())("GET", server.url)
        assert server.connections == 1


def test_a_gateway_may_be_within() -> None:
    with raw_server(answering([], b"[]", "200 OK")) as server:
        assert GatewaySession().get(server.url, timeout=5).status_code == 200
