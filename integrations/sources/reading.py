"""Reading what those write who send us news: their JSON, texts and times, as they stand there; and their signatures."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from functools import wraps
from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from integrations.sources import Nothing, RefusedError
from orders.typed import visible

type Headers = Mapping[str, str]
type Fields = Mapping[str, Any]
# What asks the sender: method, address, headers, parameters and JSON; status, headers and JSON of the answer.
type Call = Callable[..., tuple[int, Mapping[str, str], Any]]

# Years in which something may have changed.
_YEARS = range(2000, 2100)


class NotAsDescribedError(Exception):
    """The body is not what its source describes. `str()` is a sentence for the staff."""


def reader[Told](read: Callable[[Headers, Fields], Told]) -> Callable[[Headers, bytes], Told | Nothing]:
    """The source's `read`, of a body of which only the JSON object is known; what is not as described is `Nothing`."""

    @wraps(read)
    def safely(headers: Headers, body: bytes) -> Told | Nothing:
        try:
            return read(headers, json_object(body))
        except NotAsDescribedError as wrong:
            return Nothing(str(wrong), trouble=True)

    return safely


def json_object(body: bytes) -> Fields:
    """The JSON object in the body. Raises `NotAsDescribedError`."""
    try:
        values = json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError, InvalidOperation):
        raise NotAsDescribedError(_("What came is no JSON.")) from None
    if not isinstance(values, dict):
        raise NotAsDescribedError(_("What came is no JSON object."))
    return values


def header(headers: Headers, name: str) -> str:
    """The header, however a proxy writes its name; empty without it."""
    if (value := headers.get(name)) is not None:
        return value
    return next((value for each, value in headers.items() if each.lower() == name.lower()), "")


def require_signature(headers: Headers, name: str, body: bytes, secret: str, *, as_hex: bool = False) -> None:
    """Raise `RefusedError` unless the header has the body's HMAC-SHA256, in base64 or hex. An empty secret signs
    nothing."""
    digest = hmac.digest(secret.encode(), body, "sha256")
    expected = digest.hex().encode() if as_hex else base64.b64encode(digest)
    given = header(headers, name).encode(errors="replace")
    if not hmac.compare_digest(given, expected) or not secret.strip():
        raise RefusedError(HTTPStatus.FORBIDDEN, f"{name} is missing or wrong.")


def fields(values: Fields, *names: str) -> Fields:
    """The object within the objects of these names; an empty one if there is none."""
    for name in names:
        values = values.get(name) or {}
        if not isinstance(values, dict):
            return {}
    return values


def rows(values: Fields, name: str) -> list[Fields]:
    """The objects in the list of this name."""
    found = values.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def text(values: Fields, *names: str) -> str:
    """The first of these fields that says something, as one line; a whole number as its digits."""
    for name in names:
        value = values.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, str) and (line := " ".join(visible(value.encode(errors="replace").decode()).split())):
            return line
    return ""


def required(values: Fields, name: str) -> str:
    """The field's text. Raises `NotAsDescribedError` without it."""
    if found := text(values, name):
        return found
    raise NotAsDescribedError(_("What came has no “%(name)s”.") % {"name": name})


def moment(written: str, zone: tzinfo = UTC) -> datetime:
    """The time in UTC; one without offset is the zone's. Raises `NotAsDescribedError`."""
    if not written:
        raise NotAsDescribedError(_("What came does not say when the order changed."))
    when = any_moment(written, zone)
    if when is None or when.year not in _YEARS:
        raise NotAsDescribedError(_("“%(text)s” is no time.") % {"text": written[:40]})
    return when


def moment_if_any(written: str, zone: tzinfo = UTC) -> datetime | None:
    """The same; None for what is not there, or is no time."""
    with suppress(NotAsDescribedError):
        return moment(written, zone)
    return None


def any_moment(written: str, zone: tzinfo = UTC) -> datetime | None:
    """The same, of whatever year: whoever asks says what cannot be."""
    try:
        when = datetime.fromisoformat(written)
        return (when if when.tzinfo else when.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def zone(name: str) -> tzinfo:
    """The time zone of this name. Raises `NotAsDescribedError`."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise NotAsDescribedError(_("“%(text)s” is no time zone.") % {"text": name[:40]}) from None


def first_of(*texts: str) -> tuple[str, ...]:
    """Those that say something, each once, in their order."""
    return tuple(dict.fromkeys(filter(None, texts)))
