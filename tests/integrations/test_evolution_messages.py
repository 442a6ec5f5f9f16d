"""Asking the gateway for messages: what is found, and that no broken answer is taken for "not found"."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from integrations.evolution.client import EvolutionClient
from integrations.evolution.jids import addresses
from integrations.gateways import FoundMessage, GatewayError, Outcome, SendReceipt
from integrations.gateways.parsing import whole_number
from tests.integrations.raw_server import Connection, Talk, answering, raw_server
from tests.integrations.sandbox import SandboxProcess, sandbox

PERMANENT, RETRYABLE, INSTANCE_DOWN, UNKNOWN = Outcome
NUMBER = "+5511987654321"
JID = "5511987654321@s.whatsapp.net"
FOREIGN = "+12125550123"
FOREIGN_JID = "12125550123@s.whatsapp.net"
SINCE = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
UNTIL = datetime(2026, 11, 23, 17, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def process() -> Iterator[SandboxProcess]:
    with sandbox("loja", "outra") as running:
        yield running


@pytest.fixture
def gateway(process: SandboxProcess) -> Iterator[SandboxProcess]:
    """The sandbox, healthy and without messages."""
    process.clear()
    yield process
    process.options(search_status=0, search_hang_seconds=0, keep_messages=True, forgetful={"loja": False})


def connect(url: str, key: str = "test-key", *, read_timeout: float = 5) -> EvolutionClient:
    return EvolutionClient(url, key, connect_timeout=5, read_timeout=read_timeout)


def find(
    client: EvolutionClient, number: str = NUMBER, *, since: datetime | None = None, until: datetime | None = None
) -> list[FoundMessage]:
    """What the instance `loja` sent, lately unless it is said when."""
    now = datetime.now(UTC)
    since, until = since or now - timedelta(hours=1), until or now + timedelta(hours=1)
    return client.find_messages("loja", number, since=since, until=until)


def kept_under(receipt: SendReceipt) -> str:
    return str(json.loads(receipt.response_body)["key"]["remoteJid"])


def texts(client: EvolutionClient, number: str = NUMBER, **when: datetime) -> list[str]:
    return [message.text for message in find(client, number, **when)]


# -- The addresses of a number -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("+5511987654321", ("5511987654321@s.whatsapp.net", "551187654321@s.whatsapp.net")),
        ("+5531987654321", ("5531987654321@s.whatsapp.net", "553187654321@s.whatsapp.net")),
        ("+553187654321", ("553187654321@s.whatsapp.net", "5531987654321@s.whatsapp.net")),
        ("+551140001234", ("551140001234@s.whatsapp.net", "5511940001234@s.whatsapp.net")),
        ("+5511887654321", ("5511887654321@s.whatsapp.net",)),
        ("+55119876543210", ("55119876543210@s.whatsapp.net",)),
        ("+12125550123", ("12125550123@s.whatsapp.net",)),
        ("+351912345678", ("351912345678@s.whatsapp.net",)),
    ],
)
def test_the_addresses_of_a_number(number: str, expected: tuple[str, ...]) -> None:
    assert addresses(number) == expected
    assert addresses(number.removeprefix("+")) == expected


# -- Found ---------------------------------------------------------------------------------------


def test_a_message_that_was_sent_is_found_with_its_id_and_time(gateway: SandboxProcess) -> None:
    client = connect(gateway.base_url)
    receipt = client.send_text("loja", NUMBER, "Seu pedido *PK7*")
    (arrived,) = gateway.messages()
    assert find(client) == [FoundMessage(receipt.provider_message_id, "Seu pedido *PK7*", arrived["timestamp"])]
    assert client.find_by_id("loja", receipt.provider_message_id)


@pytest.mark.parametrize(
    ("sent_to", "kept_at"),
    [
        ("+5511987654321", "5511987654321@s.whatsapp.net"),
        ("+5530987654321", "5530987654321@s.whatsapp.net"),
        # The gateway takes the ninth digit away.
        ("+5531987654321", "553187654321@s.whatsapp.net"),
        ("+5585999998888", "558599998888@s.whatsapp.net"),
        ("+5531912345678", "5531912345678@s.whatsapp.net"),
        ("+553187654321", "553187654321@s.whatsapp.net"),
        ("+12125550123", "12125550123@s.whatsapp.net"),
    ],
)
def test_a_message_is_found_with_or_without_the_ninth_digit(
    gateway: SandboxProcess, sent_to: str, kept_at: str
) -> None:
    client = connect(gateway.base_url)
    assert kept_under(client.send_text("loja", sent_to, "Olá")) == kept_at
    assert texts(client, sent_to) == ["Olá"]
    for address in addresses(sent_to):
        assert texts(client, "+" + address.partition("@")[0]) == ["Olá"]


def test_a_message_to_a_landline_is_found_at_the_mobile_it_was_taken_for(gateway: SandboxProcess) -> None:
    client = connect(gateway.base_url)
    client.send_text("loja", "+5511940001234", "to the mobile")
    assert kept_under(client.send_text("loja", "+551140001234", "Oi")) == "5511940001234@s.whatsapp.net"
    assert texts(client, "+551140001234") == ["Oi", "to the mobile"]


def test_messages_of_other_instances_and_numbers_are_not_found(gateway: SandboxProcess) -> None:
    client = connect(gateway.base_url)
    other = client.send_text("outra", NUMBER, "of another instance").provider_message_id
    client.send_text("loja", "+5511987654322", "to another number")
    assert find(client) == []
    assert client.find_by_id("loja", other) is None
    assert client.find_by_id("outra", other)
    assert client.find_by_id("loja", other[:-1]) is None


def test_all_pages_are_read(gateway: SandboxProcess) -> None:
    client = connect(gateway.base_url)
    sent = [client.send_text("loja", NUMBER, str(number)).provider_message_id for number in range(101)]
    found = find(client)
    assert sorted(message.provider_message_id for message in found) == sorted(sent)
    assert [message.timestamp for message in found] == sorted((message.timestamp for message in found), reverse=True)


def test_a_page_of_long_messages_is_read_whole(gateway: SandboxProcess) -> None:
    client = connect(gateway.base_url)
    for _ in range(50):
        client.send_text("loja", NUMBER, "ã" * 4096)
    assert texts(client) == ["ã" * 4096] * 50


def test_both_ends_of_the_time_count_in_whole_seconds(gateway: SandboxProcess) -> None:
    client = connect(gateway.base_url)
    client.send_text("loja", NUMBER, "Olá")
    sent_at = datetime.fromtimestamp(gateway.messages()[0]["timestamp"], UTC)
    second, moment = timedelta(seconds=1), timedelta(microseconds=1)
    for since, until, expected in (
        (sent_at, sent_at, ["Olá"]),
        (sent_at + second - moment, sent_at + second, ["Olá"]),
        (sent_at + second, sent_at + second, []),
        (sent_at - second, sent_at - second + moment, ["Olá"]),
        (sent_at - second, sent_at - second, []),
    ):
        assert texts(client, since=since, until=until) == expected


def test_what_the_gateway_does_not_store_is_not_found(gateway: SandboxProcess) -> None:
    client = connect(gateway.base_url)
    kept = client.send_text("loja", NUMBER, "kept").provider_message_id
    gateway.forget("loja")
    forgotten = client.send_text("loja", NUMBER, "forgotten").provider_message_id
    assert texts(client) == ["kept"]
    assert [bool(client.find_by_id("loja", message_id)) for message_id in (kept, forgotten)] == [True, False]


def test_what_the_gateways_own_channel_sent_is_found_by_the_bare_number() -> None:
    with sandbox() as process:
        process._post(
            "/instance/create", {"instanceName": "loja", "integration": "EVOLUTION", "number": "5511999990000"}
        )
        client = connect(process.base_url)
        receipt = client.send_text("loja", NUMBER, "Olá")
        assert kept_under(receipt) == "5511987654321"
        assert [(each.provider_message_id, each.text) for each in find(client)] == [
            (receipt.provider_message_id, "Olá")
        ]
        assert texts(client, "+5511987654322") == []


def test_what_is_kept_under_a_hidden_address_is_found_by_its_id_alone(gateway: SandboxProcess) -> None:
    gateway.options(lid_rows=True)
    client = connect(gateway.base_url)
    receipt = client.send_text("loja", NUMBER, "Olá")
    gateway.options(lid_rows=False)
    assert texts(client) == []
    assert client.find_by_id("loja", receipt.provider_message_id)


# -- What it asks --------------------------------------------------------------------------------


def answer_of(*records: object, **changes: object) -> dict[str, object]:
    """The body of a 200 with one page."""
    page = {"total": len(records), "pages": min(len(records), 1), "currentPage": 1, "records": list(records)}
    return {"messages": {**page, **changes}}


def record(number: int = 1, **changes: object) -> dict[str, object]:
    return {
        "id": f"cm{number}",
        "key": {"id": f"3EB0{number}", "fromMe": True, "remoteJid": FOREIGN_JID},
        "message": {"conversation": f"text {number}"},
        "messageTimestamp": 1795453220,
        **changes,
    }


def saying(*bodies: object) -> tuple[Talk, list[Any]]:
    """A server that answers the first request with the first body and so on, and the payloads it was sent."""
    payloads: list[Any] = []

    def talk(connection: Connection) -> None:
        while request := connection.request():
            payloads.append(json.loads(request.partition(b"\r\n\r\n")[2]))
            connection.answer(json.dumps(bodies[len(payloads) - 1]).encode(), "200 OK")

    return talk, payloads


def found_in(*bodies: object) -> list[FoundMessage]:
    """What is found for a number with one address, if the gateway's answers are these."""
    talk, payloads = saying(*bodies)
    with raw_server(talk) as server:
        found = find(connect(server.url), FOREIGN)
    assert len(payloads) == len(bodies)
    return found


def test_each_address_is_asked_for_with_the_filters_that_work() -> None:
    requests: list[bytes] = []
    with raw_server(answering(requests, json.dumps(answer_of()).encode(), "200 OK")) as server:
        client = connect(server.url)
        since, until = SINCE + timedelta(microseconds=999_999), UNTIL - timedelta(microseconds=999_999)
        assert client.find_messages("minha loja/1", NUMBER, since=since, until=until) == []
        assert client.find_by_id("minha loja/1", "3EB0AE029FD590A33D65F4") is None
    heads, bodies = zip(*(request.split(b"\r\n\r\n") for request in requests), strict=True)
    assert {head.split(b"\r\n")[0] for head in heads} == {b"POST /chat/findMessages/minha%20loja%2F1 HTTP/1.1"}
    wheres = [
        *(
            {
                "key": {"remoteJid": address, "fromMe": True},
                "messageTimestamp": {"gte": "2026-11-23T17:00:00Z", "lte": "2026-11-23T17:05:00Z"},
            }
            for address in ("5511987654321@s.whatsapp.net", "551187654321@s.whatsapp.net", "5511987654321")
        ),
        {"key": {"id": "3EB0AE029FD590A33D65F4"}},
    ]
    assert [json.loads(body) for body in bodies] == [{"where": where, "page": 1, "offset": 50} for where in wheres]


def test_times_of_another_zone_are_asked_for_in_utc() -> None:
    talk, payloads = saying(answer_of(record()))
    zone = ZoneInfo("America/Sao_Paulo")
    with raw_server(talk) as server:
        find(connect(server.url), FOREIGN, since=SINCE.astimezone(zone), until=UNTIL.astimezone(zone))
    between = {"gte": "2026-11-23T17:00:00Z", "lte": "2026-11-23T17:05:00Z"}
    assert payloads[0]["where"]["messageTimestamp"] == between


def test_a_number_or_an_id_that_is_none_is_not_asked_for() -> None:
    with raw_server(answering([])) as server:
        client = connect(server.url)
        with pytest.raises(GatewayError) as caught:
            find(client, "5511987654321")
        with pytest.raises(ValueError, match="without an id"):
            client.find_by_id("loja", "")
    assert (caught.value.outcome, caught.value.code) == (PERMANENT, "invalid_number")
    assert server.connections == 0


# -- Records -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"conversation": "Olá"}, "Olá"),
        ({"extendedTextMessage": {"text": "Veja https://a.example"}}, "Veja https://a.example"),
        ({"conversation": "", "extendedTextMessage": {"text": "Olá"}}, "Olá"),
        ({"conversation": None, "extendedTextMessage": {"text": "Olá"}}, "Olá"),
        ({"conversation": "Olá", "extendedTextMessage": None}, "Olá"),
    ],
)
def test_the_text_is_found_in_either_place(message: object, text: str) -> None:
    assert found_in(answer_of(record(message=message))) == [FoundMessage("3EB01", text, 1795453220)]


KEY = {"id": "3EB02", "fromMe": True, "remoteJid": FOREIGN_JID}


@pytest.mark.parametrize(
    "broken",
    [
        None,
        "text",
        [],
        {},
        record(2, key=None),
        record(2, key="3EB02"),
        record(2, key={**KEY, "id": None}),
        record(2, key={**KEY, "id": ""}),
        record(2, key={**KEY, "id": 7}),
        record(2, key={**KEY, "id": "x" * 101}),
        record(2, key={**KEY, "fromMe": False}),
        record(2, key={**KEY, "fromMe": "true"}),
        record(2, key={**KEY, "remoteJid": JID}),
        record(2, key={"id": "3EB02", "fromMe": True}),
        record(2, message=None),
        record(2, message="text"),
        record(2, message={}),
        record(2, message={"conversation": 7}),
        record(2, message={"extendedTextMessage": "text"}),
        record(2, message={"extendedTextMessage": {"text": ""}}),
        record(2, messageTimestamp=None),
        record(2, messageTimestamp="soon"),
        record(2, messageTimestamp=True),
    ],
)
def test_a_record_that_is_not_whole_or_not_ours_is_left_out(broken: object) -> None:
    found = found_in(answer_of(record(1), broken, record(3)))
    assert [message.text for message in found] == ["text 1", "text 3"]


def test_a_record_without_a_row_id_is_found() -> None:
    nameless = [{name: value for name, value in record(number).items() if name != "id"} for number in (1, 2)]
    assert [message.text for message in found_in(answer_of(*nameless))] == ["text 1", "text 2"]


def test_a_record_that_two_pages_show_is_found_once() -> None:
    pages = [[record(1), record(2)], [record(2), record(3)]]
    found = found_in(*(answer_of(*page, total=3, pages=2) for page in pages))
    assert [message.text for message in found] == ["text 1", "text 2", "text 3"]


# -- No broken answer means "not found" ----------------------------------------------------------

Read = Callable[[EvolutionClient], object]
READS: dict[str, Read] = {
    "find_messages": lambda client: find(client, FOREIGN),
    "find_by_id": lambda client: client.find_by_id("loja", "3EB0AE029FD590A33D65F4"),
}
EACH_READ = pytest.mark.parametrize("read", READS.values(), ids=READS)


def failure_of(read: Read, talk: Talk, *, read_timeout: float = 5) -> GatewayError:
    with raw_server(talk) as server, pytest.raises(GatewayError) as caught:
        read(connect(server.url, read_timeout=read_timeout))
    return caught.value


@EACH_READ
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"<html>",
        b'{"error":true,"message":"[object Object]"}',
        b'{"messages":null}',
        b'{"messages":[]}',
        b'{"messages":{"total":0,"pages":0,"currentPage":1}}',
        b'{"messages":{"total":0,"pages":0,"currentPage":1,"records":null}}',
        b'{"messages":{"total":0,"pages":0,"currentPage":1,"records":{}}}',
        b'{"messages":{"total":0,"pages":"0","currentPage":1,"records":[]}}',
        b'{"messages":{"total":0,"pages":null,"currentPage":1,"records":[]}}',
        b'{"messages":{"total":0,"pages":0.5,"currentPage":1,"records":[]}}',
        b'{"messages":{"total":0,"pages":false,"currentPage":1,"records":[]}}',
        b'{"messages":{"total":0,"pages":-1,"currentPage":1,"records":[]}}',
        b'{"messages":{"total":"0","pages":0,"currentPage":1,"records":[]}}',
        b'{"messages":{"pages":0,"currentPage":1,"records":[]}}',
        b'{"messages":{"total":0,"pages":0,"currentPage":1,"records":[]}',
        b'{"messages":{"records":' + b"[" * 90_000,
    ],
)
def test_a_200_of_another_shape_is_unexpected(read: Read, body: bytes) -> None:
    error = failure_of(read, answering([], body, "200 OK"))
    assert (error.outcome, error.code, error.http_status) == (UNKNOWN, "unexpected_answer", 200)
    assert error.response_body == body.decode()[:2000]
    assert 0 < error.duration < 5


@EACH_READ
@pytest.mark.parametrize(
    ("status", "message", "outcome", "code"),
    [
        ("401 Unauthorized", "Unauthorized", INSTANCE_DOWN, "unauthorized"),
        ("403 Forbidden", "Forbidden", INSTANCE_DOWN, "forbidden"),
        ("404 Not Found", ['The "loja" instance does not exist'], INSTANCE_DOWN, "instance_not_found"),
        ("404 Not Found", ["Cannot POST /chat/findMessages/loja"], INSTANCE_DOWN, "route_not_found"),
        ("404 Not Found", "Not Found", UNKNOWN, "unexpected_answer"),
        ("500 Internal Server Error", "Internal Server Error", UNKNOWN, "gateway_error"),
        ("502 Bad Gateway", "Bad Gateway", UNKNOWN, "bad_gateway"),
        ("302 Found", "Found", UNKNOWN, "unexpected_answer"),
        # For a send, this one means that the message left.
        ("400 Bad Request", ["PrismaClientKnownRequestError: message.create()"], UNKNOWN, "unexpected_answer"),
    ],
)
def test_another_status_keeps_its_code(read: Read, status: str, message: object, outcome: Outcome, code: str) -> None:
    body = json.dumps({**answer_of(), "response": {"message": message}}).encode()
    error = failure_of(read, answering([], body, status))
    assert (error.outcome, error.code, error.http_status) == (outcome, code, int(status[:3]))


@EACH_READ
@pytest.mark.parametrize("status", ["201 Created", "202 Accepted"])
@pytest.mark.parametrize("body", [answer_of(), {"key": {"id": "3EB0", "remoteJid": FOREIGN_JID, "fromMe": True}}])
def test_a_success_that_is_no_200_is_unexpected(read: Read, status: str, body: object) -> None:
    error = failure_of(read, answering([], json.dumps(body).encode(), status))
    assert (error.outcome, error.code, error.http_status) == (UNKNOWN, "unexpected_answer", int(status[:3]))


@EACH_READ
def test_a_body_that_ends_early_is_an_error(read: Read) -> None:
    body = json.dumps(answer_of()).encode()

    def talk(connection: Connection) -> None:
        connection.request()
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:-1])

    error = failure_of(read, talk)
    assert (error.outcome, error.code, error.http_status) == (UNKNOWN, "unexpected_answer", 200)


@EACH_READ
def test_a_body_that_is_too_long_is_an_error(read: Read) -> None:
    body = json.dumps(answer_of(record(message={"conversation": "x" * 1024 * 1024}))).encode()
    error = failure_of(read, answering([], body, "200 OK"))
    assert (error.outcome, error.code, error.http_status) == (UNKNOWN, "unexpected_answer", 200)
    assert len(error.response_body) == 2000


@EACH_READ
def test_a_connection_that_is_refused_keeps_its_code(read: Read) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(GatewayError) as caught:
            read(connect(f"http://127.0.0.1:{bound.getsockname()[1]}"))
    assert (caught.value.outcome, caught.value.code) == (RETRYABLE, "gateway_unreachable")


@EACH_READ
def test_a_connection_that_breaks_is_an_error(read: Read) -> None:
    def talk(connection: Connection) -> None:
        connection.request()
        connection.reset()

    error = failure_of(read, talk)
    assert (error.outcome, error.code, error.http_status) == (UNKNOWN, "connection_reset", None)


@pytest.mark.parametrize(
    ("read", "code"), [("find_messages", "incomplete_answer"), ("find_by_id", "unexpected_answer")]
)
def test_records_that_are_missing_are_an_error(read: str, code: str) -> None:
    error = failure_of(READS[read], answering([], json.dumps(answer_of(total=1, pages=1)).encode(), "200 OK"))
    assert (error.outcome, error.code, error.http_status) == (UNKNOWN, code, 200)


def test_a_page_that_fails_fails_the_search() -> None:
    def talk(connection: Connection) -> None:
        connection.request()
        connection.answer(json.dumps(answer_of(record(1), total=2, pages=2)).encode(), "200 OK")
        connection.request()
        connection.answer(b'{"error":true}', "200 OK")

    error = failure_of(READS["find_messages"], talk)
    assert (error.outcome, error.code, error.response_body) == (UNKNOWN, "unexpected_answer", '{"error":true}')


def test_an_address_that_fails_fails_the_search() -> None:
    def talk(connection: Connection) -> None:
        connection.request()
        connection.answer(json.dumps(answer_of()).encode(), "200 OK")
        connection.request()
        connection.answer(b"", "502 Bad Gateway")

    error = failure_of(find, talk)
    assert (error.outcome, error.code, error.http_status) == (UNKNOWN, "bad_gateway", 502)


@pytest.mark.parametrize("second", [[], [record(2)]])
def test_pages_that_together_lack_a_record_are_an_error(second: list[object]) -> None:
    talk, payloads = saying(
        answer_of(record(1), record(2), total=3, pages=2), answer_of(*second, total=3, pages=2, currentPage=2)
    )
    error = failure_of(READS["find_messages"], talk)
    assert (error.outcome, error.code, error.http_status) == (UNKNOWN, "incomplete_answer", 200)
    assert [payload["page"] for payload in payloads] == [1, 2]


def test_more_pages_than_can_be_read_are_an_error() -> None:
    bodies = [answer_of(record(number), total=50, pages=50) for number in range(50)]
    assert len(found_in(*bodies)) == 50
    talk, payloads = saying(answer_of(record(1), total=51, pages=51))
    error = failure_of(READS["find_messages"], talk)
    assert (error.outcome, error.code, error.http_status) == (UNKNOWN, "too_many_messages", 200)
    assert len(payloads) == 1


def test_an_id_that_was_not_asked_for_is_unexpected() -> None:
    # Else a gateway that ignores the filter would seem to keep no messages.
    error = failure_of(READS["find_by_id"], answering([], json.dumps(answer_of(record())).encode(), "200 OK"))
    assert (error.outcome, error.code, error.http_status) == (UNKNOWN, "unexpected_answer", 200)


# -- Against the sandbox -------------------------------------------------------------------------


@EACH_READ
@pytest.mark.parametrize(
    ("status", "outcome", "code"),
    [(500, UNKNOWN, "gateway_error"), (401, INSTANCE_DOWN, "unauthorized"), (503, UNKNOWN, "bad_gateway")],
)
def test_a_search_that_the_gateway_fails(
    gateway: SandboxProcess, read: Read, status: int, outcome: Outcome, code: str
) -> None:
    gateway.options(search_status=status)
    with pytest.raises(GatewayError) as caught:
        read(connect(gateway.base_url))
    assert (caught.value.outcome, caught.value.code, caught.value.http_status) == (outcome, code, status)


@EACH_READ
def test_a_search_that_hangs(gateway: SandboxProcess, read: Read) -> None:
    gateway.options(search_hang_seconds=5)
    started = time.monotonic()
    with pytest.raises(GatewayError) as caught:
        read(connect(gateway.base_url, read_timeout=0.2))
    assert (caught.value.outcome, caught.value.code) == (UNKNOWN, "read_timeout")
    assert time.monotonic() - started < 5


def test_the_key_and_the_instance_count(gateway: SandboxProcess) -> None:
    for key in ("", "wrong"):
        for read in READS.values():
            with pytest.raises(GatewayError) as caught:
                read(connect(gateway.base_url, key))
            assert (caught.value.outcome, caught.value.code) == (INSTANCE_DOWN, "unauthorized")
    client = connect(gateway.base_url)
    with pytest.raises(GatewayError) as caught:
        client.find_by_id("nao-existe", "3EB0")
    assert (caught.value.outcome, caught.value.code) == (INSTANCE_DOWN, "instance_not_found")
    with pytest.raises(GatewayError) as caught:
        client.find_messages("nao-existe", NUMBER, since=SINCE, until=UNTIL)
    assert (caught.value.outcome, caught.value.code) == (INSTANCE_DOWN, "instance_not_found")


@pytest.mark.parametrize(
    "told", [1795453220, "1795453220", 1795453220.0, {"low": 1795453220, "high": 0, "unsigned": True}]
)
def test_a_time_is_read_in_every_form(told: object) -> None:
    assert found_in(answer_of(record(1, messageTimestamp=told))) == [FoundMessage("3EB01", "text 1", 1795453220)]


@pytest.mark.parametrize(
    ("told", "number"),
    [
        (0, 0), ("007", 7), ({"low": -1, "high": 0}, 2**32 - 1), ({"low": 5, "high": 1}, 2**32 + 5), ({"low": 5}, 5),
        (-1, None), ("-1", None), (1.5, None), (float("nan"), None), (float("inf"), None), (True, None), ("", None),
        ("9" * 20, None), ({"low": "5", "high": 0}, None), ({"low": True}, None), ({"low": 5, "high": -1}, None),
        ({}, None), ([5], None), (None, None),
    ],
)  # fmt: skip
def test_a_whole_number_in_every_form(told: object, number: int | None) -> None:
    assert whole_number(told) == number
