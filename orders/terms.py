"""What people type, read: its words, the numbers that it may be, and what a `tsquery` asks for them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress

from django.core.exceptions import ValidationError

from orders.accounts import numbers_of_account
from orders.contacts import CNPJ_LENGTH, is_storable, normalize_phone
from orders.words import words_of

_FEWEST_DIGITS = 4
# More words, or of a longer one more, than anybody types; all in one piece they are as long as PostgreSQL allows.
_MOST_WORDS, _LONGEST = 8, 60
_MOBILE = re.compile(r"9?([6-9]\d{7})")
# What comes along with what is pasted and separates words, though not in what is stored: a mark of the order of bytes,
# a minus.
_PASTED = str.maketrans({"\ufeff": " ", "\u2212": " "})
# What people write before a code or a number: `pedido XQN93B`, `tel.: 11 98765-4321`, `https://wa.me/5511987654321`.
_LABELS = frozenset({
    "pedido", "codigo", "cod", "de", "retirada", "rastreio", "rastreamento", "objeto", "cliente", "no", "n", "tel",
    "telefone", "fone", "cel", "celular", "whatsapp", "whats", "zap", "cpf", "cnpj", "https", "http", "wa", "me",
})  # fmt: skip


def digits(term: str) -> str:
    """The digits of a term that is (a part of) a phone or CPF, however it is written; else empty."""
    written = "".join(_without_label(read(term)))
    return written if written.isdecimal() and len(written) >= _FEWEST_DIGITS else ""


def read(term: str) -> list[str]:
    words = words_of(term.translate(_PASTED)) if is_storable(term) else []
    return [word[:_LONGEST] for word in words[:_MOST_WORDS]]


def _without_label(words: Sequence[str]) -> Sequence[str]:
    start = next((place for place, word in enumerate(words) if word not in _LABELS), len(words))
    return words[start:]


def numbers(term: str) -> set[str]:
    """The ways in which the number that the term is may stand in a phone, CPF or CNPJ, which may have letters; of a
    mobile, with the ninth digit too and without."""
    written = digits(term)
    if not written:
        return _document(term)
    ways = {written, written.lstrip("0"), *_with_and_without_nine(written)}
    with suppress(ValidationError):
        ways.update(each.removeprefix("+") for each in numbers_of_account(normalize_phone(written)))
    return {way for way in ways if len(way) >= _FEWEST_DIGITS}


def _with_and_without_nine(written: str) -> set[str]:
    """A mobile said without its area code, as it was before the ninth digit, and as it is."""
    mobile = _MOBILE.fullmatch(written)
    return {mobile[1], f"9{mobile[1]}"} if mobile else set()


def _document(term: str) -> set[str]:
    """(A part of) a CNPJ with letters, in one piece, as it stands; nothing if the term cannot be one."""
    written = "".join(_without_label(read(term)))
    is_one = _FEWEST_DIGITS <= len(written) <= CNPJ_LENGTH and any(sign.isdecimal() for sign in written)
    return {written} if is_one else set()


# A word has no sign that a `tsquery` could read in another way: all of them separate words.


def prefix(word: str) -> str:
    return f"'{word}':*" if word else ""


def every(words: Sequence[str]) -> str:
    return " & ".join(map(prefix, words))


def either(*asked: str) -> str:
    return " | ".join(each for each in asked if each)


def in_one_piece(words: Sequence[str]) -> str:
    return prefix("".join(_without_label(words)))
