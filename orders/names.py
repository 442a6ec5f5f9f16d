"""What to call a person whose name somebody typed."""

from __future__ import annotations

import re

from orders.typed import visible

_TITLES = (
    "dra?|dr[ªº]|dr\\(a\\)|sra?|sr[ªº]|sr\\(a\\)|srta|profa?|prof[ªº]|prof\\(a\\)|eng|enga|engª|dona|seu|d[ªº]?"
    "|doutora?|senhora?|professora?"
)
_TITLE = re.compile(rf"(?:{_TITLES})(?:\.|$)|(?:{_TITLES})(?=\s)", re.IGNORECASE)
# What a phone makes a link of: an address with or without its scheme, a mail address.
_LINK = re.compile(r"://|^www\.|@|\w\.\w{2,}")
_MARKS = re.compile(r"[*_~`]")
# Whose presents they are, who else lives there: no part of the name. The `(a)` of a title is one.
_REMARK = re.compile(r"(?<=\s)\([^()]*(?:\)|$)|^\([^()A-ZÀ-Ý]*\)")
# What stands before a name, between two, or for none.
_NO_NAME = frozenset({"e", "de", "da", "do", "das", "dos", "a/c", "c/o", "sem", "nome", "n/a", "n/d"})
# An initial, or a title that is not listed: `Pe. João`.
_LONGEST_ABBREVIATION = 5
_EDGES = " ªº.,;:!?-–—/|()[]{}<>\"'“”‘’"


def first_name(name: str) -> str:
    """What a message calls the person: the first word of the name that is one; empty where there is none.

    Titles, links, words without a letter and WhatsApp's marks are passed over, and what stands before a colon where a
    name follows it (`Mercado Livre: Ana`).
    """
    text = _MARKS.sub("", visible(name))
    text = _REMARK.sub("", text) if any(map(str.isalpha, _REMARK.sub("", text))) else text
    _, colon, after = text.rpartition(": ")
    words = after.split() if colon and after.lstrip()[:1].isupper() else text.split()
    names = [(word, called) for word in _without_titles(words) if (called := _called(word))]
    whole = [called for word, called in names if not _is_abbreviated(word)]
    return next(iter([*whole, *(called for _word, called in names)]), "")


def _without_titles(words: list[str]) -> list[str]:
    line = " ".join(words)
    while title := _TITLE.match(line):
        line = line[title.end() :].lstrip()
    return line.split()


def _is_abbreviated(word: str) -> bool:
    return word.endswith((".", ".º", ".ª")) and len(word) <= _LONGEST_ABBREVIATION


def _called(word: str) -> str:
    """The word if it can be a name, without the punctuation around it."""
    word = word.strip(_EDGES)
    is_name = any(map(str.isalpha, word)) and word.lower() not in _NO_NAME
    return word if is_name and not _LINK.search(word) else ""
