"""The addresses (JIDs) under which WhatsApp knows a number."""

from __future__ import annotations

import re

USER = "@s.whatsapp.net"
BRAZILIAN_MOBILE = re.compile(r"55([0-9]{2})9([0-9]{8})")
_BRAZILIAN_SHORT = re.compile(r"55([0-9]{2})([0-9]{8})")


def addresses(number: str) -> tuple[str, ...]:
    """The JIDs under which the gateway may keep a message to `number` (E.164), the number's own first.

    Brazilian accounts are known with or without the ninth digit, whichever way the number is written.
    """
    digits = number.removeprefix("+")
    if match := BRAZILIAN_MOBILE.fullmatch(digits):
        return digits + USER, f"55{match[1]}{match[2]}{USER}"
    if match := _BRAZILIAN_SHORT.fullmatch(digits):
        return digits + USER, f"55{match[1]}9{match[2]}{USER}"
    return (digits + USER,)
