"""`/instance/…`: making, listing, connecting and removing instances."""

from __future__ import annotations

import secrets
from http import HTTPStatus

from flowlog.devtools.sandbox import connection
from flowlog.devtools.sandbox.archive import Message
from flowlog.devtools.sandbox.http import Answer, Request, answer, failure
from flowlog.devtools.sandbox.ids import iso
from flowlog.devtools.sandbox.keys import is_global_key, is_key, unauthorized
from flowlog.devtools.sandbox.options import Version
from flowlog.devtools.sandbox.state import BAILEYS, BUSINESS, INTEGRATIONS, OWN_JID, Instance, Sandbox
from flowlog.devtools.sandbox.webhooks import emit, put_webhook

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


def create(sandbox: Sandbox, request: Request) -> Answer:
    """`POST /instance/create`: with `webhook` it has one from the start, with `qrcode` it can be paired at once."""
    body = request.body
    if refusal := _refusal(sandbox, request):
        return refusal
    name, number, integration = str(body["instanceName"]), body.get("number"), str(body["integration"])
    settings = {key: body.get(key, value) for key, value in _DEFAULT_SETTINGS.items()}
    instance = Instance(name, integration, number=str(number) if number else None, settings=settings)
    if token := body.get("token"):
        instance.token = str(token)
    if webhook := body.get("webhook"):
        wrong = put_webhook(instance, {**webhook, "enabled": True} if isinstance(webhook, dict) else webhook)
        if wrong is not None:
            return wrong
    sandbox.add(instance)
    emit(sandbox, instance, "instance.create", {"instanceName": instance.name, "instanceId": instance.id})
    created = _created(instance)
    if body.get("qrcode") is True and integration == BAILEYS:
        created["qrcode"] = _code(sandbox, instance, str(number or ""))
    return answer(HTTPStatus.CREATED, created)


def _refusal(sandbox: Sandbox, request: Request) -> Answer | None:
    """Why the instance cannot be made, in the order in which the gateway looks."""
    body = request.body
    name, integration = body.get("instanceName"), body.get("integration")
    if isinstance(name, str) and sandbox.instance(name) is not None:
        return failure(HTTPStatus.FORBIDDEN, [f'This name "{name}" is already in use.'])
    if not is_global_key(sandbox, request):
        return unauthorized()
    if not isinstance(name, str) or not name:
        missing = "\nInvalid `this.prismaRepository.instance.create()` invocation in\n\nArgument `name` is missing."
        return failure(HTTPStatus.BAD_REQUEST, [missing])
    if integration not in INTEGRATIONS:
        return failure(HTTPStatus.BAD_REQUEST, ["Invalid integration"])
    if integration == BUSINESS and not body.get("number"):
        return failure(HTTPStatus.BAD_REQUEST, ["number is required"])
    return None


def _created(instance: Instance) -> dict[str, object]:
    business = instance.integration == BUSINESS
    webhook = instance.webhook
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
        "webhook": {
            "webhookUrl": webhook.url,
            "webhookHeaders": webhook.headers,
            "webhookByEvents": webhook.by_events,
            "webhookBase64": webhook.base64,
        }
        if webhook
        else {},
        "websocket": {},
        "rabbitmq": {},
        "nats": {},
        "sqs": {},
        "settings": instance.settings,
    }


def connection_state(_sandbox: Sandbox, instance: Instance, _request: Request) -> Answer:
    """`GET /instance/connectionState/{instance}`."""
    return _state(instance, instance.state)


def connect(sandbox: Sandbox, instance: Instance, request: Request) -> Answer:
    """`GET /instance/connect/{instance}`: the QR code to pair with, or the state if it is open."""
    if instance.state == "open":
        return _state(instance, "open")
    return answer(HTTPStatus.OK, _code(sandbox, instance, request.query.get("number", "")))


def restart(sandbox: Sandbox, instance: Instance, _request: Request) -> Answer:
    """`POST /instance/restart/{instance}`: says open, and then connects again."""
    match instance.state:
        case "open":
            connection.restart(sandbox, instance)
            return _state(instance, "open")
        case "connecting":
            return answer(HTTPStatus.OK, _code(sandbox, instance, ""))
        case _:
            return answer(HTTPStatus.OK, {"error": True, "message": "[object Object]"})


def log_out(sandbox: Sandbox, instance: Instance, _request: Request) -> Answer:
    """`DELETE /instance/logout/{instance}`."""
    if instance.state == "close":
        if sandbox.options.version is Version.CANDIDATE:
            return _done("Instance was already disconnected")
        return failure(HTTPStatus.BAD_REQUEST, [f'The "{instance.name}" instance is not connected'])
    connection.log_out(sandbox, instance)
    return _done("Instance logged out")


def delete(sandbox: Sandbox, instance: Instance, _request: Request) -> Answer:
    """`DELETE /instance/delete/{instance}`: logged out first if need be, and then unknown, soon everywhere."""
    if instance.state != "close":
        connection.log_out(sandbox, instance)
    sandbox.remove(instance)
    emit(sandbox, instance, "remove.instance", None)
    emit(sandbox, instance, "instance.delete", {"instanceName": instance.name, "instanceId": instance.id})
    return _done("Instance deleted")


def _state(instance: Instance, state: str) -> Answer:
    return answer(HTTPStatus.OK, {"instance": {"instanceName": instance.name, "state": state}})


def _done(message: str) -> Answer:
    return answer(HTTPStatus.OK, {"status": "SUCCESS", "error": False, "response": {"message": message}})


def _code(sandbox: Sandbox, instance: Instance, number: str) -> dict[str, object]:
    """The code to pair with, for which the call waits a moment; nothing but a count as long as there is none."""
    if instance.state == "close":
        connection.start_pairing(sandbox, instance, number)
        sandbox.pause(sandbox.options.connect_seconds)
    code = instance.qr
    if code is None:
        return {"count": 0}
    return {"pairingCode": code.pairing_code, "code": code.code, "base64": code.base64, "count": 1}


def fetch_instances(sandbox: Sandbox, request: Request) -> Answer:
    """`GET /instance/fetchInstances`: all of them, the one of a token, or those that the query names."""
    instances = sandbox.instances()
    if not is_global_key(sandbox, request):
        # A token is not unique in the gateway; the first instance that has it counts.
        instances = [instance for instance in instances if is_key(request.key, instance.token)][:1]
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
    created = iso(instance.created_at)
    phones = len({message.remote_jid for message in mine})
    return {
        "id": instance.id,
        "name": instance.name,
        "connectionStatus": instance.state,
        "ownerJid": OWN_JID if instance.was_connected else None,
        "profileName": instance.name if instance.was_connected else None,
        "profilePicUrl": None,
        "integration": instance.integration,
        "number": instance.number,
        "businessId": None,
        "token": instance.token,
        "clientName": "evolution",
        **connection.described(instance.disconnection),
        "createdAt": created,
        "updatedAt": created,
        **dict.fromkeys(("Chatwoot", "Proxy", "Rabbitmq", "Nats", "Sqs", "Websocket")),
        "Setting": instance.settings,
        "_count": {"Message": len(mine), "Contact": phones, "Chat": phones},
    }
