"""What Meta's refusals mean: a WHATSAPP-BUSINESS instance passes them on under a 201, without a key.

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
_BLOCKED = Refused(Outcome.INSTANCE_DOWN, "meta_blocked")
# Nothing was sent, so that another try costs time alone, while giving up could lose what it would deliver. It ends
# with the message's life at the latest.
_OTHERWISE = Refused(Outcome.RETRYABLE, "meta_error")
_BY_CODE = {
    # This message
    131047: Refused(Outcome.PERMANENT, "meta_outside_24_hours"),
    131049: Refused(Outcome.PERMANENT, "meta_withheld"),
    131026: Refused(Outcome.PERMANENT, "meta_undeliverable"),
    131030: Refused(Outcome.PERMANENT, "meta_recipient_not_allowed"),
    **dict.fromkeys((100, 131051, *_TEMPLATES), _BAD_REQUEST),
    # The instance
    190: Refused(Outcome.INSTANCE_DOWN, "meta_auth"),
    131042: Refused(Outcome.INSTANCE_DOWN, "meta_payment"),
    **dict.fromkeys((10, 131005, *_PERMISSIONS), _PERMISSION),
    **dict.fromkeys((368, 131031), _BLOCKED),
    # The moment
    **dict.fromkeys((4, 80007, 130429, 131048, 131056, 133016), _RATE_LIMIT),
    **dict.fromkeys((1, 2, 131000, 131016), _UNAVAILABLE),
}


def refusal(body: Mapping[str, object]) -> Refused | None:
    """What the error object means; None if it is none of Meta's. Pure; never raises."""
    code = _integer(body.get("code"))
    if code is None and not isinstance(body.get("type"), str):
        return None
    known = _BY_CODE.get(code, _OTHERWISE) if code is not None else _OTHERWISE
    # Meta's word for it that another try may succeed; for the whole instance's trouble somebody has to act.
    if body.get("is_transient") is True and known.outcome is not Outcome.INSTANCE_DOWN and known is not _RATE_LIMIT:
        return _UNAVAILABLE
    return known


def _integer(value: object) -> int | None:
    """The code as a number: it comes as one, and from some builds as digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value) else None
