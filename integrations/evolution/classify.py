"""From the gateway's answer to a send to what it means.

The rules match the body's text rather than the status code: the gateway gives one outage two codes,
its builds differ in the code for the same text, and a 400 can mean "sent". A text that is not known
here is never taken as "not sent".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

from integrations.evolution.errors import Outcome

_ID_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Accepted:
    """The gateway took the message. The id is empty if it left but the gateway could not record it."""

    provider_message_id: str
    remote_jid: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The message was not accepted, or nobody knows; `outcome` says which."""

    outcome: Outcome
    code: str


@dataclass(frozen=True, slots=True)
class _Rule:
    """A known error text of the gateway, whichever of the error codes it comes under."""

    pattern: re.Pattern[str]
    refused: Refused


def _rule(pattern: str, outcome: Outcome, code: str) -> _Rule:
    return _Rule(re.compile(pattern, re.DOTALL), Refused(outcome, code))


_UNDEFINED = r"(TypeError: )?Cannot read properties of undefined \(reading '{}'\)"
_RULES = (
    _rule(r"(Error: )?Connection Closed", Outcome.INSTANCE_DOWN, "connection_closed"),
    _rule(_UNDEFINED.format("id"), Outcome.INSTANCE_DOWN, "never_paired"),
    _rule(_UNDEFINED.format("onWhatsApp"), Outcome.INSTANCE_DOWN, "never_connected"),
    # The query whether the number is on WhatsApp found no answer; it comes before the send.
    _rule(_UNDEFINED.format("find"), Outcome.RETRYABLE, "number_query_timeout"),
    _rule(r".*contact\.findMany\(\).*Can't reach database.*", Outcome.RETRYABLE, "gateway_database_down"),
    _rule(r"Text is required|Owned media.*|For base64.*", Outcome.PERMANENT, "bad_request"),
    _rule(r"(Error: )?Failed to fetch stream.*|TypeError: fetch failed", Outcome.RETRYABLE, "media_unreachable"),
    _rule(r"(Error: )?Timed Out", Outcome.UNKNOWN, "whatsapp_timeout"),
    _rule(_UNDEFINED.format("message"), Outcome.UNKNOWN, "meta_unreachable"),
)
# Codes of Meta's own API, which WHATSAPP-BUSINESS instances pass on under a 201.
_META = {
    190: Refused(Outcome.INSTANCE_DOWN, "meta_auth"),
    4: Refused(Outcome.RETRYABLE, "meta_rate_limit"),
    80007: Refused(Outcome.RETRYABLE, "meta_rate_limit"),
    130429: Refused(Outcome.RETRYABLE, "meta_rate_limit"),
    131056: Refused(Outcome.RETRYABLE, "meta_rate_limit"),
    131030: Refused(Outcome.PERMANENT, "meta_recipient_not_allowed"),
    131026: Refused(Outcome.PERMANENT, "meta_undeliverable"),
}
UNEXPECTED = Refused(Outcome.UNKNOWN, "unexpected_answer")
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

    `Accepted` only for a 201 with `key.id`, and for the error that names `message.create()`: storing
    the message follows the relay, so it has left. Anything not known is `Outcome.UNKNOWN`.
    """
    data = parse_object(body)
    match http_status:
        case HTTPStatus.CREATED:
            return _created(data)
        case HTTPStatus.NOT_FOUND:
            return _not_found(data)
        case HTTPStatus.BAD_REQUEST | HTTPStatus.INTERNAL_SERVER_ERROR:
            return _failed(data)
        case _:
            return _BY_STATUS.get(http_status, UNEXPECTED)


def parse_object(body: str) -> dict[str, object]:
    """The body's JSON object, or an empty one if it is anything else."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def printable(value: object) -> str:
    """`value` if it is a text that any database column of 100 characters can hold, else an empty one."""
    return value if isinstance(value, str) and len(value) <= _ID_LENGTH and value.isprintable() else ""


def _created(data: dict[str, object]) -> Accepted | Refused:
    key = data.get("key")
    if isinstance(key, dict) and (message_id := printable(key.get("id"))):
        return Accepted(message_id, printable(key.get("remoteJid")))
    if key is None and ("code" in data or "type" in data):
        return _META.get(_integer(data.get("code")), Refused(Outcome.UNKNOWN, "meta_error"))
    return UNEXPECTED


def _not_found(data: dict[str, object]) -> Refused:
    for text in _texts(_message(data)):
        if re.fullmatch(r'The ".*" instance does not exist', text, re.DOTALL):
            return Refused(Outcome.INSTANCE_DOWN, "instance_not_found")
        if text.startswith("Cannot "):
            # No handler took the request: the address or the gateway's version is wrong, for every
            # message alike. So it is held like a missing instance, not counted against this one.
            return Refused(Outcome.INSTANCE_DOWN, "route_not_found")
    return UNEXPECTED


def _failed(data: dict[str, object]) -> Accepted | Refused:
    message = _message(data)
    texts = list(_texts(message))
    if any("message.create()" in text and "prisma" in text.lower() for text in texts):
        return Accepted("", "")
    items = message if isinstance(message, list) else []
    if any(isinstance(item, dict) and item.get("exists") is False for item in items):
        return Refused(Outcome.PERMANENT, "not_on_whatsapp")
    if any(isinstance(item, list) and item and all(isinstance(text, str) for text in item) for item in items):
        return Refused(Outcome.PERMANENT, "bad_request")
    for text in texts:
        for rule in _RULES:
            if rule.pattern.fullmatch(text):
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


def _integer(value: object) -> int:
    """Meta's code as a number, or 0: it comes as a number, and from some builds as digits."""
    if isinstance(value, int):
        return int(value)
    return int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value) else 0
