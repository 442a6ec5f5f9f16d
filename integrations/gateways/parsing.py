"""Out of JSON that may be anything: what a gateway answers or tells. Pure; nothing here raises, whatever comes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TypeGuard

_ID_LENGTH = 100
_DIGITS = re.compile("[0-9]{1,19}")


def parse_object(body: str) -> dict[str, object]:
    """The body's JSON object, or an empty one if it is anything else."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def mapping(value: object) -> Mapping[str, object]:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def printable(value: object) -> str:
    """`value` if it is a text that any database column of 100 characters can hold, else an empty one."""
    return value if isinstance(value, str) and len(value) <= _ID_LENGTH and value.isprintable() else ""


def whole_number(value: object) -> int | None:
    """A number that is not negative in any of the forms in which gateways write it, else None.

    They are a number, its digits, and the halves of a long (`{"low", "high", "unsigned"}`): the Evolution API's library
    changes its objects' JSON when it copies them.
    """
    if isinstance(value, dict):
        low, high = value.get("low"), value.get("high", 0)
        value = (high << 32) + (low & 0xFFFFFFFF) if _is_integer(low) and _is_integer(high) else None
    elif (isinstance(value, str) and _DIGITS.fullmatch(value)) or (isinstance(value, float) and value.is_integer()):
        value = int(value)
    return value if is_count(value) else None


def is_count(value: object) -> TypeGuard[int]:
    """Whether it is a whole number that is not negative."""
    return _is_integer(value) and value >= 0


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
