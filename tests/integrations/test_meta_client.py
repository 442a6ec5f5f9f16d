"""The client of Meta's Cloud API, over real sockets: what it sends, and what each failure means."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from integrations.gateways.outcomes import GatewayError, Outcome
from integrations.gateways.transport import GatewaySession
from integrations.meta.client import MetaClient
from integrations.meta.templates import Template, as_parameter
from tests.integrations.raw_server import Connection, raw_server

PERMANENT, RETRYABLE, INSTANCE_DOWN, UNKNOWN = Outcome
NUMBER = "+5511987654321"
TOKEN = "EAAGm0PX4ZCpsBAsecrettoken0123456789"
TEXT = "Oi, Maria!\nSeu pedido *PK7-M3Q* está confirmado! ✅"
ACCEPTED = json.dumps(
    {"messaging_product": "whatsapp", "contacts": [{"wa_id": "5511987654321"}], "messages": [{"id": "wamid.HBgM="}]}
).encode()


def connect(url: str, *, token: str = TOKEN, phone_number_id: str = "106540352242922", **more: Any) -> MetaClient:
    times = {"connect_timeout": 5, "read_timeout": 5} | more
    return MetaClient(GatewaySession(), f"{url}/v24.0", phone_number_id, token, **times)


def send(client: MetaClient, template: Template | None = None, not_after: float | None = None) -> Any:
    return client.send(NUMBER, TEXT, "3EB0ABC", template=template, not_after=not_after)


def failure(client: MetaClient, **more: Any) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        send(client, **more)
    return caught.value


def answering(requests: list[bytes], body: bytes = ACCEPTED, status: str = "200 OK") -> Callable[[Connection], None]:
    def talk(connection: Connection) -> None:
        while request := connection.request():
            requests.append(request)
            connection.answer(body, status)

    return talk


def test_a_text_is_sent_once_with_the_id_that_comes_back() -> None:
    requests: list[bytes] = []
    with raw_server(answering(requests)) as server:
        receipt = send(connect(server.url))
    (request,) = requests
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /v24.0/106540352242922/messages HTTP/1.1"
    assert f"Authorization: Bearer {TOKEN}" in lines
    assert json.loads(body) == {
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": "5511987654321", "type": "text",
        "text": {"preview_url": False, "body": TEXT}, "biz_opaque_callback_data": "3EB0ABC",
    }  # fmt: skip
    assert (receipt.provider_message_id, receipt.http_status) == ("wamid.HBgM=", 200)


def test_a_template_carries_the_text_in_its_one_variable() -> None:
    requests: list[bytes] = []
    with raw_server(answering(requests)) as server:
        send(connect(server.url), Template("aviso_de_pedido", "pt_BR"))
    body = json.loads(requests[0].partition(b"\r\n\r\n")[2])
    assert (body["type"], "text" in body) == ("template", False)
    assert body["template"] == {
        "name": "aviso_de_pedido",
        "language": {"code": "pt_BR"},
        "components": [
            {
                "type": "body",
                "parameters": [{"type": "text", "text": "Oi, Maria! Seu pedido *PK7-M3Q* está confirmado! ✅"}],
            }
        ],
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Um\n\nDois\tTrês      quatro", "Um · Dois Três quatro"),
        ("Oi, Ana! 😊 Recebemos:\n\n2 × Pão\n1 × Café (500 g)\n*Total: R$ 9,90*\n", "Oi, Ana! 😊 Recebemos: 2 × Pão · 1 × Café (500 g) · *Total: R$ 9,90*"),  # noqa: E501
        ("Veja: https://loja.example/r/1\r\nResponda *SAIR*.\x0b", "Veja: https://loja.example/r/1 · Responda *SAIR*."),
        ("***\nfim", "*** · fim"),
        ("", ""),
    ],
)  # fmt: skip
def test_the_text_on_one_line_is_what_meta_takes(text: str, expected: str) -> None:
    assert as_parameter(text) == expected


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"token": ""}, "meta_auth"),
        ({"token": "a\nb"}, "meta_auth"),
        ({"token": "ã"}, "meta_auth"),
        ({"phone_number_id": ""}, "meta_number"),
        ({"phone_number_id": "1/../2"}, "meta_number"),
    ],
)
def test_without_number_or_token_no_request_goes_out(more: dict[str, str], code: str) -> None:
    with raw_server(answering([])) as server:
        error = failure(connect(server.url, **more))
    assert (error.outcome, error.code, server.connections) == (INSTANCE_DOWN, code, 0)


def test_a_refusal_keeps_the_answer_without_the_token() -> None:
    body = json.dumps({"error": {"code": 190, "message": f"Malformed access token {TOKEN}"}}).encode()
    with raw_server(answering([], body, "401 Unauthorized")) as server:
        error = failure(connect(server.url))
    assert (error.outcome, error.code, error.http_status) == (INSTANCE_DOWN, "meta_auth", 401)
    assert error.response_body == '{"error": {"code": 190, "message": "Malformed access token ***"}}'
    assert TOKEN not in repr(error) + str(error)


def test_silence_after_the_request_says_nothing_of_the_message() -> None:
    def talk(connection: Connection) -> None:
        connection.request()
        connection.hang()

    with raw_server(talk) as server:
        error = failure(connect(server.url, read_timeout=0.3))
    assert (error.outcome, error.code) == (UNKNOWN, "read_timeout")


def test_a_broken_connection_or_an_endless_body_says_nothing_either() -> None:
    def talk(connection: Connection) -> None:
        connection.request()

    with raw_server(talk) as server:
        assert failure(connect(server.url)).code == "connection_reset"
    with raw_server(answering([], ACCEPTED + b" " * 70_000)) as server:
        assert send(connect(server.url)).provider_message_id == "wamid.HBgM="
    with raw_server(answering([], b" " * 70_000 + ACCEPTED)) as server:
        error = failure(connect(server.url))
    assert (error.outcome, error.code) == (UNKNOWN, "unexpected_answer")


def test_where_nobody_listens_nothing_was_sent() -> None:
    error = failure(connect("http://127.0.0.1:9"))
    assert (error.outcome, error.code) == (RETRYABLE, "gateway_unreachable")


def test_too_late_nothing_is_written() -> None:
    with raw_server(answering([])) as server:
        error = failure(connect(server.url, clock=time.monotonic), not_after=time.monotonic() - 1)
    assert (error.outcome, error.code) == (RETRYABLE, "too_late")


def test_the_numbers_status_is_asked_for_by_its_id() -> None:
    requests: list[bytes] = []
    with raw_server(answering(requests, b'{"status": "BANNED", "id": "1"}')) as server:
        assert connect(server.url).status() == "BANNED"
    assert requests[0].startswith(b"GET /v24.0/106540352242922?fields=status HTTP/1.1\r\n")
    with raw_server(answering([], b"{}")) as server, pytest.raises(GatewayError) as caught:
        connect(server.url).status()
    assert caught.value.code == "unexpected_answer"
