"""The gateway's endpoints that Flowlog uses, and the order in which the gateway checks a call."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus

from integrations.evolution.sandbox.archive import Message
from integrations.evolution.sandbox.faults import instance_not_found
from integrations.evolution.sandbox.http import Answer, Request, answer, failure
from integrations.evolution.sandbox.search import find_messages
from integrations.evolution.sandbox.sending import send_text
from integrations.evolution.sandbox.state import BUSINESS, INTEGRATIONS, Instance, Sandbox

VERSION = "2.3.6"
_DEFAULT_SETTINGS: dict[str, object] = {
    "rejectCall": False,
    "msgCall": "",
    "groupsIgnore": False,
    "alwaysOnline": False,
    "readMessages": False,
    "readStatus": False,
    "syncFullHistory": False,
    "wavoipToken": "",
}


def respond(sandbox: Sandbox, request: Request) -> Answer:
    """The gateway's answer. A route that is missing wins over everything, an unknown instance over a wrong key."""
    match request.method, request.segments:
        case "GET", [""]:
            return _welcome()
        case "POST", ["instance", "create"]:
            return _create(sandbox, request)
        case "GET", ["instance", "fetchInstances"]:
            return _fetch_instances(sandbox, request)
        case method, [group, action, name] if name and (method, group, action) in _INSTANCE_ROUTES:
            return _for_instance(sandbox, request, name)
        case _:
            return failure(HTTPStatus.NOT_FOUND, [f"Cannot {request.method} {request.url}"])


def _for_instance(sandbox: Sandbox, request: Request, name: str) -> Answer:
    instance = sandbox.instance(name)
    if instance is None:
        return instance_not_found(name)
    if not (_is_key(request.key, sandbox.api_key) or _is_key(request.key, instance.token)):
        return unauthorized()
    group, action, _ = request.segments
    return _INSTANCE_ROUTES[request.method, group, action](sandbox, instance, request)


def is_global_key(sandbox: Sandbox, request: Request) -> bool:
    """Whether the request carries the key that opens everything."""
    return _is_key(request.key, sandbox.api_key)


def unauthorized() -> Answer:
    """What a wrong or missing key gets."""
    return failure(HTTPStatus.UNAUTHORIZED, "Unauthorized")


def _is_key(given: str, key: str) -> bool:
    return secrets.compare_digest(given.encode(), key.encode())


def _welcome() -> Answer:
    return answer(
        HTTPStatus.OK,
        {
            "status": 200,
            "message": "Welcome to the Evolution API, it is working!",
            "version": VERSION,
            "clientName": "evolution",
            "manager": "/phone",
            "documentation": "https://doc.evolution-api.com",
            "whatsappWebVersion": "2.3000.1023223821",
        },
    )


# -- Instances -----------------------------------------------------------------------------------


def _create(sandbox: Sandbox, request: Request) -> Answer:
    body = request.body
    name, number = body.get("instanceName"), body.get("number")
    if isinstance(name, str) and sandbox.instance(name) is not None:
        return failure(HTTPStatus.FORBIDDEN, [f'This name "{name}" is already in use.'])
    if not is_global_key(sandbox, request):
        return unauthorized()
    if not isinstance(name, str) or not name:
        missing = "\nInvalid `this.prismaRepository.instance.create()` invocation in\n\nArgument `name` is missing."
        return failure(HTTPStatus.BAD_REQUEST, [missing])
    integration = body.get("integration")
    if integration not in INTEGRATIONS:
        return failure(HTTPStatus.BAD_REQUEST, ["Invalid integration"])
    if integration == BUSINESS and not number:
        return failure(HTTPStatus.BAD_REQUEST, ["number is required"])
    settings = {key: body.get(key, value) for key, value in _DEFAULT_SETTINGS.items()}
    instance = Instance(name, str(integration), number=str(number) if number else None, settings=settings)
    if token := body.get("token"):
        instance.token = str(token)
    sandbox.add(instance)
    return answer(HTTPStatus.CREATED, _created(instance))


def _created(instance: Instance) -> dict[str, object]:
    business = instance.integration == BUSINESS
    return {
        "instance": {
            "instanceName": instance.name,
            "instanceId": instance.id,
            "integration": instance.integration,
            "webhookWaBusiness": "/webhook/meta" if business else None,
            "accessTokenWaBusiness": secrets.token_hex(16) if business else "",
            "status": instance.state,
        },
        "hash": instance.token,
        "webhook": {},
        "websocket": {},
        "rabbitmq": {},
        "nats": {},
        "sqs": {},
        "settings": instance.settings,
    }


def _connection_state(_sandbox: Sandbox, instance: Instance, _request: Request) -> Answer:
    return answer(HTTPStatus.OK, {"instance": {"instanceName": instance.name, "state": instance.state}})


def _fetch_instances(sandbox: Sandbox, request: Request) -> Answer:
    instances = sandbox.instances()
    if not is_global_key(sandbox, request):
        # A token is not unique in the gateway; the first instance that has it counts.
        instances = [instance for instance in instances if _is_key(request.key, instance.token)][:1]
        if not instances:
            return unauthorized()
    for parameter, attribute in (("instanceName", "name"), ("instanceId", "id"), ("number", "number")):
        wanted = request.query.get(parameter)
        if wanted is None:
            continue
        instances = [instance for instance in instances if getattr(instance, attribute) == wanted]
        if not instances:
            return failure(HTTPStatus.NOT_FOUND, [f'Instance "{wanted}" not found'])
    everything = sandbox.messages()
    return answer(HTTPStatus.OK, [_described(instance, everything) for instance in instances])


def _described(instance: Instance, everything: list[Message]) -> dict[str, object]:
    mine = [message for message in everything if message.instance_id == instance.id and message.stored]
    created = datetime.fromtimestamp(instance.created_at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    phones = len({message.remote_jid for message in mine})
    return {
        "id": instance.id,
        "name": instance.name,
        "connectionStatus": instance.state,
        "ownerJid": "5511999990000@s.whatsapp.net" if instance.was_connected else None,
        "profileName": instance.name if instance.was_connected else None,
        "profilePicUrl": None,
        "integration": instance.integration,
        "number": instance.number,
        "businessId": None,
        "token": instance.token,
        "clientName": "evolution",
        "disconnectionReasonCode": None,
        "disconnectionObject": None,
        "disconnectionAt": None,
        "createdAt": created,
        "updatedAt": created,
        **dict.fromkeys(("Chatwoot", "Proxy", "Rabbitmq", "Nats", "Sqs", "Websocket")),
        "Setting": instance.settings,
        "_count": {"Message": len(mine), "Contact": phones, "Chat": phones},
    }


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
    ("GET", "instance", "connectionState"): _connection_state,
    ("POST", "message", "sendText"): send_text,
    ("POST", "chat", "findMessages"): find_messages,
    ("POST", "chat", "whatsappNumbers"): _numbers,
}
