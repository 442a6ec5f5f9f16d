"""`/webhook/set` and `/webhook/find`, and the events that leave by them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus

from flowlog.devtools.sandbox.courier import Delivery
from flowlog.devtools.sandbox.http import Answer, Request, answer, failure
from flowlog.devtools.sandbox.ids import iso, local_iso
from flowlog.devtools.sandbox.state import OWN_JID, Instance, Sandbox, Webhook

EVENTS = (
    *("APPLICATION_STARTUP", "QRCODE_UPDATED", "MESSAGES_SET", "MESSAGES_UPSERT", "MESSAGES_EDITED"),
    *("MESSAGES_UPDATE", "MESSAGES_DELETE", "SEND_MESSAGE", "SEND_MESSAGE_UPDATE", "CONTACTS_SET", "CONTACTS_UPSERT"),
    *("CONTACTS_UPDATE", "PRESENCE_UPDATE", "CHATS_SET", "CHATS_UPSERT", "CHATS_UPDATE", "CHATS_DELETE"),
    *("GROUPS_UPSERT", "GROUP_UPDATE", "GROUP_PARTICIPANTS_UPDATE", "CONNECTION_UPDATE", "LABELS_EDIT"),
    *("LABELS_ASSOCIATION", "CALL", "TYPEBOT_START", "TYPEBOT_CHANGE_STATUS", "REMOVE_INSTANCE", "LOGOUT_INSTANCE"),
    *("INSTANCE_CREATE", "INSTANCE_DELETE", "STATUS_INSTANCE"),
)
_TYPES: dict[str, tuple[type, str]] = {
    "enabled": (bool, "boolean"),
    "url": (str, "string"),
    "headers": (dict, "object"),
    "byEvents": (bool, "boolean"),
    "base64": (bool, "boolean"),
    "events": (list, "array"),
}


def emit(sandbox: Sandbox, instance: Instance, event: str, data: object, *, delay: float = 0) -> None:
    """Send an event such as `messages.update` to the instance's webhook, if that has subscribed to it."""
    webhook = instance.webhook
    name = event.replace(".", "_").upper()
    if webhook is None or name not in webhook.events or not webhook.url.startswith(("http://", "https://")):
        return
    envelope = {
        "event": event,
        "instance": instance.name,
        "data": data,
        "destination": webhook.url,
        "date_time": local_iso(time.time()),
        **({"sender": OWN_JID} if instance.was_connected else {}),
        "server_url": sandbox.server_url,
        "apikey": instance.token,
    }
    url = f"{webhook.url}/{event.replace('.', '-')}" if webhook.by_events else webhook.url
    sandbox.dispatch(Delivery(url, webhook.headers, envelope), delay)


def set_webhook(sandbox: Sandbox, instance: Instance, request: Request) -> Answer:
    """`POST /webhook/set/{instance}`."""
    if "webhook" not in request.body:
        return failure(HTTPStatus.BAD_REQUEST, [['instance requires property "webhook"']])
    if refused := put_webhook(instance, request.body["webhook"]):
        return refused
    sandbox.show_anew()
    return answer(HTTPStatus.CREATED, _described(instance))


def find_webhook(_sandbox: Sandbox, instance: Instance, _request: Request) -> Answer:
    """`GET /webhook/find/{instance}`; null if none was ever set."""
    return answer(HTTPStatus.OK, _described(instance))


def put_webhook(instance: Instance, wanted: object) -> Answer | None:
    """Take `wanted` for the instance's webhook, or say what is wrong with it."""
    if not isinstance(wanted, dict):
        return failure(HTTPStatus.BAD_REQUEST, [["webhook is not of a type(s) object"]])
    if errors := _schema_errors(wanted):
        return failure(HTTPStatus.BAD_REQUEST, [errors])
    if wanted["enabled"] and "events" not in wanted:
        message = "Cannot read properties of undefined (reading 'length')"
        return failure(HTTPStatus.INTERNAL_SERVER_ERROR, message)
    known = instance.webhook or Webhook()
    headers = wanted.get("headers", known.headers)
    instance.webhook = replace(
        known,
        enabled=wanted["enabled"],
        url=wanted["url"],
        headers={str(name): str(value) for name, value in headers.items()},
        events=tuple(wanted["events"] or EVENTS) if wanted["enabled"] else (),
        by_events=wanted.get("byEvents", known.by_events),
        base64=wanted.get("base64", known.base64),
        updated_at=time.time(),
    )
    return None


def _schema_errors(wanted: Mapping[str, object]) -> list[str]:
    """What the gateway's schema finds, in its words. The address is not looked at."""
    errors = [f'webhook requires property "{name}"' for name in ("enabled", "url") if name not in wanted]
    for name, (kind, word) in _TYPES.items():
        if name in wanted and not isinstance(wanted[name], kind):
            errors.append(f"webhook.{name} is not of a type(s) {word}")
    events = wanted.get("events")
    for index, event in enumerate(events if isinstance(events, list) else ()):
        if event not in EVENTS:
            errors.append(f"webhook.events[{index}] is not one of enum values: {','.join(EVENTS)}")
    return errors


def _described(instance: Instance) -> dict[str, object] | None:
    webhook = instance.webhook
    if webhook is None:
        return None
    return {
        "id": webhook.id,
        "url": webhook.url,
        "headers": webhook.headers,
        "enabled": webhook.enabled,
        "events": webhook.events,
        "webhookByEvents": webhook.by_events,
        "webhookBase64": webhook.base64,
        "createdAt": iso(webhook.created_at),
        "updatedAt": iso(webhook.updated_at),
        "instanceId": instance.id,
    }
