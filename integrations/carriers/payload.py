"""Reading the body of a carrier's request, strictly: what is not as described is refused with the field's name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from django.utils import timezone

from integrations.carriers.errors import RefusedError
from integrations.carriers.models import CarrierNews
from orders.codes import compact, compact_tracking
from orders.contacts import is_storable

_LONGEST = {"tracking_code": 60, "order": 12}
_DESCRIPTION_LENGTH = 300
# A carrier's clock may be a little ahead; news from another year is a mistake.
_AHEAD = timedelta(minutes=5)
_OLD = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Payload:
    tracking_code: str
    order: str
    status: CarrierNews.Status
    occurred_at: datetime
    description: str


def parse(body: bytes) -> Payload:
    """The news in a JSON body. Raises `RefusedError`."""
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        raise _wrong("The body must be JSON.") from None
    if not isinstance(values, dict):
        raise _wrong("The body must be a JSON object.")
    return Payload(
        tracking_code=_text(values, "tracking_code", compact_tracking, required=True),
        order=_text(values, "order", compact),
        status=_status(values),
        occurred_at=_moment(values),
        description=_text(values, "description")[:_DESCRIPTION_LENGTH],
    )


def _wrong(sentence: str) -> RefusedError:
    return RefusedError(HTTPStatus.BAD_REQUEST, sentence)


def _text(values: dict[str, Any], name: str, read: Callable[[str], str] = str, *, required: bool = False) -> str:
    """The field as one line, as `read` has it; optional ones may be missing, null or empty."""
    value = values.get(name)
    value = "" if value is None else value
    if not isinstance(value, str) or not is_storable(value):
        raise _wrong(f"{name} must be a string.")
    line = read(" ".join(value.split()))
    if required and not line:
        raise _wrong(f"{name} is required.")
    if len(line) > _LONGEST.get(name, len(line)):
        raise _wrong(f"{name} must have at most {_LONGEST[name]} characters.")
    return line


def _status(values: dict[str, Any]) -> CarrierNews.Status:
    status = _text(values, "status", required=True)
    if status not in CarrierNews.Status:
        raise _wrong(f"status must be one of: {', '.join(CarrierNews.Status.values)}.")
    return CarrierNews.Status(status)


def _moment(values: dict[str, Any]) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(values, "occurred_at", required=True))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _wrong("occurred_at must be a time with its offset, like 2026-11-23T14:30:00-03:00.")
    now = timezone.now()
    if not now - _OLD <= moment <= now + _AHEAD:
        raise _wrong("occurred_at must lie within the last year, and not in the future.")
    return moment
