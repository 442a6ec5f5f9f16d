"""The addresses (JIDs) under which WhatsApp knows a number."""

from __future__ import annotations

import re

USER = "@s.whatsapp.net"
BRAZILIAN_MOBILE = re.compile(r"55([0-9]{2})9([0-9]{8})")
_BRAZILIAN_SHORT = re.compile(r"55([0-9]{2})([0-9]{8})")
# Only mobiles that once had eight digits are known in two ways; those of a landline begin with 2 to 5.
_OLD_MOBILE = re.compile(r"55([0-9]{2})(9?)([6-9][0-9]{7})")
_PERSON = re.compile(r"([1-9][0-9]{6,14})(?::[0-9]+)?@s\.whatsapp\.net")


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


def numbers(jid: str) -> tuple[str, ...]:
    """The numbers (E.164) of the person with this address, as it says first; none if it is not a person's number.

    The other form of a Brazilian mobile is the same person's; a landline and a mobile are never taken for each other.
    """
    person = _PERSON.fullmatch(jid)
    if person is None:
        return ()
    digits = person[1]
    if match := _OLD_MOBILE.fullmatch(digits):
        other = f"55{match[1]}{match[3]}" if match[2] else f"55{match[1]}9{match[3]}"
        return f"+{digits}", f"+{other}"
    return (f"+{digits}",)


def numbers_of(number: str) -> tuple[str, ...]:
    """The same for a number (E.164): itself first, then the other form of a Brazilian mobile; none for an empty one."""
    return numbers(number.removeprefix("+") + USER)
