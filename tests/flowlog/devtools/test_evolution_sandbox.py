"""The sandbox gateway, compared with what the real one was seen to answer."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from flowlog.devtools import sandbox as sandbox_package
from flowlog.devtools.sandbox.faults import BY_ENDING, MAGIC_NUMBERS, Fault
from flowlog.devtools.sandbox.formatting import preview, to_html
from flowlog.devtools.sandbox.jids import create_jid, variants
from flowlog.devtools.sandbox.pages import Pages
from flowlog.devtools.sandbox.server import IDLE_SECONDS, SandboxServer
from flowlog.devtools.sandbox.state import Sandbox
from tests.integrations.sandbox import BASE_DIR, SandboxProcess, sandbox

MOBILE = "5511987654321"
ESCAPED_URL = "https://a.example/x_y_z?a=1&amp;b=2"
JID = f"{MOBILE}@s.whatsapp.net"


class Api:
    """The gateway's HTTP interface, as a client without manners."""

    def __init__(self, process: SandboxProcess) -> None:
        self.process = process
        self.session = requests.Session()
        self.session.trust_env = False

    def call(
        self, method: str, path: str, json: Any = None, *, key: str | None = "test-key", **more: Any
    ) -> requests.Response:
        headers = {**({} if key is None else {"apikey": key}), **more.pop("headers", {})}
        return self.session.request(
            method, self.process.base_url + path, json=json, headers=headers, timeout=10, **more
        )

    def send(self, text: Any = "Olá", number: Any = MOBILE, **more: Any) -> requests.Response:
        return self.call("POST", "/message/sendText/loja", {"number": number, "text": text, **more})

    def find(self, where: Mapping[str, Any], **more: Any) -> list[str]:
        answer = self.call("POST", "/chat/findMessages/loja", {"where": where, **more})
        assert answer.status_code == 200
        return [record["message"]["conversation"] for record in answer.json()["messages"]["records"]]


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


def assert_error(answer: requests.Response, status: int, name: str, message: object) -> None:
    assert answer.status_code == status
    assert answer.json() == {"status": status, "error": name, "response": {"message": message}}


# -- HTTP ----------------------------------------------------------------------------------------


def test_the_root_welcomes_without_a_key(api: Api) -> None:
    answer = api.call("GET", "/", key=None)
    assert answer.status_code == 200
    assert answer.json() == {
        "status": 200,
        "message": "Welcome to the Evolution API, it is working!",
        "version": "2.3.7",
        "clientName": "evolution",
        "manager": "/phone",
        "documentation": "https://doc.evolution-api.com",
        "whatsappWebVersion": "2.3000.1023223821",
    }


def test_headers_are_those_of_a_connection_kept_for_five_seconds(api: Api) -> None:
    headers = api.send().headers
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert headers["Connection"] == "keep-alive"
    assert headers["Keep-Alive"] == "timeout=5"


@pytest.mark.parametrize(
    ("how", "key"),
    [
        ({}, None),
        ({}, "wrong"),
        ({}, ""),
        ({"headers": {"Authorization": "Bearer test-key"}}, None),
        ({"params": {"apikey": "test-key"}}, None),
    ],
)
def test_only_the_apikey_header_opens(api: Api, how: dict[str, Any], key: str | None) -> None:
    for method, path in (
        ("POST", "/message/sendText/loja"),
        ("GET", "/instance/connectionState/loja"),
        ("GET", "/instance/fetchInstances"),
    ):
        assert_error(api.call(method, path, {}, key=key, **how), 401, "Unauthorized", "Unauthorized")
    assert api.process.messages() == []


def test_an_unknown_instance_is_404_even_with_a_wrong_key(api: Api) -> None:
    for key in ("test-key", "wrong"):
        answer = api.call("POST", "/message/sendText/nao-existe", {"number": MOBILE, "text": "Olá"}, key=key)
        assert_error(answer, 404, "Not Found", ['The "nao-existe" instance does not exist'])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/message/sendFoo/evo1"),
        ("GET", "/message/sendText/loja"),
        ("POST", "/message/sendText/"),
        ("DELETE", "/x?y=1"),
    ],
)
def test_an_unknown_route_is_404_without_a_key(api: Api, method: str, path: str) -> None:
    assert_error(api.call(method, path, key=None), 404, "Not Found", [f"Cannot {method} {path}"])


@pytest.mark.parametrize(
    ("content", "message"), [(b'{"number":', "Unexpected end of JSON input"), (b"{x}", None), (b"[" * 90_000, None)]
)
def test_malformed_json_fails_before_anything_else(api: Api, content: bytes, message: str | None) -> None:
    headers = {"Content-Type": "application/json"}
    answer = api.call("POST", "/message/sendText/nao-existe", data=content, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"] == "Internal Server Error"
    assert message is None or answer.json()["response"] == {"message": message}


def test_json_without_its_type_is_an_empty_body(api: Api) -> None:
    answer = api.call("POST", "/message/sendText/loja", data=b'{"number":"5511987654321","text":"a"}')
    both = [['instance requires property "number"', 'instance requires property "text"']]
    assert_error(answer, 400, "Bad Request", both)


def test_a_form_is_accepted(api: Api) -> None:
    assert api.call("POST", "/message/sendText/loja", data={"number": MOBILE, "text": "Olá"}).status_code == 201


def test_an_idle_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert IDLE_SECONDS == 5
    server = SandboxServer("127.0.0.1", 0, Sandbox("test-key"), Pages(UTC))
    monkeypatch.setattr(server.RequestHandlerClass, "timeout", 0.2)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        with socket.create_connection(server.server_address[:2], timeout=5) as sock:  # type: ignore[arg-type]
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert sock.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
            assert sock.recv(65536) == b""
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# -- Instances -----------------------------------------------------------------------------------


def test_creating_an_instance(api: Api) -> None:
    body = {"instanceName": "nova", "integration": "WHATSAPP-BAILEYS", "token": "TOKEN-NOVA", "groupsIgnore": True}
    answer = api.call("POST", "/instance/create", body)
    created = answer.json()
    assert answer.status_code == 201
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", created["instance"].pop("instanceId"))
    assert created["instance"] == {
        "instanceName": "nova",
        "integration": "WHATSAPP-BAILEYS",
        "webhookWaBusiness": None,
        "accessTokenWaBusiness": "",
        "status": "close",
    }
    assert created["hash"] == "TOKEN-NOVA"
    assert created["settings"] == {
        "rejectCall": False,
        "msgCall": "",
        "groupsIgnore": True,
        "alwaysOnline": False,
        "readMessages": False,
        "readStatus": False,
        "syncFullHistory": False,
        "wavoipToken": "",
    }
    assert set(created) == {"instance", "hash", "webhook", "websocket", "rabbitmq", "nats", "sqs", "settings"}
    # Its token opens it, and nothing else.
    state = api.call("GET", "/instance/connectionState/nova", key="TOKEN-NOVA")
    assert state.json() == {"instance": {"instanceName": "nova", "state": "close"}}
    assert api.call("GET", "/instance/connectionState/loja", key="TOKEN-NOVA").status_code == 401
    assert api.call("POST", "/instance/create", {"instanceName": "x"}, key="TOKEN-NOVA").status_code == 401
    listed = api.call("GET", "/instance/fetchInstances", key="TOKEN-NOVA").json()
    assert [instance["name"] for instance in listed] == ["nova"]
    # It was never connected: the number is looked up first, and there is nobody to ask.
    send = api.call("POST", "/message/sendText/nova", {"number": "5511955554444", "text": "Olá"})
    assert_error(send, 500, "Internal Server Error", "Cannot read properties of undefined (reading 'onWhatsApp')")


@pytest.mark.parametrize(
    ("body", "key", "status", "message"),
    [
        ({"instanceName": "loja"}, "wrong", 403, ['This name "loja" is already in use.']),
        ({"instanceName": "b"}, "wrong", 401, "Unauthorized"),
        ({"instanceName": "b"}, "test-key", 400, ["Invalid integration"]),
        ({"instanceName": "b", "integration": "X"}, "test-key", 400, ["Invalid integration"]),
        ({"instanceName": "b", "integration": "WHATSAPP-BUSINESS"}, "test-key", 400, ["number is required"]),
    ],
)
def test_an_instance_that_cannot_be_created(
    api: Api, body: dict[str, str], key: str, status: int, message: object
) -> None:
    answer = api.call("POST", "/instance/create", body, key=key)
    assert (answer.status_code, answer.json()["response"]["message"]) == (status, message)


def test_listing_instances(api: Api) -> None:
    api.send()
    (found,) = api.call("GET", "/instance/fetchInstances?instanceName=loja").json()
    assert {name: found[name] for name in ("name", "connectionStatus", "integration", "clientName", "_count")} == {
        "name": "loja",
        "connectionStatus": "open",
        "integration": "WHATSAPP-BAILEYS",
        "clientName": "evolution",
        "_count": {"Message": 1, "Contact": 1, "Chat": 1},
    }
    assert set(found) == {
        *("id", "name", "connectionStatus", "ownerJid", "profileName", "profilePicUrl", "integration", "number"),
        *("businessId", "token", "clientName", "disconnectionReasonCode", "disconnectionObject", "disconnectionAt"),
        *("createdAt", "updatedAt", "Chatwoot", "Proxy", "Rabbitmq", "Nats", "Sqs", "Websocket", "Setting", "_count"),
    }
    missing = api.call("GET", "/instance/fetchInstances?instanceName=zzz")
    assert_error(missing, 404, "Not Found", ['Instance "zzz" not found'])


# -- Sending -------------------------------------------------------------------------------------


def test_a_sent_text_answers_as_the_real_one(api: Api) -> None:
    before = int(time.time())
    answer = api.send("Seu pedido #123 foi confirmado")
    sent = answer.json()
    assert answer.status_code == 201
    assert re.fullmatch(r"3EB0[0-9A-F]{18}", sent["key"].pop("id"))
    assert before <= sent.pop("messageTimestamp") <= time.time()
    assert re.fullmatch(r"[0-9a-f-]{36}", sent.pop("instanceId"))
    low = sent["contextInfo"]["ephemeralSettingTimestamp"].pop("low")
    assert isinstance(low, int)
    assert sent == {
        "key": {"remoteJid": JID, "fromMe": True},
        "pushName": "Você",
        "status": "PENDING",
        "message": {"conversation": "Seu pedido #123 foi confirmado"},
        "contextInfo": {
            "mentionedJid": [],
            "groupMentions": [],
            "ephemeralSettingTimestamp": {"high": 0, "unsigned": False},
            "disappearingMode": {"initiator": 0},
        },
        "messageType": "conversation",
        "source": "web",
    }
    assert api.process.texts(f"+{MOBILE}") == ["Seu pedido #123 foi confirmado"]


def test_the_same_body_twice_is_two_messages(api: Api) -> None:
    first, second = (api.send("Olá", messageId="A", linkPreview=False).json()["key"]["id"] for _ in range(2))
    assert first != second
    assert api.process.texts() == ["Olá", "Olá"]


TEXT_MISSING = 'instance requires property "text"'


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"number": MOBILE}, [[TEXT_MISSING]]),
        ({"text": "a"}, [['instance requires property "number"']]),
        ({"number": 5511987654321, "text": "a"}, [["Invalid format"]]),
        ({"number": MOBILE, "text": None}, [["text is not of a type(s) string"]]),
        ({"number": MOBILE, "text": 7}, [["text is not of a type(s) string"]]),
        ({"number": MOBILE, "text": "a", "delay": "1000"}, [["Enter a value in milliseconds"]]),
        ({"number": MOBILE, "text": "a", "mentioned": []}, [["mentioned does not meet minimum length of 1"]]),
        ({"number": MOBILE, "text": " \n"}, ["Text is required"]),
        ({"number": MOBILE, "textMessage": {"text": "a"}, "options": {}}, [[TEXT_MISSING]]),
        ({"number": "", "text": "a"}, [{"jid": "@s.whatsapp.net", "exists": False, "number": ""}]),
        (
            {"number": "5511900009001", "text": "a"},
            [{"jid": "5511900009001@s.whatsapp.net", "exists": False, "number": "5511900009001"}],
        ),
    ],
)
def test_a_body_that_is_refused(api: Api, body: dict[str, Any], errors: object) -> None:
    assert_error(api.call("POST", "/message/sendText/loja", body), 400, "Bad Request", errors)
    assert api.process.messages() == []


def test_the_id_that_is_asked_for_is_the_candidates_alone(api: Api) -> None:
    wanted = "3EB00123456789ABCDEF01"
    assert api.send(messageId=wanted).json()["key"]["id"] != wanted
    api.process.clear()
    api.process.options(version="2.4.0-rc2")
    assert api.send("Olá", messageId=wanted).json()["key"]["id"] == wanted
    # A repeat is the same message, on the phone and in the gateway.
    assert api.send("Olá", messageId=wanted).json()["key"]["id"] == wanted
    assert [each["key_id"] for each in api.process.messages()] == [wanted]
    assert api.find({"key": {"id": wanted}}) == ["Olá"]
    for nothing in ("", None, 7):
        assert api.send(messageId=nothing).json()["key"]["id"] != wanted
    assert len(api.process.messages()) == 4


def test_without_a_licence_hardly_anything_answers(api: Api) -> None:
    api.process.options(licensed=False)
    for method, path in (
        ("POST", "/message/sendText/loja"),
        ("GET", "/instance/connectionState/loja"),
        ("GET", "/instance/fetchInstances"),
        ("POST", "/instance/create"),
        ("GET", "/nowhere"),
    ):
        for key in ("test-key", None):
            answer = api.call(method, path, {"number": MOBILE, "text": "Olá"}, key=key)
            assert answer.status_code == 503
            said = answer.json()
            assert said.pop("register_url").startswith(f"{api.process.base_url}/license/")
            assert said == {"error": "service not activated", "code": "LICENSE_REQUIRED"}
    assert api.call("GET", "/", key=None).status_code == 200
    assert api.process.messages() == []


def test_what_the_database_says_does_not_tell_which_query_failed(api: Api) -> None:
    """The same words before the send and after it; only their form and the class of the error differ."""
    before = api.send(number="5511912349020")
    after = api.send(number="5511912349011")
    assert (before.status_code, after.status_code) == (500, 400)
    text = before.json()["response"]["message"]
    assert text.startswith("\nInvalid `this.prismaRepository.contact.findMany()` invocation in\n")
    assert "→ 198 " in text
    assert after.json()["response"]["message"] == [f"PrismaClientKnownRequestError: {text}"]
    assert [each["number"] for each in api.process.messages()] == ["5511912349011"]


def test_a_delay_blocks_the_call(api: Api) -> None:
    started = time.monotonic()
    assert api.send(delay=250).status_code == 201
    assert time.monotonic() - started >= 0.25
    assert api.send(delay=-5).status_code == 201


def test_a_disconnected_instance_fails_in_two_ways(api: Api) -> None:
    api.send()
    api.process.disconnect("loja")
    assert_error(api.send(), 400, "Bad Request", ["Error: Connection Closed"])
    assert_error(api.send(number="5511955554444"), 500, "Internal Server Error", "Connection Closed")
    assert len(api.process.messages()) == 1
    api.process.disconnect("loja", disconnected=False)
    assert api.send().status_code == 201


def test_the_other_kinds_of_instance(api: Api) -> None:
    for name, integration in (("direta", "EVOLUTION"), ("oficial", "WHATSAPP-BUSINESS")):
        body = {"instanceName": name, "integration": integration, "number": "1234567890"}
        assert api.call("POST", "/instance/create", body).status_code == 201
    sent = api.call("POST", "/message/sendText/direta", {"number": MOBILE, "text": ""}).json()
    assert sent["key"]["remoteJid"] == MOBILE
    assert "status" not in sent
    sent = api.call("POST", "/message/sendText/oficial", {"number": MOBILE, "text": "Olá"}).json()
    assert sent["key"]["id"].startswith("wamid.")
    assert (sent["key"]["remoteJid"], sent["status"]) == (JID, "PENDING")


@pytest.mark.parametrize("transient", [False, True])
def test_meta_refuses_with_any_code_under_a_201(api: Api, transient: bool) -> None:
    body = {"instanceName": "meta", "integration": "WHATSAPP-BUSINESS", "number": "1234567890"}
    api.call("POST", "/instance/create", body)
    api.process.options(meta_code=131047, meta_transient=transient)
    answer = api.call("POST", "/message/sendText/meta", {"number": MOBILE, "text": "Olá"})
    said = answer.json()
    assert (answer.status_code, said["code"], "key" in said) == (201, 131047, False)
    assert said.get("is_transient", False) is transient
    assert api.process.messages() == []
    # It has nothing to say of the other kinds of instance.
    assert api.send().status_code == 201


# -- Numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "jid"),
    [
        ("5511987654321", "5511987654321@s.whatsapp.net"),
        ("5531987654321", "553187654321@s.whatsapp.net"),
        ("5585999998888", "558599998888@s.whatsapp.net"),
        ("5531977776666", "553177776666@s.whatsapp.net"),
        ("5531912345678", "5531912345678@s.whatsapp.net"),
        ("5530987654321", "5530987654321@s.whatsapp.net"),
        ("551187654321", "551187654321@s.whatsapp.net"),
        ("+55 (11) 98765-4321", "5511987654321@s.whatsapp.net"),
        ("11987654321", "11987654321@s.whatsapp.net"),
        ("005511987654321", "005511987654321@s.whatsapp.net"),
        ("5511987654321@s.whatsapp.net", "5511987654321@s.whatsapp.net"),
        ("987654321098765@lid", "987654321098765@lid"),
        ("120363000000000000", "120363000000000000@g.us"),
        ("abc", "@s.whatsapp.net"),
    ],
)
def test_the_address_of_a_number(number: str, jid: str) -> None:
    assert create_jid(number) == jid


def test_the_numbers_rules_are_the_sandboxs_own() -> None:
    """A witness that knows addresses from the product would share its mistakes."""
    package = Path(sandbox_package.__file__).parent
    borrowed = re.compile(r"import .*\bjids\b|evolution\.(jids|classify|client|messages|meta)\b")
    for source in package.glob("*.py"):
        own = source.read_text().replace("flowlog.devtools.sandbox.jids", "")
        assert borrowed.findall(own) == []


def test_an_address_with_and_without_the_ninth_digit_is_one() -> None:
    assert variants(JID) == (JID, "551187654321@s.whatsapp.net")
    assert variants("553187654321@s.whatsapp.net") == ("553187654321@s.whatsapp.net", "5531987654321@s.whatsapp.net")
    assert variants("12125550123@s.whatsapp.net") == ("12125550123@s.whatsapp.net",)


def test_a_landline_reaches_the_mobile_that_is_known(api: Api) -> None:
    assert api.send(number="551140001234").json()["key"]["remoteJid"] == "551140001234@s.whatsapp.net"
    api.process.clear()
    assert api.send(number="5511940001234").json()["key"]["remoteJid"] == "5511940001234@s.whatsapp.net"
    assert api.send(number="551140001234").json()["key"]["remoteJid"] == "5511940001234@s.whatsapp.net"


def test_messages_are_found_by_either_form_of_the_number(api: Api) -> None:
    assert api.send(number="5531987654321").json()["key"]["remoteJid"] == "553187654321@s.whatsapp.net"
    for number in ("+5531987654321", "553187654321"):
        assert api.process.texts(number) == ["Olá"]
    assert api.process.texts("+5531987654322") == []


def test_asking_which_numbers_are_on_whatsapp(api: Api) -> None:
    numbers = [MOBILE, "5511900009001"]
    answer = api.call("POST", "/chat/whatsappNumbers/loja", {"numbers": numbers})
    assert answer.status_code == 200
    assert answer.json() == [
        {"jid": JID, "exists": True, "number": MOBILE, "name": "Cliente"},
        {"jid": "5511900009001@s.whatsapp.net", "exists": False, "number": "5511900009001"},
    ]
    api.process.disconnect("loja")
    answer = api.call("POST", "/chat/whatsappNumbers/loja", {"numbers": numbers})
    assert answer.status_code == 400
    assert answer.json() == {
        "data": None,
        "isBoom": True,
        "isServer": False,
        "output": {
            "statusCode": 428,
            "payload": {"statusCode": 428, "error": "Precondition Required", "message": "Connection Closed"},
            "headers": {},
        },
    }


# -- Looking messages up -------------------------------------------------------------------------


def test_a_message_that_is_found_looks_as_in_the_real_one(api: Api) -> None:
    api.process.options(receipts=False)
    sent = api.send("TIMEOUT-PROBE-1").json()
    body = {"where": {"key": {"remoteJid": JID, "fromMe": True}}, "page": 1, "offset": 50}
    found = api.call("POST", "/chat/findMessages/loja", body).json()
    (record,) = found["messages"].pop("records")
    assert found == {"messages": {"total": 1, "pages": 1, "currentPage": 1}}
    assert record.pop("id").startswith("cm")
    assert record == {
        "key": {"id": sent["key"]["id"], "fromMe": True, "remoteJid": JID},
        "pushName": "Você",
        "messageType": "conversation",
        "message": {"conversation": "TIMEOUT-PROBE-1"},
        "messageTimestamp": sent["messageTimestamp"],
        "instanceId": sent["instanceId"],
        "source": "web",
        "contextInfo": sent["contextInfo"],
        "MessageUpdate": [],
    }


def test_filters_that_work(api: Api) -> None:
    key_id = api.send("1").json()["key"]["id"]
    api.send("2", number="5511955554444")
    api.call("POST", "/message/sendText/outra", {"number": MOBILE, "text": "3"})
    record = api.call("POST", "/chat/findMessages/loja", {"where": {"key": {"id": key_id}}}).json()
    assert api.find({"id": record["messages"]["records"][0]["id"]}) == ["1"]
    assert api.find({}) == ["2", "1"]
    assert api.find({"key": {"id": key_id}}) == ["1"]
    assert api.find({"key": {"remoteJid": JID}}) == ["1"]
    assert api.find({"key": {"remoteJid": MOBILE}}) == []
    assert api.find({"key": {"fromMe": True, "participants": "someone@lid"}}) == []
    assert api.find({"source": "web", "messageType": "conversation"}) == ["2", "1"]
    assert api.find({"source": "android"}) == []
    assert api.find({"messageType": "imageMessage"}) == []


def test_filters_that_are_ignored(api: Api) -> None:
    api.send("1")
    assert api.find({"message": {"conversation": "another"}}) == ["1"]
    assert api.find({"key": {"fromMe": False}}) == ["1"]
    past, future = (f"{datetime.now(UTC) + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}" for hours in (-1, 1))
    assert api.find({"messageTimestamp": {"gte": past, "lte": future}}) == ["1"]
    assert api.find({"messageTimestamp": {"gte": past, "lte": past}}) == []
    assert api.find({"messageTimestamp": {"gte": future, "lte": future}}) == []
    # One end alone filters nothing.
    assert api.find({"messageTimestamp": {"gte": future}}) == ["1"]
    assert api.find({"messageTimestamp": {"lte": past}}) == ["1"]


def test_pages(api: Api) -> None:
    for text in "12345":
        api.send(text)
    assert api.find({}, page=1, offset=2) == ["5", "4"]
    assert api.find({}, page=3, offset=2) == ["1"]
    answer = api.call("POST", "/chat/findMessages/loja", {"where": {}, "page": 2, "offset": 2}).json()["messages"]
    assert (answer["total"], answer["pages"], answer["currentPage"]) == (5, 3, 2)


def test_what_the_gateway_does_not_store_it_does_not_find(api: Api) -> None:
    api.send("not stored", number="5511912349011")
    api.process.options(keep_messages=False)
    api.send("not kept")
    assert api.find({}) == []
    assert api.process.texts() == ["not stored", "not kept"]


def test_a_forgetful_instance_does_not_find_what_it_sends_from_then_on(api: Api) -> None:
    api.send("before")
    api.process.forget("loja")
    key_id = api.send("forgotten").json()["key"]["id"]
    api.call("POST", "/message/sendText/outra", {"number": MOBILE, "text": "of another"})
    options = api.process.options()
    assert (options["forgetful"]["loja"], options["forgetful"]["outra"]) == (True, False)
    api.process.forget("loja", forgetful=False)
    api.send("after")
    assert api.find({}) == ["after", "before"]
    assert api.find({"key": {"id": key_id}}) == []
    of_another = api.call("POST", "/chat/findMessages/outra", {"where": {}}).json()["messages"]
    assert of_another["total"] == 1
    assert api.process.texts() == ["before", "forgotten", "of another", "after"]


def test_a_search_fails_with_the_status_that_was_asked_for(api: Api) -> None:
    api.send()
    for status, name in ((500, "Internal Server Error"), (401, "Unauthorized"), (503, "Service Unavailable")):
        api.process.options(search_status=status)
        assert_error(api.call("POST", "/chat/findMessages/loja", {"where": {}}), status, name, name)
    assert api.send().status_code == 201
    api.process.options(search_status=0)
    assert api.find({}) == ["Olá", "Olá"]


def test_a_search_hangs(api: Api) -> None:
    api.process.options(search_hang_seconds=0.25)
    started = time.monotonic()
    assert api.find({}) == []
    assert time.monotonic() - started >= 0.25


def test_the_options_can_be_put_back_as_they_were(api: Api) -> None:
    before = api.process.options()
    api.process.options(search_status=500, search_hang_seconds=9, fault="hang", forgetful={"loja": True})
    healthy = {name: value for name, value in before.items() if name != "instances"}
    assert api.process.options(**healthy) == before


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
    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_the_release_that_it_plays_is_chosen_at_the_start() -> None:
    with sandbox("loja", options=("--plays=2.4.0-rc2",)) as candidate:
        answer = requests.get(candidate.base_url, timeout=10)
        assert answer.json()["version"] == candidate.options()["version"] == "2.4.0-rc2"


def test_a_port_in_use_is_a_clear_error(process: SandboxProcess) -> None:
    with pytest.raises(RuntimeError, match="did not start"), sandbox("loja", options=(f"--port={process.port}",)):
        pass


# -- The phone -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*Olá*", "<strong>Olá</strong>"),
        ("_Olá_, ~não~", "<em>Olá</em>, <s>não</s>"),
        ("*_as duas_*", "<strong><em>as duas</em></strong>"),
        ("2*3*4 e a_b_c", "2*3*4 e a_b_c"),
        ("* não *", "* não *"),
        ("**", "**"),
        ("a\nb", "a<br>b"),
        ("<b>&\"'", "&lt;b&gt;&amp;&quot;&#x27;"),
        ("*<i>*", "<strong>&lt;i&gt;</strong>"),
        (
            "Veja https://a.example/x_y_z?a=1&b=2.",
            f'Veja <a href="{ESCAPED_URL}" target="_blank" rel="noopener noreferrer">{ESCAPED_URL}</a>.',
        ),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ('https://a"onmouseover="b', None),
    ],
)
def test_formatting(text: str, html: str | None) -> None:
    if html is None:
        assert 'onmouseover="' not in to_html(text)
    else:
        assert to_html(text) == html


def test_a_preview_is_one_line_without_marks() -> None:
    assert preview("*Olá*, _Ana_!\n\nTudo ~bem~?") == "Olá, Ana! Tudo bem?"


def test_the_page_shows_a_phone_and_escapes_what_it_shows(api: Api) -> None:
    api.send("<script>alert('x')</script> *Olá*", number="5531987654321")
    api.send("<img src=x onerror=alert(1)>")
    page = api.call("GET", "/phone/553187654321", key=None)
    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; <strong>Olá</strong>" in page.text
    assert "<script>" not in page.text
    assert "<img" not in page.text
    assert "+55 (31) 8765-4321" in page.text
    # The chat of one phone does not show the messages of another; the list shows both.
    assert page.text.count('class="bubble"') == 1
    assert page.text.count('class="phone-line') == 2
    assert api.call("GET", "/phone/+5531987654321", key=None).text.count('class="bubble"') == 1


def test_the_pages_allow_nothing_from_elsewhere(api: Api) -> None:
    for path in ("/phone", f"/phone/{MOBILE}", "/phone/instances", "/phone/static/phone.js", "/phone/nobody"):
        headers = api.call("GET", path, key=None).headers
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_is_rendered_again_only_when_there_is_something_new(api: Api) -> None:
    tag = api.call("GET", "/phone", key=None).headers["ETag"]
    again = api.call("GET", "/phone", key=None, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    api.send()
    assert api.call("GET", "/phone", key=None, headers={"If-None-Match": tag}).status_code == 200


def test_the_page_shows_ticks_and_replies(api: Api) -> None:
    api.process.options(receipts=False)
    key_id = api.send("Saiu para <entrega>").json()["key"]["id"]
    path = f"/phone/{MOBILE}"
    for status, ticks in (("SERVER_ACK", "sent"), ("DELIVERY_ACK", "delivered"), ("READ", "read")):
        api.process.receipt(key_id, status)
        assert re.findall('class="ticks ([a-z]+)"', api.call("GET", path, key=None).text) == [ticks]
    api.process.disconnect("loja")
    api.process.reply(MOBILE, "<script>obrigada</script>", quoted=key_id)
    page = api.call("GET", path, key=None).text
    assert "<script>obrigada" not in page
    assert "<blockquote>Saiu para &lt;entrega&gt;</blockquote><p>&lt;script&gt;obrigada&lt;/script&gt;</p>" in page
    assert re.findall('class="ticks ([a-z]+)"', page) == ["read", "sent"]
    api.process.disconnect("loja", disconnected=False)
    page = api.call("GET", path, key=None).text
    assert re.findall('class="ticks ([a-z]+)"', page) == ["read", "delivered"]
    # The list counts what the shop sent, and shows who wrote last.
    assert '<span class="snippet">Você: &lt;script&gt;obrigada&lt;/script&gt;</span>' in page
    assert 'title="mensagens recebidas">1</span>' in page


def test_a_message_that_did_not_arrive_shows_it(api: Api) -> None:
    api.process.options(receipts=False)
    api.process.receipt(api.send().json()["key"]["id"], "ERROR")
    page = api.call("GET", f"/phone/{MOBILE}", key=None).text
    assert re.findall('class="ticks ([a-z]+)"', page) == ["error"]
    assert "Marcar como lidas" not in page


def post(api: Api, path: str, form: Mapping[str, str] | None = None, **headers: str) -> requests.Response:
    """A form that a browser sends."""
    return api.call("POST", path, key=None, data=form or {"": ""}, headers=headers, allow_redirects=False)


def test_the_customer_writes_and_reads_on_the_page(api: Api) -> None:
    api.process.options(server_ack_seconds=None, delivery_ack_seconds=None, read_seconds=None)
    path = f"/phone/{MOBILE}"
    key_id = api.send("Primeira").json()["key"]["id"]
    assert "Marcar como lidas" in api.call("GET", path, key=None).text
    done = post(api, f"{path}/read", Origin=api.process.base_url)
    assert (done.status_code, done.headers["Location"]) == (303, path)
    assert api.process.messages()[0]["updates"] == ["SERVER_ACK", "DELIVERY_ACK", "READ"]
    assert "Marcar como lidas" not in api.call("GET", path, key=None).text
    page = api.call("GET", f"{path}?responder={key_id}", key=None).text
    assert f'<input type="hidden" name="quoted" value="{key_id}"><span>Primeira</span>' in page
    assert post(api, f"{path}/reply", {"text": "Oi", "quoted": key_id}).status_code == 303
    assert post(api, f"{path}/reply", {"text": "", "quick": "SAIR"}).status_code == 303
    # Nothing to say, nothing sent.
    assert post(api, f"{path}/reply", {"text": " "}).status_code == 303
    replies = re.findall('<article class="bubble own".*?<p>(.*?)</p>', api.call("GET", path, key=None).text)
    assert replies == ["Oi", "SAIR"]


def test_the_customer_changes_and_takes_back_on_the_page(api: Api) -> None:
    path = f"/phone/{MOBILE}"
    shops = api.send().json()["key"]["id"]
    first, second = (api.process.reply(MOBILE, text) for text in ('"<Bom> dia"', "Quero devolver"))
    page = api.call("GET", path, key=None).text
    assert page.count(">Editar</a>") == page.count(">Apagar</button>") == 2
    page = api.call("GET", f"{path}?editar={first}", key=None).text
    assert f'name="key_id" value="{first}"' in page
    assert 'value="&quot;&lt;Bom&gt; dia&quot;"' in page
    assert post(api, f"{path}/edit", {"key_id": first, "text": "SAIR"}).status_code == 303
    assert post(api, f"{path}/delete", {"key_id": second}).status_code == 303
    # Nobody changes the shop's messages, or says nothing.
    assert post(api, f"{path}/edit", {"key_id": shops, "text": "outra"}).status_code == 303
    assert post(api, f"{path}/edit", {"key_id": first, "text": " "}).status_code == 303
    page = api.call("GET", path, key=None).text
    said = re.findall('<article class="bubble(?: own)?".*?<p>(.*?)</p>', page)
    assert said == ["Olá", "SAIR", "<em>Mensagem apagada</em>"]
    assert page.count("<span>editada</span>") == 1
    assert page.count(">Editar</a>") == 1
    for key_id in (second, shops, "nothing"):
        assert "Editar: " not in api.call("GET", f"{path}?editar={key_id}", key=None).text


def test_the_connections_page(api: Api) -> None:
    assert api.process.options(connect_seconds=0)["instances"]["loja"] == "open"
    for action, state, offered in (
        ("disconnect", "close", "Conectar"),
        ("connect", "open", "Cortar a conexão"),
        ("log-out", "close", "Mostrar o QR code"),
        ("show-code", "connecting", "Ler o código"),
        ("pair", "open", "Encerrar a sessão no celular"),
    ):
        if action == "pair":
            picture = api.call("GET", "/phone/instances/loja/code.png", key=None)
            assert (picture.headers["Content-Type"], picture.content[:8]) == ("image/png", b"\x89PNG\r\n\x1a\n")
        done = post(api, f"/phone/instances/loja/{action}")
        assert (done.status_code, done.headers["Location"]) == (303, "/phone/instances")
        assert api.process.options()["instances"]["loja"] == state
        assert offered in api.call("GET", "/phone/instances", key=None).text
    assert api.call("GET", "/phone/instances/loja/code.png", key=None).status_code == 404


def test_behaviour_is_chosen_on_the_page(api: Api) -> None:
    before = api.process.options()
    for choice, option, value in (
        (1, "receipts", False),
        (0, "receipts", True),
        (3, "read_seconds", None),
        (2, "read_seconds", 5),
        (7, "reply_form", "nameless"),
        (6, "reply_form", "anonymous"),
        (5, "reply_form", "lid"),
        (4, "reply_form", "number"),
    ):
        assert post(api, f"/phone/behaviour/{choice}").status_code == 303
        assert api.process.options()[option] == value
        assert api.call("GET", "/phone/instances", key=None).text.count('aria-pressed="true"') == 3
    assert api.process.options() == before


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Host": "rebound.example", "Origin": "http://rebound.example"},
    ],
)
def test_no_other_site_presses_a_button(api: Api, headers: dict[str, str]) -> None:
    before = api.process.options()
    for path in (f"/phone/{MOBILE}/reply", "/phone/instances/loja/log-out", "/phone/behaviour/1"):
        assert post(api, path, {"text": "a"}, **headers).status_code == 403
    assert api.process.options() == before
    assert "bubble own" not in api.call("GET", f"/phone/{MOBILE}", key=None).text


@pytest.mark.parametrize(
    "path",
    ["/phone/behaviour/8", "/phone/instances/loja/delete", "/phone/abc/reply", f"/phone/{MOBILE}/clear", "/phone"],
)
def test_there_are_no_other_buttons(api: Api, path: str) -> None:
    assert post(api, path).status_code == 404


@pytest.mark.parametrize(
    "path", ["/phone/abc", "/phone/static/../server.py", "/phone/static/%2e%2e%2fpages.py", "/phone/1/2"]
)
def test_nothing_but_the_pages_is_served(api: Api, path: str) -> None:
    connection = requests.Request("GET", api.process.base_url).prepare()
    connection.url = api.process.base_url + path
    assert api.session.send(connection, timeout=10).status_code == 404


def test_a_phone_without_messages_and_the_magic_numbers_are_shown(api: Api) -> None:
    page = api.call("GET", f"/phone/{MOBILE}", key=None).text
    assert "Este celular ainda não recebeu mensagens." in page
    assert "+55 (11) 98765-4321" in page
    assert all(number.ending in page for number in MAGIC_NUMBERS)
