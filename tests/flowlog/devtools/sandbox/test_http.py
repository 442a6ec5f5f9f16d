"""The sandbox gateway's HTTP and its instances, compared with what the real one was seen to answer."""

from __future__ import annotations

import re
import socket
import threading
from datetime import UTC
from typing import Any

import pytest

from flowlog.devtools.sandbox.pages import Pages
from flowlog.devtools.sandbox.server import IDLE_SECONDS, SandboxServer
from flowlog.devtools.sandbox.state import Sandbox
from tests.flowlog.devtools.sandbox.api import MOBILE, Api, assert_error

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
