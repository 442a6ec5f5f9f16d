"""The addresses (JIDs) under which WhatsApp knows a number."""

from __future__ import annotations

import re

from orders.accounts import numbers_of_account

USER = "@s.whatsapp.net"
BRAZILIAN_MOBILE = re.compile(r"55([0-9]{2})9([0-9]{8})")
_BRAZILIAN_SHORT = re.compile(r"55([0-9]{2})([0-9]{8})")
# The gateway's own channel names people by the bare number.
_PERSON = re.compile(r"([1-9][0-9]{6,14})(?::[0-9]+)?(?:@s\.whatsapp\.net|@c\.us)?")
_NAMELESS = re.compile(r"([1-9][0-9]{0,29})(?::[0-9]+)?@lid")


def addresses(number: str) -> tuple[str, ...]:
    """The JIDs under which the gateway may keep a message to `number` (E.164), the number's own first.

    Brazilian accounts are known with or without the ninth digit, whichever way the number is written.
    """
    digits = number.removeprefix("+")
    if match := BRAZILIAN_MOBILE.fullmatch(digits):
        return digits + USER, f"55{match[1]}{match[2]}{USER}"
    if match := _BRAZILIAN_SHORT.fullmatch(digits):
        return digits + USER, f"55{match[1]}9{match[2]}{USER}"
    return tuple(each.removeprefix("+") + USER for each in numbers_of_account(f"+{digits}"))


def bare(number: str) -> str:
    """What an instance of the gateway's own channel, EVOLUTION, keeps a message to `number` (E.164) under."""
    return number.removeprefix("+")


def numbers(jid: str) -> tuple[str, ...]:
    """The numbers (E.164) of the person with this address, as it says first; none if it is not a person's number.

    The other forms of the same account (`orders.accounts`) are the same person's.
    """
    person = _PERSON.fullmatch(jid)
    return numbers_of_account(f"+{person[1]}") if person else ()


def numbers_of(number: str) -> tuple[str, ...]:
    """The same for a number (E.164): itself first; none for an empty one."""
    return numbers(number.removeprefix("+") + USER)


def lid(jid: str) -> str:
    """The nameless address (`…@lid`) of a person, whichever of their devices it names; empty for any other."""
    nameless = _NAMELESS.fullmatch(jid)
    return f"{nameless[1]}@lid" if nameless else ""
