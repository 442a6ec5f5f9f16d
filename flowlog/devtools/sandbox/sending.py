"""`POST /message/sendText/{instance}`, in each of the gateway's three kinds of instance."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from flowlog.devtools.sandbox.archive import Message
from flowlog.devtools.sandbox.faults import ACCEPTED, HANGS, RESETS, SENDS, Fault, fault_answer, meta_refusal
from flowlog.devtools.sandbox.http import RESET, Answer, Request, answer, failure
from flowlog.devtools.sandbox.jids import create_jid
from flowlog.devtools.sandbox.options import Version
from flowlog.devtools.sandbox.receipts import follow
from flowlog.devtools.sandbox.state import BAILEYS, BUSINESS, EVOLUTION, Instance, Sandbox

_LONGEST_DELAY = 120


def send_text(sandbox: Sandbox, instance: Instance, request: Request) -> Answer:
    """Check, send and answer as the gateway does."""
    body = request.body
    if errors := _schema_errors(body):
        return failure(HTTPStatus.BAD_REQUEST, [errors])
    number, text = str(body["number"]), str(body["text"])
    if instance.integration == EVOLUTION:
        message = sandbox.deliver(instance, number, create_jid(number), text)
        body = _evolution(message)
        follow(sandbox, instance, message, body, None)
        return answer(HTTPStatus.CREATED, body)
    if not text.strip():
        blank = "Text is required"
        if instance.integration == BUSINESS:
            blank = "TypeError: Cannot read properties of undefined (reading 'message')"
        return failure(HTTPStatus.BAD_REQUEST, [blank])
    if instance.integration == BUSINESS and sandbox.options.meta_code:
        return meta_refusal(sandbox.options.meta_code, "Refused", transient=sandbox.options.meta_transient)
    jid, known = sandbox.resolve(number)
    fault = sandbox.queued_fault() or _refusal(instance, known) or sandbox.fault_of(jid)
    if fault is None and instance.integration != BUSINESS and not sandbox.exists(jid):
        fault = Fault.NOT_ON_WHATSAPP
    delay = body.get("delay")
    if fault is None and isinstance(delay, int):
        sandbox.pause(min(max(delay / 1000, 0), _LONGEST_DELAY))
    return _send(sandbox, instance, number, jid, text, key_id=_wanted_id(sandbox, instance, body), fault=fault)


def _wanted_id(sandbox: Sandbox, instance: Instance, body: Mapping[str, object]) -> str:
    """The id that the message is to have, which only the candidate looks at; Meta gives its messages ids of its own."""
    wanted = body.get("messageId")
    heeded = sandbox.options.version is Version.CANDIDATE and instance.integration == BAILEYS
    return wanted if heeded and isinstance(wanted, str) else ""


def _send(
    sandbox: Sandbox, instance: Instance, number: str, jid: str, text: str, *, key_id: str, fault: Fault | None
) -> Answer:
    if fault in HANGS:
        sandbox.pause(sandbox.options.hang_seconds)
    body: dict[str, object] = {}
    if fault is None or fault in SENDS:
        message = sandbox.deliver(instance, number, jid, text, key_id=key_id, stored=fault is not Fault.NOT_STORED)
        body = sent(message, instance)
        follow(sandbox, instance, message, body, fault)
    if fault in RESETS:
        return RESET
    if fault is None or fault in ACCEPTED:
        return answer(HTTPStatus.CREATED, body)
    return fault_answer(fault, instance=instance.name, jid=jid, number=number)


def _refusal(instance: Instance, known: bool) -> Fault | None:
    """Why a disconnected instance sends nothing: it differs for numbers that need not be looked up."""
    if instance.state == "open" or instance.integration == BUSINESS:
        return None
    if not instance.was_connected:
        return Fault.NEVER_PAIRED if known else Fault.NEVER_CONNECTED
    return Fault.CONNECTION_CLOSED_400 if known else Fault.CONNECTION_CLOSED_500


def sent(message: Message, instance: Instance) -> dict[str, object]:
    """The body of a 201."""
    business = instance.integration == BUSINESS
    return {
        "key": {"remoteJid": message.remote_jid, "fromMe": True, "id": message.key_id},
        **({} if business else {"pushName": "Você"}),
        "status": "PENDING",
        "message": {"conversation": message.text},
        "contextInfo": context_info(message),
        "messageType": message.message_type,
        "messageTimestamp": message.timestamp,
        "instanceId": message.instance_id,
        "source": "unknown" if business else message.source,
    }


def context_info(message: Message) -> dict[str, object]:
    """What the gateway's library adds to every text."""
    return {
        "mentionedJid": [],
        "groupMentions": [],
        "ephemeralSettingTimestamp": {"low": message.timestamp - 172_800, "high": 0, "unsigned": False},
        "disappearingMode": {"initiator": 0},
    }


def _evolution(message: Message) -> dict[str, object]:
    return {
        "key": {"fromMe": True, "id": message.key_id, "remoteJid": message.row_jid},
        "message": {"conversation": message.text},
        "messageType": message.message_type,
        "messageTimestamp": message.timestamp,
        "source": "unknown",
        "instanceId": message.instance_id,
    }


def _schema_errors(body: Mapping[str, object]) -> list[str]:
    """What the gateway's schema finds, in its words. The number's content is not looked at."""
    errors = [f'instance requires property "{name}"' for name in ("number", "text") if name not in body]
    if "number" in body and not isinstance(body["number"], str):
        errors.append("Invalid format")
    if "text" in body and not isinstance(body["text"], str):
        errors.append("text is not of a type(s) string")
    if "delay" in body and (not isinstance(body["delay"], int) or isinstance(body["delay"], bool)):
        errors.append("Enter a value in milliseconds")
    mentioned = body.get("mentioned")
    if isinstance(mentioned, list) and not mentioned:
        errors.append("mentioned does not meet minimum length of 1")
    return errors
