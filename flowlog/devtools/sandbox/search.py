"""`POST /chat/findMessages` and `findStatusMessage`: which filters work in the gateway, and which it ignores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus

from flowlog.devtools.sandbox.archive import Message
from flowlog.devtools.sandbox.http import Answer, Request, answer, failure
from flowlog.devtools.sandbox.jids import USER
from flowlog.devtools.sandbox.sending import context_info
from flowlog.devtools.sandbox.state import Instance, Sandbox

_PAGE_SIZE = 50


def find_messages(sandbox: Sandbox, instance: Instance, request: Request) -> Answer:
    """The stored messages that match, the latest first, a page of them; or what the options ask for."""
    sandbox.pause(sandbox.options.search_hang_seconds)
    if sandbox.options.search_status:
        status = HTTPStatus(sandbox.options.search_status)
        return failure(status, status.phrase)
    body = request.body
    where = _mapping(body.get("where"))
    try:
        between = _between(where)
    except ValueError:
        return failure(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal Server Error")
    found = [
        message
        for message in reversed(_candidates(sandbox, _mapping(where.get("key"))))
        if message.instance == instance.name and message.stored and _matches(message, where, between)
    ]
    page, size = _positive(body.get("page"), 1), _positive(body.get("offset"), _PAGE_SIZE)
    records = found[(page - 1) * size : page * size]
    return answer(
        HTTPStatus.OK,
        {
            "messages": {
                "total": len(found),
                "pages": math.ceil(len(found) / size),
                "currentPage": page,
                "records": [_record(message) for message in records],
            }
        },
    )


def find_status(sandbox: Sandbox, instance: Instance, request: Request) -> Answer:
    """The receipts of the stored messages, or of the one that `where.id`, the id of its key, names."""
    where = _mapping(request.body.get("where"))
    found = [
        _status(instance, message, status)
        for message in _candidates(sandbox, where)
        if message.instance == instance.name and message.stored and message.from_me
        if where.get("remoteJid") in (None, message.row_jid)
        for status in message.updates
    ]
    return answer(HTTPStatus.OK, found)


def _status(instance: Instance, message: Message, status: str) -> dict[str, object]:
    return {
        "id": f"{message.id}{status.lower()}",
        "keyId": message.key_id,
        "remoteJid": message.row_jid,
        "fromMe": True,
        "participant": None,
        "pollUpdates": None,
        "status": status,
        "messageId": message.id,
        "instanceId": instance.id,
    }


def _candidates(sandbox: Sandbox, key: Mapping[str, object]) -> list[Message]:
    """The messages to look among, in the order of arrival: as few as is cheap to tell."""
    key_id, remote_jid = key.get("id"), key.get("remoteJid")
    if isinstance(key_id, str) and key_id:
        message = sandbox.message(key_id)
        return [message] if message else []
    by_phone = isinstance(remote_jid, str) and remote_jid.endswith(USER)
    return sandbox.chat(str(remote_jid)) if by_phone else sandbox.messages()


def _matches(message: Message, where: Mapping[str, object], between: tuple[float, float] | None) -> bool:
    """Whether the gateway would find it. The text and `fromMe: false` filter nothing, an empty value neither."""
    key = _mapping(where.get("key"))
    wanted = (
        (where.get("id"), message.id),
        (where.get("source"), message.source),
        (where.get("messageType"), message.message_type),
        (key.get("id"), message.key_id),
        (key.get("remoteJid"), message.row_jid),
        (key.get("participants"), None),
    )
    if any(value and value != actual for value, actual in wanted) or (key.get("fromMe") and not message.from_me):
        return False
    return between is None or between[0] <= message.timestamp <= between[1]


def _between(where: Mapping[str, object]) -> tuple[float, float] | None:
    """The times to look between: only if both ends are given does the gateway look at them."""
    stamp = _mapping(where.get("messageTimestamp"))
    since, until = stamp.get("gte"), stamp.get("lte")
    if not since or not until:
        return None
    # Like the gateway, in whole seconds.
    first, last = (math.floor(datetime.fromisoformat(str(value)).timestamp()) for value in (since, until))
    return first, last


def _record(message: Message) -> dict[str, object]:
    return {
        "id": message.id,
        "key": {"id": message.key_id, "fromMe": message.from_me, "remoteJid": message.row_jid},
        "pushName": "Você" if message.from_me else "Cliente",
        "messageType": message.message_type,
        "message": {"conversation": message.text},
        "messageTimestamp": message.timestamp,
        "instanceId": message.instance_id,
        "source": message.source,
        "contextInfo": context_info(message),
        "MessageUpdate": [{"status": status} for status in message.updates] if message.from_me else [],
    }


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _positive(value: object, default: int) -> int:
    return value if isinstance(value, int) and value > 0 else default
