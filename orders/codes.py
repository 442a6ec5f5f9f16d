"""Codes that people read aloud and type, and tokens that nobody can guess."""

from __future__ import annotations

import secrets

# No 0/O, 1/I/L: they are mistaken for one another on paper and on the phone.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"


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


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
