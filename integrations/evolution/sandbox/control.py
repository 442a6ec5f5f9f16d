"""`/sandbox/…`: what tests and people do to the sandbox itself. Not part of the gateway.

`GET /sandbox/options` shows the options and instances, `POST` changes those it names:

    latency_ms, hang_seconds   how long an answer takes; how long a hanging send hangs
    error_rate, error_fault    the share of sends (0 to 1) that meet a fault, and which
    fault, fault_count         a fault for the next sends (one, if no count is given; null ends it)
    failures                   how often a number of "fails, then works" fails
    keep_messages              whether the gateway stores what it sends
    disconnected               {"instance": true or false}: cut off or connect an instance

`GET /sandbox/messages[?number=]` gives the messages that reached a phone, `DELETE` forgets them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from http import HTTPStatus

from integrations.evolution.sandbox.api import is_global_key, unauthorized
from integrations.evolution.sandbox.archive import Message
from integrations.evolution.sandbox.faults import Fault
from integrations.evolution.sandbox.http import Answer, Request, answer, failure
from integrations.evolution.sandbox.jids import create_jid, variants
from integrations.evolution.sandbox.state import Sandbox

_NUMBERS = {"latency_ms": float("inf"), "hang_seconds": float("inf"), "error_rate": 1.0}
_COUNTS = frozenset({"failures", "fault_count"})
_FAULTS = frozenset({"fault", "error_fault"})


class OptionError(Exception):
    """An option that does not exist, or a value that it cannot have; the text says what is expected."""


def respond(sandbox: Sandbox, request: Request) -> Answer:
    """Answer a call to `/sandbox/…`; it needs the gateway's key."""
    if not is_global_key(sandbox, request):
        return unauthorized()
    match request.method, request.path:
        case "GET", "/sandbox/options":
            return _options(sandbox)
        case "POST", "/sandbox/options":
            return _change_options(sandbox, request)
        case "GET", "/sandbox/messages":
            return answer(HTTPStatus.OK, [_described(message) for message in _messages(sandbox, request)])
        case "DELETE", "/sandbox/messages":
            sandbox.clear()
            return answer(HTTPStatus.OK, [])
        case _:
            return failure(HTTPStatus.NOT_FOUND, [f"Cannot {request.method} {request.url}"])


def _options(sandbox: Sandbox) -> Answer:
    states = {instance.name: instance.state for instance in sandbox.instances()}
    return answer(HTTPStatus.OK, {**asdict(sandbox.options), "instances": states})


def _change_options(sandbox: Sandbox, request: Request) -> Answer:
    try:
        _change(sandbox, request.body)
    except OptionError as error:
        return failure(HTTPStatus.BAD_REQUEST, [str(error)])
    return _options(sandbox)


def _change(sandbox: Sandbox, body: Mapping[str, object]) -> None:
    """Change what `body` names, all of it or nothing; raises `OptionError` with a sentence."""
    body = dict(body)
    disconnected = body.pop("disconnected", {})
    if not isinstance(disconnected, dict):
        raise OptionError('disconnected must be like {"instance": true}.')
    for name, value in disconnected.items():
        if sandbox.instance(name) is None or not isinstance(value, bool):
            raise OptionError(f"disconnected: {name!r} must be an instance, its value true or false.")
    changes = {name: _checked(name, value) for name, value in body.items()}
    if changes.get("fault"):
        changes.setdefault("fault_count", 1)
    sandbox.configure(changes)
    for name, value in disconnected.items():
        if (instance := sandbox.instance(name)) is not None:
            (instance.disconnect if value else instance.connect)()


def _checked(name: str, value: object) -> object:
    if name in _FAULTS:
        if value is None and name == "fault":
            return None
        if value not in list(Fault):
            raise OptionError(f"{name} must be one of: {', '.join(Fault)}.")
        return Fault(str(value))
    if name == "keep_messages":
        if not isinstance(value, bool):
            raise OptionError("keep_messages must be true or false.")
        return value
    if name in _COUNTS:
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise OptionError(f"{name} must be a whole number of at least 0.")
        return value
    if name in _NUMBERS:
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= _NUMBERS[name]:
            raise OptionError(f"{name} must be a number between 0 and {_NUMBERS[name]}.")
        return value
    known = sorted({*_NUMBERS, *_COUNTS, *_FAULTS, "keep_messages", "disconnected"})
    raise OptionError(f"Unknown option {name!r}; there are: {', '.join(known)}.")


def _messages(sandbox: Sandbox, request: Request) -> list[Message]:
    number = request.query.get("number")
    if number is None:
        return sandbox.messages()
    # In a query "+" is a space, so "+55…" arrives without it; either way only the digits count.
    jids = variants(create_jid(number))
    return [message for message in sandbox.messages() if message.remote_jid in jids]


def _described(message: Message) -> dict[str, object]:
    arrived = datetime.fromtimestamp(message.arrived_at, UTC)
    return {**asdict(message), "timestamp": message.timestamp, "arrived_at": arrived.isoformat()}
