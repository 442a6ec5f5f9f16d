"""A stand-in for Meta's Cloud API: `/v<release>/<phone number id>[/messages]`, with its 24 hours and its templates.

A text outside the 24 hours is accepted, as by Meta itself, and a webhook says afterwards that it failed (131047); so
are numbers that are not on WhatsApp (131026). Of the magic numbers those play a part that name Meta, time, the network
or receipts. Nothing that was sent can be asked for.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus

from flowlog.devtools.sandbox import meta_webhooks
from flowlog.devtools.sandbox.archive import Message
from flowlog.devtools.sandbox.faults import HANGS, RESETS, SENDS, Fault, fault_answer
from flowlog.devtools.sandbox.http import RESET, Answer, Request, answer
from flowlog.devtools.sandbox.ids import new_key_id
from flowlog.devtools.sandbox.keys import is_key
from flowlog.devtools.sandbox.receipts import follow
from flowlog.devtools.sandbox.state import META, Instance, Sandbox

_RELEASE = re.compile(r"v[0-9]+\.[0-9]+")
_NOT_CARRIED = re.compile(r"[\n\r\t]| {5}")
_LONGEST_TEXT = 4096
_BAD = HTTPStatus.BAD_REQUEST
_REFUSALS: dict[Fault, tuple[int, int, str]] = {
    Fault.META_AUTH: (401, 190, "Error validating access token: Session has expired"),
    Fault.UNAUTHORIZED: (401, 190, "Invalid OAuth access token - Cannot parse access token"),
    Fault.META_RATE_LIMIT: (400, 4, "Application request limit reached"),
    Fault.META_RECIPIENT: (400, 131030, "Recipient phone number not in allowed list"),
    Fault.META_OTHER: (500, 131000, "Something went wrong"),
    Fault.META_OUTSIDE_24_HOURS: (400, 131047, "Re-engagement message"),
    Fault.META_UNKNOWN: (400, 199999, "An error that nobody knows"),
    Fault.FAILS_THEN_WORKS: (500, 131016, "Service unavailable"),
}
# Answered as by whatever stands before Meta, without its error object.
_RAW = frozenset({Fault.HANG, Fault.SERVER_ERROR, Fault.BAD_GATEWAY, Fault.SERVER_ERROR_AFTER_SEND})
# Accepted, and afterwards said to have failed.
_FAIL_LATER = frozenset({Fault.NOT_ON_WHATSAPP})


class _RefusedError(Exception):
    """Meta's error object, as an answer."""

    def __init__(self, status: int, code: int, message: str, *, subcode: int = 0, details: str = "") -> None:
        super().__init__(message)
        error: dict[str, object] = {"message": f"(#{code}) {message}", "type": "OAuthException", "code": code}
        if subcode:
            error["error_subcode"] = subcode
        if details:
            error["error_data"] = {"messaging_product": "whatsapp", "details": details}
        self.answer = answer(status, {"error": {**error, "fbtrace_id": "AsandboxTrace"}})


def is_for(request: Request) -> bool:
    """Whether the request is one to the Graph API."""
    return bool(_RELEASE.fullmatch(request.segments[0]))


def respond(sandbox: Sandbox, request: Request) -> Answer:
    """Meta's answer. The token is looked at before anything else."""
    try:
        return _route(sandbox, request)
    except _RefusedError as refused:
        return refused.answer


def _route(sandbox: Sandbox, request: Request) -> Answer:
    match request.method, request.segments[1:]:
        case "GET", [number_id]:
            number = _number(sandbox, request, number_id)
            return answer(HTTPStatus.OK, {"status": sandbox.options.meta_status, "id": number.name})
        case "POST", [number_id, "messages"]:
            return _send(sandbox, _number(sandbox, request, number_id), request.body)
        case _:
            raise _RefusedError(_BAD, 2500, "Unknown path components")


def _number(sandbox: Sandbox, request: Request, number_id: str) -> Instance:
    given = next((value for name, value in request.headers.items() if name.lower() == "authorization"), "")
    known = [each for each in sandbox.meta_numbers() if is_key(given, f"Bearer {each.token}")]
    if not known:
        raise _RefusedError(*_REFUSALS[Fault.UNAUTHORIZED])
    number = next((each for each in known if each.name == number_id), None)
    if number is None:
        message = f"Object with ID '{number_id}' does not exist, cannot be loaded due to missing permissions"
        raise _RefusedError(_BAD, 100, f"Unsupported post request. {message}", subcode=33)
    return number


def _send(sandbox: Sandbox, number: Instance, body: Mapping[str, object]) -> Answer:
    to, callback_data = body.get("to"), str(body.get("biz_opaque_callback_data") or "")
    if body.get("messaging_product") != "whatsapp" or not isinstance(to, str) or not to:
        raise _RefusedError(_BAD, 100, "Invalid parameter")
    if sandbox.options.meta_code:
        raise _RefusedError(_BAD, sandbox.options.meta_code, "Refused")
    text, is_template = _text(number, body)
    jid, _known = sandbox.resolve(to)
    fault = sandbox.queued_fault() or sandbox.fault_of(jid)
    if fault in _REFUSALS:
        raise _RefusedError(*_REFUSALS[fault])
    if fault in HANGS:
        sandbox.pause(sandbox.options.hang_seconds)
    late = 131026 if fault in _FAIL_LATER else 0
    if not late and not is_template and not _is_open(sandbox, number, jid):
        late = 131047
    key_id = new_key_id(META)
    if late:
        at = time.time()
        lost = Message("", key_id, number.name, number.id, to, jid, text, at, callback_data=callback_data)
        failure = partial(meta_webhooks.tell_status, sandbox, number, lost, "ERROR", code=late)
        sandbox.clock.after(sandbox.options.server_ack_seconds or 0, failure)
    elif fault in SENDS or fault not in _RAW | RESETS:
        message = sandbox.deliver(number, to, jid, text, key_id=key_id, callback_data=callback_data)
        follow(sandbox, number, message, {}, fault)
    if fault in RESETS:
        return RESET
    if fault in _RAW:
        return fault_answer(fault, instance=number.name, jid=jid, number=to)
    return _accepted(to, jid, key_id)


def _accepted(to: str, jid: str, key_id: str) -> Answer:
    contact = {"input": to, "wa_id": jid.partition("@")[0]}
    message = {"id": key_id, "message_status": "accepted"}
    return answer(HTTPStatus.OK, {"messaging_product": "whatsapp", "contacts": [contact], "messages": [message]})


def _is_open(sandbox: Sandbox, number: Instance, jid: str) -> bool:
    """Whether the customer wrote to this number within the last 24 hours."""
    since = time.time() - sandbox.options.meta_window_seconds
    chat = sandbox.chat(jid)
    return any(not each.from_me and each.instance == number.name and each.arrived_at > since for each in chat)


def _text(number: Instance, body: Mapping[str, object]) -> tuple[str, bool]:
    """What the phone shows, and whether it is a template's."""
    match body.get("type"):
        case "text":
            content = body.get("text")
            text = content.get("body") if isinstance(content, dict) else None
            if not isinstance(text, str) or not 0 < len(text) <= _LONGEST_TEXT:
                raise _RefusedError(
                    _BAD, 100, "Invalid parameter", details="text['body'] must have 1 to 4096 characters"
                )
            return text, False
        case "template":
            return _from_template(number, body.get("template")), True
        case kind:
            raise _RefusedError(_BAD, 131051, f"Unsupported message type {kind}")


def _from_template(number: Instance, wanted: object) -> str:
    told = wanted if isinstance(wanted, dict) else {}
    language = told.get("language")
    code = language.get("code") if isinstance(language, dict) else None
    name = str(told.get("name"))
    template = number.meta.templates.get((name, str(code))) if number.meta else None
    if template is None:
        details = f"template name ({name}) does not exist in {code}"
        raise _RefusedError(404, 132001, "Template name does not exist in the translation", details=details)
    values = [each.get("text") for each in _parameters(told)]
    expected = template.count("{{1}}")
    if len(values) != expected:
        details = f"body: number of localizable_params ({len(values)}) does not match the expected number ({expected})"
        raise _RefusedError(_BAD, 132000, "Number of parameters does not match", details=details)
    for value in values:
        if not isinstance(value, str) or not value:
            raise _RefusedError(_BAD, 131008, "Required parameter is missing")
        if _NOT_CARRIED.search(value):
            details = "Param text cannot have new-line/tab characters or more than 4 consecutive spaces"
            raise _RefusedError(_BAD, 132018, "There's an issue with the parameters in your template", details=details)
        template = template.replace("{{1}}", value)
    return template


def _parameters(template: Mapping[str, object]) -> list[dict[str, object]]:
    components = template.get("components")
    bodies = [each for each in components if isinstance(each, dict)] if isinstance(components, list) else []
    parameters = [each.get("parameters") for each in bodies if each.get("type") == "body"]
    return [each for some in parameters if isinstance(some, list) for each in some if isinstance(each, dict)]
