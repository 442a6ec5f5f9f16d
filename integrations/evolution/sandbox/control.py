"""`/sandbox/…`: what tests and people do to the sandbox itself. Not part of the gateway.

`GET /sandbox/options` shows the options and instances, `POST` changes those it names:

    latency_ms, hang_seconds   how long an answer takes; how long a hanging send hangs
    error_rate, error_fault    the share of sends (0 to 1) that meet a fault, and which
    fault, fault_count         a fault for the next sends (one, if no count is given; null ends it)
    failures                   how often a number of "fails, then works" fails
    keep_messages              whether the gateway stores what it sends
    search_status              the HTTP status of the error with which every search fails (0: none fails)
    search_hang_seconds        how long a search hangs before it answers
    disconnected               {"instance": true or false}: cut off or connect an instance
    forgetful                  {"instance": true or false}: whether what it sends from now on is not stored

`GET /sandbox/messages[?number=]` gives the messages that reached a phone, `DELETE` forgets them all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from http import HTTPStatus

from integrations.evolution.sandbox.api import is_global_key, unauthorized
from integrations.evolution.sandbox.archive import Message
from integrations.evolution.sandbox.faults import Fault
from integrations.evolution.sandbox.http import Answer, Request, answer, failure
from integrations.evolution.sandbox.jids import create_jid, variants
from integrations.evolution.sandbox.state import Instance, Sandbox

_FAULTS = frozenset({"fault", "error_fault"})
_PER_INSTANCE = ("disconnected", "forgetful")


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
    instances = sandbox.instances()
    forgetful = {instance.name: instance.forgetful for instance in instances}
    states = {instance.name: instance.state for instance in instances}
    return answer(HTTPStatus.OK, {**asdict(sandbox.options), "forgetful": forgetful, "instances": states})


def _change_options(sandbox: Sandbox, request: Request) -> Answer:
    try:
        _change(sandbox, request.body)
    except OptionError as error:
        return failure(HTTPStatus.BAD_REQUEST, [str(error)])
    return _options(sandbox)


def _change(sandbox: Sandbox, body: Mapping[str, object]) -> None:
    """Change what `body` names, all of it or nothing; raises `OptionError` with a sentence."""
    disconnected, forgetful = (_per_instance(sandbox, name, body.get(name, {})) for name in _PER_INSTANCE)
    changes = {name: _checked(name, value) for name, value in body.items() if name not in _PER_INSTANCE}
    if changes.get("fault"):
        changes.setdefault("fault_count", 1)
    sandbox.configure(changes)
    for instance, value in disconnected:
        (instance.disconnect if value else instance.connect)()
    for instance, value in forgetful:
        instance.forgetful = value


def _per_instance(sandbox: Sandbox, option: str, value: object) -> list[tuple[Instance, bool]]:
    """What `value` says of each instance that it names."""
    if not isinstance(value, dict):
        raise OptionError(f'{option} must be like {{"instance": true}}.')
    wanted = []
    for name, flag in value.items():
        instance = sandbox.instance(name)
        if instance is None or not isinstance(flag, bool):
            raise OptionError(f"{option}: {name!r} must be an instance, its value true or false.")
        wanted.append((instance, flag))
    return wanted


def _checked(name: str, value: object) -> object:
    if name not in _OPTIONS:
        known = ", ".join(sorted({*_OPTIONS, *_PER_INSTANCE}))
        raise OptionError(f"Unknown option {name!r}; there are: {known}.")
    accepts, expected = _OPTIONS[name]
    if not accepts(value):
        raise OptionError(f"{name} must be {expected}.")
    return Fault(str(value)) if name in _FAULTS and value is not None else value


def _is_number(value: object, most: float = float("inf")) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most


def _is_count(value: object) -> bool:
    return isinstance(value, int) and _is_number(value)


_NUMBER = (_is_number, "a number of at least 0")
_COUNT = (_is_count, "a whole number of at least 0")
_FAULT = f"one of: {', '.join(Fault)}"
_FAILURES = [status for status in HTTPStatus if status >= HTTPStatus.BAD_REQUEST]
# What each option accepts, and how it is said.
_OPTIONS: dict[str, tuple[Callable[[object], bool], str]] = {
    "latency_ms": _NUMBER,
    "hang_seconds": _NUMBER,
    "error_rate": (lambda value: _is_number(value, most=1), "a number between 0 and 1"),
    "error_fault": (lambda value: value in list(Fault), _FAULT),
    "fault": (lambda value: value in [None, *Fault], f"{_FAULT}; or null"),
    "fault_count": _COUNT,
    "failures": _COUNT,
    "keep_messages": (lambda value: isinstance(value, bool), "true or false"),
    "search_status": (lambda value: _is_count(value) and value in [0, *_FAILURES], "0 or the HTTP status of an error"),
    "search_hang_seconds": _NUMBER,
}


def _messages(sandbox: Sandbox, request: Request) -> list[Message]:
    number = request.query.get("number")
    if number is None:
        return sandbox.messages()
    # In a query "+" is a space, so "+55…" arrives without it; either way only the digits count.
    found = [message for jid in variants(create_jid(number)) for message in sandbox.chat(jid)]
    return sorted(found, key=lambda message: message.arrived_at)


def _described(message: Message) -> dict[str, object]:
    arrived = datetime.fromtimestamp(message.arrived_at, UTC)
    return {**asdict(message), "timestamp": message.timestamp, "arrived_at": arrived.isoformat()}
