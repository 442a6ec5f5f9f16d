"""Codes that people read aloud and type, and tokens that nobody can guess."""

from __future__ import annotations

import re
import secrets

from django.utils.translation import gettext as _

# No 0/O, 1/I/L: they are mistaken for one another on paper and on the phone.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"

# The postal union's S10: two letters, a number with its check digit, the country.
_S10 = re.compile(r"[A-Z]{2}([0-9]{8})([0-9])[A-Z]{2}")
_S10_WEIGHTS = (8, 6, 4, 2, 3, 5, 9, 7)


def order_code() -> str:
    """Six characters, about 890 million values; uniqueness is the database's."""
    return _random(6)


def pickup_code() -> str:
    """Four characters that the customer shows at the counter; they guard one order, for a few days."""
    return _random(4)


def tracking_token() -> str:
    """The unguessable part of an order's public address: 128 random bits."""
    return secrets.token_urlsafe(16)


def same_code(given: str, expected: str) -> bool:
    """Whether a typed code is the expected one, whatever its case and spaces."""
    return secrets.compare_digest("".join(given.upper().split()).encode(), expected.encode())


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
