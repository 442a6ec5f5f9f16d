"""What pydantic finds wrong, as RFC 9457's `errors`: where, a code, and a sentence in Portuguese."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from api.problems import Problem, invalid

_WORDS: dict[str, Callable[[], str]] = {
    "missing": lambda: _("This is missing."),
    "extra_forbidden": lambda: _("There is no such field."),
    "string_type": lambda: _("This must be a text between quotation marks."),
    "string_unicode": lambda: _("The text has characters that cannot be stored."),
    "string_too_short": lambda: _("This needs %(min_length)s characters or more."),
    "string_too_long": lambda: _("This may have %(max_length)s characters."),
    "string_pattern_mismatch": lambda: _("This is not written as it must be: “%(pattern)s”."),
    "bool_type": lambda: _("This must be true or false."),
    "bool_parsing": lambda: _("This must be true or false."),
    "int_type": lambda: _("This must be a whole number."),
    "int_parsing": lambda: _("This must be a whole number."),
    "int_parsing_size": lambda: _("This number is too large."),
    "greater_than_equal": lambda: _("This must be %(ge)s or more."),
    "less_than_equal": lambda: _("This must be %(le)s or less."),
    "enum": lambda: _("This must be one of: %(expected)s."),
    "literal_error": lambda: _("This must be one of: %(expected)s."),
    "list_type": lambda: _("This must be a list."),
    "too_short": lambda: _("This needs %(min_length)s or more."),
    "too_long": lambda: _("This may have %(max_length)s of them."),
    "model_type": lambda: _("This must be an object."),
    "model_attributes_type": lambda: _("This must be an object."),
    "timezone_aware": lambda: _("This needs its offset from UTC, as in 2026-11-27T10:00:00-03:00."),
}
_TIMES = ("datetime_", "date_")
# Of a body, this and the name of our own parameter for it come before what the client has written.
_BODY_PREFIX = 2


def problem_of(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """All of them in one answer."""
    return invalid([_entry(error) for error in errors])


def _entry(error: Mapping[str, Any]) -> dict[str, str]:
    source, *place = error["loc"]
    kind = str(error["type"])
    told = {"code": kind.replace("_", "-"), "message": _words(kind, error)}
    if source == "body":
        return {"pointer": "".join(f"/{_escaped(each)}" for each in place[_BODY_PREFIX - 1 :]), **told}
    return {"parameter": str(place[-1]) if place else str(source), **told}


def _words(kind: str, error: Mapping[str, Any]) -> str:
    if words := _WORDS.get(kind):
        told = error.get("ctx", {})
        return str(words() % {name: str(value).replace(" or ", " ou ") for name, value in told.items()})
    if kind.startswith(_TIMES):
        return _("This must be a date and time, as in 2026-11-27T10:00:00-03:00.")
    # Ours are in Portuguese as they are raised; no other of pydantic's is asked for.
    return str(error["msg"])


def _escaped(part: object) -> str:
    """As RFC 6901 writes it; what the client may have written anything into, and no JSON could carry, is replaced."""
    return str(part).encode(errors="replace").decode().replace("~", "~0").replace("/", "~1")
