"""Codes that people read aloud, type and paste, and tokens that nobody can guess."""

from __future__ import annotations

import re
import secrets
from urllib.parse import unquote

from django.utils.translation import gettext as _

from orders.typed import plain

# No 0/O, 1/I/L: they are mistaken for one another on paper and on the phone.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"

# The postal union's S10: two letters, a number with its check digit, the country.
_S10 = re.compile(r"[A-Z]{2}([0-9]{8})([0-9])[A-Z]{2}")
_S10_WEIGHTS = (8, 6, 4, 2, 3, 5, 9, 7)
_GAP = "[ ._-]{0,3}"
# The same as people paste it: in groups, in the middle of a sentence or of an address.
_S10_WITHIN = re.compile(rf"(?<![0-9A-Z-])[A-Z]{{2}}{_GAP}(?:[0-9]{_GAP}){{9}}[A-Z]{{2}}(?![0-9A-Z-])")
_ADDRESS = re.compile(r"\S+://\S+")
# What no carrier's code is: which order it is, how many parcels, a day.
_NO_CODE = re.compile(
    rf"\bPEDIDO\W{{0,3}}[0-9A-Z]{{1,8}}\b|(?<![0-9A-Z-])[0-9](?:{_GAP}[0-9]){{0,3}}(?!{_GAP}[0-9])(?![A-Z-])"
)
BETWEEN = ", "
# More than any code or address has; what is longer is no code, and is not searched for one.
_LONGEST = 500


def order_code() -> str:
    """Six characters, about 890 million values; uniqueness is the database's."""
    return _random(6)


def pickup_code() -> str:
    """Four characters that the customer shows at the counter; they guard one order, for a few days."""
    return _random(4)


def tracking_token() -> str:
    """The unguessable part of an order's public address: 128 random bits."""
    return secrets.token_urlsafe(16)


def compact(text: str) -> str:
    """A code of ours, of an order or for its pickup, as we write it: `#k7m-pxq` is `K7MPXQ`."""
    return re.sub(r"[\W_]", "", plain(text[:_LONGEST])).upper()


def same_code(given: str, expected: str) -> bool:
    """Whether a typed code of ours is the expected one, however it is written."""
    return secrets.compare_digest(compact(given).encode(), expected.encode())


def compact_tracking(text: str) -> str:
    """Tracking codes as their carrier writes them, several with a comma between; `tracking_codes` takes them apart.

    Codes of the postal union (S10) are found in groups, after a label (`Pedido 12: …`) and in the address of a tracking
    page. What holds none, or beside it what may be another code, comes back as it is, without what is invisible.
    """
    line = plain(text)
    if len(line) > _LONGEST:
        return line
    searched = (unquote(line) if _ADDRESS.search(line) else line).upper()
    found = [re.sub("[ ._-]", "", match) for match in _S10_WITHIN.findall(searched)]
    rest = _NO_CODE.sub("", _ADDRESS.sub("", _S10_WITHIN.sub("", searched)))
    return BETWEEN.join(dict.fromkeys(found)) if found and not re.search("[0-9]", rest) else line


def tracking_codes(stored: str) -> list[str]:
    """The single codes of an order's tracking code: several only where each is one of the postal union."""
    codes = compact_tracking(stored).split(BETWEEN)
    return codes if all(_S10.fullmatch(code) for code in codes) else [stored][: bool(stored)]


def tracking_key(code: str) -> str:
    """What two ways of writing one parcel's code have in common."""
    return compact_tracking(code).upper()


def correios_warning(code: str) -> str:
    """What is suspicious about a tracking code of Correios; empty when nothing is."""
    found = _S10.fullmatch(code.upper())
    if not found:
        return _("“%(code)s” does not look like a code of Correios (such as AA123456785BR).") % {"code": code}
    number, check = found.groups()
    rest = 11 - sum(weight * int(digit) for weight, digit in zip(_S10_WEIGHTS, number, strict=True)) % 11
    if int(check) != {10: 0, 11: 5}.get(rest, rest):
        return _("The digits of “%(code)s” do not agree with one another: check whether one is mistyped.") % {
            "code": code
        }
    return ""


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
