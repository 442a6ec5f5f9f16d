"""From the gateway's answer to a send to what it means.

The rules match the body rather than the status code: the gateway gives one outage two codes, its builds
differ in the code for the same text, and a 400 can mean "sent". What is not known here is never taken as
"not sent".

A body has one of two forms, which tell when the error came. A **list** holds errors that the send itself
caught, before the relay or after it. A **text** alone was caught by nothing of the send: it came before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

from integrations.evolution import meta
from integrations.gateways.outcomes import UNEXPECTED, Accepted, Outcome, Refused
from integrations.gateways.parsing import parse_object, printable


@dataclass(frozen=True, slots=True)
class _Rule:
    """A known error text of the gateway, whichever of the error codes it comes under.

    `before_the_send`: it proves nothing but in the form in which the send cannot have begun.
    """

    pattern: re.Pattern[str]
    refused: Refused
    before_the_send: bool = False


def _rule(pattern: str, outcome: Outcome, code: str, *, before_the_send: bool = False) -> _Rule:
    return _Rule(re.compile(pattern, re.DOTALL), Refused(outcome, code), before_the_send)


_UNDEFINED = r"(TypeError: )?Cannot read properties of (undefined|null) \(reading '({})'\)"
# The database failed after the relay, or before it. Which query is named says nothing: in the minified release it is
# the first one on the line.
_NOT_STORED = re.compile(r"PrismaClient\w*Error:.*", re.DOTALL)
_NOT_ASKED = r"Invalid `.*"
_RULES = (
    _rule(r"(Error: )?Connection Closed", Outcome.INSTANCE_DOWN, "connection_closed"),
    _rule(_UNDEFINED.format("id"), Outcome.INSTANCE_DOWN, "never_paired"),
    # What is missing is the connection itself, without which nothing leaves.
    _rule(
        _UNDEFINED.format("onWhatsApp|sendMessage|presenceSubscribe|relayMessage"),
        Outcome.INSTANCE_DOWN,
        "never_connected",
    ),
    # The query whether the number is on WhatsApp found no answer; it comes before the send.
    _rule(_UNDEFINED.format("find"), Outcome.RETRYABLE, "number_query_timeout", before_the_send=True),
    _rule(_NOT_ASKED, Outcome.RETRYABLE, "gateway_database_down", before_the_send=True),
    _rule(r"Text is required", Outcome.PERMANENT, "bad_request"),
    _rule(r"(Error: )?Timed Out", Outcome.UNKNOWN, "whatsapp_timeout"),
    _rule(_UNDEFINED.format("message"), Outcome.UNKNOWN, "meta_unreachable"),
)
# Where the status says it all, because the gateway or a proxy before it answers with any body.
_BY_STATUS: dict[int, Refused] = {
    HTTPStatus.UNAUTHORIZED: Refused(Outcome.INSTANCE_DOWN, "unauthorized"),
    # The gateway gives none for a send: something in front of it turns this client away.
    HTTPStatus.FORBIDDEN: Refused(Outcome.INSTANCE_DOWN, "forbidden"),
    # A proxy may have passed the request on before it gave up.
    HTTPStatus.BAD_GATEWAY: Refused(Outcome.UNKNOWN, "bad_gateway"),
    HTTPStatus.SERVICE_UNAVAILABLE: Refused(Outcome.UNKNOWN, "bad_gateway"),
    HTTPStatus.GATEWAY_TIMEOUT: Refused(Outcome.UNKNOWN, "bad_gateway"),
}


def classify(http_status: int, body: str) -> Accepted | Refused:
    """What the gateway's answer to a send means. Pure; never raises, whatever the body.

    `Accepted` only for a 201 with `key.id`, and for an error of the database that the send itself met: storing
    the message follows the relay, so it has left. Anything not known is `Outcome.UNKNOWN`.
    """
    data = parse_object(body)
    match http_status:
        case HTTPStatus.CREATED:
            return _created(data)
        case HTTPStatus.NOT_FOUND:
            return _not_found(data)
        case HTTPStatus.BAD_REQUEST | HTTPStatus.INTERNAL_SERVER_ERROR:
            return _failed(data, http_status)
        case HTTPStatus.SERVICE_UNAVAILABLE if data.get("code") == "LICENSE_REQUIRED":
            return Refused(Outcome.INSTANCE_DOWN, "license_required")
        case _:
            return _BY_STATUS.get(http_status, UNEXPECTED)


def _created(data: dict[str, object]) -> Accepted | Refused:
    key = data.get("key")
    if isinstance(key, dict) and (message_id := printable(key.get("id"))):
        return Accepted(message_id)
    refused = meta.refusal(data) if key is None else None
    return refused or UNEXPECTED


def _not_found(data: dict[str, object]) -> Refused:
    for text in _texts(_message(data)):
        if re.fullmatch(r'The ".*" instance does not exist', text, re.DOTALL):
            return Refused(Outcome.INSTANCE_DOWN, "instance_not_found")
        if text.startswith("Cannot "):
            # No handler took the request: the address or the gateway's version is wrong, for every
            # message alike. So it is held like a missing instance, not counted against this one.
            return Refused(Outcome.INSTANCE_DOWN, "route_not_found")
    return UNEXPECTED


def _failed(data: dict[str, object], http_status: int) -> Accepted | Refused:
    message = _message(data)
    items = message if isinstance(message, list) else []
    texts = list(_texts(message))
    if items and any(_NOT_STORED.fullmatch(text) for text in texts):
        return Accepted("")
    if any(isinstance(item, dict) and item.get("exists") is False for item in items):
        return Refused(Outcome.PERMANENT, "not_on_whatsapp")
    if any(isinstance(item, list) and item and all(isinstance(text, str) for text in item) for item in items):
        return Refused(Outcome.PERMANENT, "bad_request")
    sure_before = not items and http_status == HTTPStatus.INTERNAL_SERVER_ERROR
    for text in texts:
        for rule in _RULES:
            if rule.pattern.fullmatch(text) and (sure_before or not rule.before_the_send):
                return rule.refused
    return Refused(Outcome.UNKNOWN, "gateway_error" if data else "unexpected_answer")


def _message(data: dict[str, object]) -> object:
    response = data.get("response")
    return response.get("message") if isinstance(response, dict) else None


def _texts(message: object) -> Iterator[str]:
    """The error texts: the gateway gives one, or a list of them."""
    for item in message if isinstance(message, list) else [message]:
        if isinstance(item, str):
            yield item.strip()
