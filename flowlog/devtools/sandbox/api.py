"""The gateway's endpoints that Flowlog uses, and the order in which the gateway checks a call."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from flowlog.devtools.sandbox.faults import instance_not_found
from flowlog.devtools.sandbox.http import Answer, Request, answer, failure
from flowlog.devtools.sandbox.instances import (
    connect,
    connection_state,
    create,
    delete,
    fetch_instances,
    log_out,
    restart,
)
from flowlog.devtools.sandbox.keys import is_key, unauthorized
from flowlog.devtools.sandbox.search import find_messages, find_status
from flowlog.devtools.sandbox.sending import send_text
from flowlog.devtools.sandbox.state import INTEGRATIONS, META, Instance, Sandbox
from flowlog.devtools.sandbox.webhooks import find_webhook, set_webhook

# What answers without a licence.
_FREE = frozenset({"", "health", "manager", "license"})


def respond(sandbox: Sandbox, request: Request) -> Answer:
    """The gateway's answer. A route that is missing wins over everything, an unknown instance over a wrong key."""
    if not sandbox.options.licensed and request.segments[0] not in _FREE:
        return _not_activated(sandbox)
    match request.method, request.segments:
        case "GET", [""]:
            return _welcome(sandbox)
        case "POST", ["instance", "create"]:
            return create(sandbox, request)
        case "GET", ["instance", "fetchInstances"]:
            return fetch_instances(sandbox, request)
        case method, [group, action, name] if name and (method, group, action) in _INSTANCE_ROUTES:
            return _for_instance(sandbox, request, name)
        case _:
            return failure(HTTPStatus.NOT_FOUND, [f"Cannot {request.method} {request.url}"])


def _for_instance(sandbox: Sandbox, request: Request, name: str) -> Answer:
    instance = sandbox.instance(name)
    if instance is None and request.segments[1] == "connectionState":
        instance = sandbox.ghost(name)
    if instance is None or instance.integration == META:
        return instance_not_found(name)
    if not (is_key(request.key, sandbox.api_key) or is_key(request.key, instance.token)):
        return unauthorized()
    group, action, _ = request.segments
    return _INSTANCE_ROUTES[request.method, group, action](sandbox, instance, request)


def _not_activated(sandbox: Sandbox) -> Answer:
    register_url = f"{sandbox.server_url}/license/register?instance=sandbox"
    body = {"error": "service not activated", "code": "LICENSE_REQUIRED", "register_url": register_url}
    return answer(HTTPStatus.SERVICE_UNAVAILABLE, body)


def _welcome(sandbox: Sandbox) -> Answer:
    return answer(
        HTTPStatus.OK,
        {
            "status": 200,
            "message": "Welcome to the Evolution API, it is working!",
            "version": sandbox.options.version,
            "clientName": "evolution",
            "manager": "/phone",
            "documentation": "https://doc.evolution-api.com",
            "whatsappWebVersion": "2.3000.1023223821",
        },
    )


# -- Numbers -------------------------------------------------------------------------------------


def _numbers(sandbox: Sandbox, instance: Instance, request: Request) -> Answer:
    if instance.integration != INTEGRATIONS[0]:
        message = ["Method not available on WhatsApp Business API"]
        return answer(HTTPStatus.BAD_REQUEST, {"status": 400, "error": "Bad Request", "message": message})
    numbers = request.body.get("numbers")
    if not isinstance(numbers, list):
        return failure(HTTPStatus.BAD_REQUEST, [['instance requires property "numbers"']])
    if instance.state != "open":
        return answer(HTTPStatus.BAD_REQUEST, _CLOSED if instance.was_connected else {})
    found = []
    for number in map(str, numbers):
        jid, _ = sandbox.resolve(number)
        exists = sandbox.exists(jid)
        found.append({"jid": jid, "exists": exists, "number": number, **({"name": "Cliente"} if exists else {})})
    return answer(HTTPStatus.OK, found)


# This endpoint passes on the raw error of the library.
_CLOSED = {
    "data": None,
    "isBoom": True,
    "isServer": False,
    "output": {
        "statusCode": 428,
        "payload": {"statusCode": 428, "error": "Precondition Required", "message": "Connection Closed"},
        "headers": {},
    },
}

_INSTANCE_ROUTES: dict[tuple[str, str, str], Callable[[Sandbox, Instance, Request], Answer]] = {
    ("GET", "instance", "connectionState"): connection_state,
    ("GET", "instance", "connect"): connect,
    ("POST", "instance", "restart"): restart,
    ("DELETE", "instance", "logout"): log_out,
    ("DELETE", "instance", "delete"): delete,
    ("POST", "webhook", "set"): set_webhook,
    ("GET", "webhook", "find"): find_webhook,
    ("POST", "message", "sendText"): send_text,
    ("POST", "chat", "findMessages"): find_messages,
    ("POST", "chat", "findStatusMessage"): find_status,
    ("POST", "chat", "whatsappNumbers"): _numbers,
}
