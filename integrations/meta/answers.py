"""From Meta's answer to a send to what it means. Pure; nothing here raises, whatever the body.

Meta's word is its error object (`error.code`), not the HTTP status, which differs by release for one code. An answer
that has one is definite: nothing was sent. One that has neither that nor an id comes from something in between, and
nobody knows.
"""

from __future__ import annotations

from http import HTTPStatus

from integrations.evolution import meta
from integrations.gateways.outcomes import UNEXPECTED, Accepted, Outcome, Refused
from integrations.gateways.parsing import mapping, parse_object, printable

# What the shop has to put right at Meta before any template goes; what waits is not lost by it.
_TEMPLATE = Refused(Outcome.RETRYABLE, "meta_template")
# Not there, another number of variables, against the rules, another kind of variable, paused, switched off.
_TEMPLATE_CODES = (132000, 132001, 132007, 132012, 132015, 132016)
_BY_STATUS: dict[int, Refused] = {
    HTTPStatus.UNAUTHORIZED: Refused(Outcome.INSTANCE_DOWN, "meta_auth"),
    HTTPStatus.FORBIDDEN: Refused(Outcome.INSTANCE_DOWN, "meta_permission"),
    HTTPStatus.TOO_MANY_REQUESTS: Refused(Outcome.RETRYABLE, "meta_rate_limit"),
    # Something on the way may have passed the request on before it gave up.
    HTTPStatus.BAD_GATEWAY: Refused(Outcome.UNKNOWN, "bad_gateway"),
    HTTPStatus.SERVICE_UNAVAILABLE: Refused(Outcome.UNKNOWN, "bad_gateway"),
    HTTPStatus.GATEWAY_TIMEOUT: Refused(Outcome.UNKNOWN, "bad_gateway"),
}


def classify(http_status: int, body: str) -> Accepted | Refused:
    """What the answer to a send means. `Accepted` only for a 200 with the message's id."""
    data = parse_object(body)
    if http_status == HTTPStatus.OK:
        messages = data.get("messages")
        first = messages[0] if isinstance(messages, list) and messages else None
        if message_id := printable(mapping(first).get("id")):
            return Accepted(message_id)
    return refusal(mapping(data.get("error"))) or _BY_STATUS.get(http_status, UNEXPECTED)


def refusal(error: object) -> Refused | None:
    """What one of Meta's error objects means, of an answer or of a receipt; None if it is none."""
    told = mapping(error)
    if told.get("code") in _TEMPLATE_CODES:
        return _TEMPLATE
    return meta.refusal(told)
