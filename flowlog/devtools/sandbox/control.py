"""`/sandbox/…`: what tests and people do to the sandbox itself. Not part of the gateway.

`GET /sandbox/options` shows the options and instances, `POST` changes those it names:

    version                    which release is played: "2.3.7" or "2.4.0-rc2"
    licensed                   whether the gateway is activated; if not, nearly every call gets a 503
    latency_ms, hang_seconds   how long an answer takes; how long a hanging send hangs
    error_rate, error_fault    the share of sends (0 to 1) that meet a fault, and which
    fault, fault_count         a fault for the next sends (one, if no count is given; null ends it)
    failures                   how often a number of "fails, then works" fails
    keep_messages              whether the gateway stores what it sends
    search_status              the HTTP status of the error with which every search fails (0: none fails)
    search_hang_seconds        how long a search hangs before it answers
    disconnected               {"instance": true, false or a code}: cut off or connect an instance; a code such as
                               401 says why it was cut off, and after a final one it has to be paired again
    forgetful                  {"instance": true or false}: whether what it sends from now on is not stored
    receipts                   whether receipts come (those by `POST /sandbox/receipt` always do)
    server_ack_seconds, delivery_ack_seconds, read_seconds
                               how long after a send each of them comes (null: never; reads by a click only)
    lid_receipts               whether receipts name the hidden address instead of the number
    lid_rows                   whether what is sent from now on is stored under the hidden address
    meta_code, meta_transient  the code with which Meta refuses what a WHATSAPP-BUSINESS instance, or a number at Meta
                               itself, sends (0: none), and whether it calls that transient
    meta_failure               the code with which Meta says that it did not deliver what it had accepted
    meta_window_seconds        how long after a customer's message Meta delivers texts to them
    meta_status                what Meta calls the state of its numbers, such as "CONNECTED" or "BANNED"
    ghost_seconds              how long connectionState still answers for an instance that was deleted (2.3.7)
    reply_form                 what replies tell of their sender: "number", "lid" (both), "lid_first" (both, as in
                               2.3.6), "sender_pn", "anonymous" (hidden, with a quotation) or "nameless"
    send_message_seconds       how long after a send its `send.message` webhook leaves
    webhook_jitter_seconds     each webhook waits at random up to so long, so they overtake each other
    webhook_copies             how often each webhook is delivered
    webhook_retry_scale        what the waits between the attempts at a webhook are multiplied with
    connect_seconds            how long the instance takes to make a QR code, and to connect again after a restart
    pair_seconds               after how long a QR code is scanned (null: by a click or `POST /sandbox/pair` only)
    news_fault                 what happens to the webhooks of the shop and the carrier from now on: "none",
                               "duplicate", "late", "reordered", "coalesced" or "wrong_signature"
    news_hold_seconds          after how long late, reordered and coalesced ones leave

`GET /sandbox/messages[?number=]` gives the messages that reached a phone, `DELETE` forgets all messages.
`GET /sandbox/webhooks` says how many webhooks wait, were delivered, were dropped and were given up; `DELETE` forgets
those that wait.
`GET /sandbox/news` says how many webhooks of the shop and the carrier are held back (`news_fault`) and are under way,
and how the last ones were answered.
`POST /sandbox/<action>` makes something happen: see `actions.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus

from flowlog.devtools.sandbox.actions import ACTIONS
from flowlog.devtools.sandbox.archive import Message
from flowlog.devtools.sandbox.connection import CUT_OFF, FINAL_REASONS, PASSING_REASONS, connect, disconnect
from flowlog.devtools.sandbox.errors import ActionError
from flowlog.devtools.sandbox.faults import Fault
from flowlog.devtools.sandbox.http import Answer, Request, answer, failure
from flowlog.devtools.sandbox.jids import create_jid, variants
from flowlog.devtools.sandbox.keys import is_global_key, unauthorized
from flowlog.devtools.sandbox.options import NewsFault, ReplyForm, Version
from flowlog.devtools.sandbox.state import Instance, Sandbox

_ENUMS: dict[str, type[StrEnum]] = {
    "fault": Fault,
    "error_fault": Fault,
    "reply_form": ReplyForm,
    "version": Version,
    "news_fault": NewsFault,
}
_PER_INSTANCE = ("disconnected", "forgetful")


class OptionError(Exception):
    """An option that does not exist, or a value that it cannot have; the text says what is expected."""


def respond(sandbox: Sandbox, request: Request) -> Answer:
    """Answer a call to `/sandbox/…`; it needs the gateway's key."""
    if not is_global_key(sandbox, request):
        return unauthorized()
    if handler := _ROUTES.get((request.method, request.path)):
        return handler(sandbox, request)
    name = request.path.removeprefix("/sandbox/")
    if request.method == "POST" and name in ACTIONS:
        return _act(sandbox, name, request.body)
    return failure(HTTPStatus.NOT_FOUND, [f"Cannot {request.method} {request.url}"])


def _act(sandbox: Sandbox, name: str, body: Mapping[str, object]) -> Answer:
    try:
        return answer(HTTPStatus.OK, ACTIONS[name](sandbox, body))
    except ActionError as error:
        return failure(HTTPStatus.BAD_REQUEST, [str(error)])


def _options(sandbox: Sandbox, _request: Request) -> Answer:
    instances = sandbox.instances()
    forgetful = {instance.name: instance.forgetful for instance in instances}
    states = {instance.name: instance.state for instance in instances}
    return answer(HTTPStatus.OK, {**asdict(sandbox.options), "forgetful": forgetful, "instances": states})


def _change_options(sandbox: Sandbox, request: Request) -> Answer:
    try:
        _change(sandbox, request.body)
    except OptionError as error:
        return failure(HTTPStatus.BAD_REQUEST, [str(error)])
    return _options(sandbox, request)


def _change(sandbox: Sandbox, body: Mapping[str, object]) -> None:
    """Change what `body` names, all of it or nothing; raises `OptionError` with a sentence."""
    disconnected = _per_instance(sandbox, body, "disconnected", FINAL_REASONS | PASSING_REASONS)
    forgetful = _per_instance(sandbox, body, "forgetful")
    changes = {name: _checked(name, value) for name, value in body.items() if name not in _PER_INSTANCE}
    if changes.get("fault"):
        changes.setdefault("fault_count", 1)
    sandbox.configure(changes)
    for instance, value in disconnected:
        if value is False:
            connect(sandbox, instance)
        else:
            disconnect(sandbox, instance, CUT_OFF if value is True else value)
    for instance, value in forgetful:
        instance.forgetful = bool(value)


def _per_instance(
    sandbox: Sandbox, body: Mapping[str, object], option: str, codes: frozenset[int] = frozenset()
) -> list[tuple[Instance, int]]:
    """What an option says of each instance that it names: true, false or one of `codes`."""
    value = body.get(option, {})
    if not isinstance(value, dict):
        raise OptionError(f'{option} must be like {{"instance": true}}.')
    wanted = []
    for name, flag in value.items():
        instance = sandbox.instance(name)
        if instance is None or not (isinstance(flag, bool) or (isinstance(flag, int) and flag in codes)):
            expected = ", ".join(["true", "false", *map(str, sorted(codes))])
            raise OptionError(f"{option}: {name!r} must be an instance, its value one of: {expected}.")
        wanted.append((instance, flag))
    return wanted


def _checked(name: str, value: object) -> object:
    if name not in _OPTIONS:
        known = ", ".join(sorted({*_OPTIONS, *_PER_INSTANCE}))
        raise OptionError(f"Unknown option {name!r}; there are: {known}.")
    accepts, expected = _OPTIONS[name]
    if not accepts(value):
        raise OptionError(f"{name} must be {expected}.")
    kind = _ENUMS.get(name)
    return kind(str(value)) if kind and value is not None else value


def _is_number(value: object, most: float = float("inf")) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most


def _is_count(value: object) -> bool:
    return isinstance(value, int) and _is_number(value)


_NUMBER = (_is_number, "a number of at least 0")
_NUMBER_OR_NONE = (lambda value: value is None or _is_number(value), "a number of at least 0, or null")
_FLAG = (lambda value: isinstance(value, bool), "true or false")
_COUNT = (_is_count, "a whole number of at least 0")
_FAULT = f"one of: {', '.join(Fault)}"
_FAILURES = [status for status in HTTPStatus if status >= HTTPStatus.BAD_REQUEST]
# What each option accepts, and how it is said.
_OPTIONS: dict[str, tuple[Callable[[object], bool], str]] = {
    "version": (lambda value: value in list(Version), f"one of: {', '.join(Version)}"),
    "licensed": _FLAG,
    "latency_ms": _NUMBER,
    "hang_seconds": _NUMBER,
    "error_rate": (lambda value: _is_number(value, most=1), "a number between 0 and 1"),
    "error_fault": (lambda value: value in list(Fault), _FAULT),
    "meta_code": _COUNT,
    "meta_transient": _FLAG,
    "meta_failure": _COUNT,
    "meta_window_seconds": _NUMBER,
    "meta_status": (lambda value: isinstance(value, str), "a text"),
    "ghost_seconds": _NUMBER,
    "fault": (lambda value: value in [None, *Fault], f"{_FAULT}; or null"),
    "fault_count": _COUNT,
    "failures": _COUNT,
    "keep_messages": _FLAG,
    "search_status": (lambda value: _is_count(value) and value in [0, *_FAILURES], "0 or the HTTP status of an error"),
    "search_hang_seconds": _NUMBER,
    "receipts": _FLAG,
    "server_ack_seconds": _NUMBER_OR_NONE,
    "delivery_ack_seconds": _NUMBER_OR_NONE,
    "read_seconds": _NUMBER_OR_NONE,
    "lid_receipts": _FLAG,
    "lid_rows": _FLAG,
    "reply_form": (lambda value: value in list(ReplyForm), f"one of: {', '.join(ReplyForm)}"),
    "send_message_seconds": _NUMBER,
    "webhook_jitter_seconds": _NUMBER,
    "webhook_copies": (lambda value: _is_count(value) and value != 0, "a whole number of at least 1"),
    "webhook_retry_scale": _NUMBER,
    "connect_seconds": _NUMBER,
    "pair_seconds": _NUMBER_OR_NONE,
    "news_fault": (lambda value: value in list(NewsFault), f"one of: {', '.join(NewsFault)}"),
    "news_hold_seconds": _NUMBER,
}


def _webhooks(sandbox: Sandbox, _request: Request) -> Answer:
    pending = sandbox.clock.pending + sandbox.courier.pending
    return answer(HTTPStatus.OK, {"pending": pending, **sandbox.courier.counts()})


def _forget_webhooks(sandbox: Sandbox, _request: Request) -> Answer:
    sandbox.courier.forget()
    return answer(HTTPStatus.OK, {})


def _news(sandbox: Sandbox, _request: Request) -> Answer:
    return answer(HTTPStatus.OK, sandbox.messenger.state())


def _list_messages(sandbox: Sandbox, request: Request) -> Answer:
    return answer(HTTPStatus.OK, [_described(message) for message in _messages(sandbox, request)])


def _clear(sandbox: Sandbox, _request: Request) -> Answer:
    sandbox.clear()
    return answer(HTTPStatus.OK, [])


def _messages(sandbox: Sandbox, request: Request) -> list[Message]:
    number = request.query.get("number")
    if number is None:
        return [message for message in sandbox.messages() if message.from_me]
    # In a query "+" is a space, so "+55…" arrives without it; either way only the digits count.
    found = [message for jid in variants(create_jid(number)) for message in sandbox.chat(jid) if message.from_me]
    return sorted(found, key=lambda message: message.arrived_at)


def _described(message: Message) -> dict[str, object]:
    arrived = datetime.fromtimestamp(message.arrived_at, UTC)
    return {**asdict(message), "timestamp": message.timestamp, "arrived_at": arrived.isoformat()}


_ROUTES: dict[tuple[str, str], Callable[[Sandbox, Request], Answer]] = {
    ("GET", "/sandbox/options"): _options,
    ("POST", "/sandbox/options"): _change_options,
    ("GET", "/sandbox/messages"): _list_messages,
    ("DELETE", "/sandbox/messages"): _clear,
    ("GET", "/sandbox/webhooks"): _webhooks,
    ("DELETE", "/sandbox/webhooks"): _forget_webhooks,
    ("GET", "/sandbox/news"): _news,
}
