"""From a number as given to the address on WhatsApp, by the gateway's own rules.

They stand here on their own, and not in what the product knows of addresses: else a mistake there would be made here
too, and nobody would notice.
"""

from __future__ import annotations

import re

USER = "@s.whatsapp.net"
_WITH_NINE = re.compile(r"55(\d\d)9(\d{8})", re.ASCII)
_WITHOUT_NINE = re.compile(r"55(\d\d)(\d{8})", re.ASCII)
_GROUP_LENGTH = 18
_FIRST_DDD_WITHOUT_NINE = 31
_FIRST_MOBILE_DIGIT = 7


def create_jid(number: str) -> str:
    """The address the gateway makes of `number`; nothing is validated, and no country code is added.

    A Brazilian mobile loses its ninth digit if its DDD is 31 or more and the digit after the nine is at
    least 7: such accounts were made before the ninth digit came.
    """
    if any(suffix in number for suffix in (USER, "@lid", "@g.us")):
        return number
    digits = re.sub(r"\D", "", number)
    if len(digits) >= _GROUP_LENGTH:
        return digits + "@g.us"
    if match := _WITH_NINE.fullmatch(digits):
        ddd, rest = match.groups()
        if int(ddd) >= _FIRST_DDD_WITHOUT_NINE and int(rest[0]) >= _FIRST_MOBILE_DIGIT:
            digits = f"55{ddd}{rest}"
    return digits + USER


def variants(jid: str) -> tuple[str, ...]:
    """The address, and the same with or without the ninth digit, which the gateway's cache takes as one."""
    digits = digits_of(jid)
    if match := _WITH_NINE.fullmatch(digits):
        return jid, f"55{match[1]}{match[2]}{USER}"
    if match := _WITHOUT_NINE.fullmatch(digits):
        return jid, f"55{match[1]}9{match[2]}{USER}"
    return (jid,)


def digits_of(jid: str) -> str:
    """The number of an address."""
    return jid.partition("@")[0]


def pretty(digits: str) -> str:
    """A number as people write it: +55 (11) 98765-4321."""
    if match := re.fullmatch(r"55(\d\d)(\d{4,5})(\d{4})", digits):
        return "+55 ({}) {}-{}".format(*match.groups())
    return f"+{digits}"
