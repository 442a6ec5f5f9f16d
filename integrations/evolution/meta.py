"""What Meta's refusals mean: its own API gives them, and a WHATSAPP-BUSINESS instance passes them on under a 201.

Each of them is definite: Meta has not taken the message, so nothing of it is ever looked up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from integrations.gateways.outcomes import Outcome, Refused

_TEMPLATES = range(132000, 133000)
_PERMISSIONS = range(200, 300)
_RATE_LIMIT = Refused(Outcome.RETRYABLE, "meta_rate_limit")
_UNAVAILABLE = Refused(Outcome.RETRYABLE, "meta_unavailable")
_BAD_REQUEST = Refused(Outcome.PERMANENT, "meta_bad_request")
_PERMISSION = Refused(Outcome.INSTANCE_DOWN, "meta_permission")
_AUTH = Refused(Outcome.INSTANCE_DOWN, "meta_auth")
_BLOCKED = Refused(Outcome.INSTANCE_DOWN, "meta_blocked")
_NUMBER = Refused(Outcome.INSTANCE_DOWN, "meta_number")
# With this sub-code: what the address names does not exist, or not for this token.
_INVALID_PARAMETER, _NO_SUCH_OBJECT = 100, 33
# Nothing was sent, so that another try costs time alone, while giving up could lose what it would deliver. It ends
# with the message's life at the latest.
_OTHERWISE = Refused(Outcome.RETRYABLE, "meta_error")
_BY_CODE = {
    # This message
    131047: Refused(Outcome.PERMANENT, "meta_outside_24_hours"),
    # For its own reasons: it protects people, makes an experiment, or the customer wants no such messages.
    **dict.fromkeys((131049, 130472, 131050), Refused(Outcome.PERMANENT, "meta_withheld")),
    131026: Refused(Outcome.PERMANENT, "meta_undeliverable"),
    # 131030: of a number under test; 130497: in that country; 131021: the shop's own.
    **dict.fromkeys((131030, 130497, 131021), Refused(Outcome.PERMANENT, "meta_recipient_not_allowed")),
    **dict.fromkeys((_INVALID_PARAMETER, 131008, 131009, 131051, *_TEMPLATES), _BAD_REQUEST),
    # The instance
    **dict.fromkeys((0, 190), _AUTH),
    131042: Refused(Outcome.INSTANCE_DOWN, "meta_payment"),
    **dict.fromkeys((3, 10, 131005, *_PERMISSIONS), _PERMISSION),
    # The number was deleted, has no approved name, no certificate, or is not registered.
    **dict.fromkeys((33, 131037, 131045, 133010), _NUMBER),
    **dict.fromkeys((368, 131031), _BLOCKED),
    # The moment
    **dict.fromkeys((4, 80007, 130429, 131048, 131056, 133016), _RATE_LIMIT),
    **dict.fromkeys((1, 2, 131000, 131016, 131057), _UNAVAILABLE),
}


def refusal(body: Mapping[str, object]) -> Refused | None:
    """What the error object means; None if it is none of Meta's. Pure; never raises."""
    code = _integer(body.get("code"))
    if code is None and not isinstance(body.get("type"), str):
        return None
    known = _BY_CODE.get(code, _OTHERWISE) if code is not None else _OTHERWISE
    if code == _INVALID_PARAMETER and _integer(body.get("error_subcode")) == _NO_SUCH_OBJECT:
        known = _NUMBER
    # Meta's word for it that another try may succeed; for the whole instance's trouble somebody has to act.
    if body.get("is_transient") is True and known.outcome is not Outcome.INSTANCE_DOWN and known is not _RATE_LIMIT:
        return _UNAVAILABLE
    return known


def _integer(value: object) -> int | None:
    """The code as a number: it comes as one, and from some builds as digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value) else None
