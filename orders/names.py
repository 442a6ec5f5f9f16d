"""What to call a person whose name somebody typed."""

from __future__ import annotations

import re

from orders.typed import visible

_TITLES = "dra?|dr[ªº]|dr\\(a\\)|sra?|sr[ªº]|sr\\(a\\)|srta|profa?|prof[ªº]|prof\\(a\\)|eng|enga|engª|dona|seu|d"
_TITLE = re.compile(rf"(?:{_TITLES})(?:\.|$)|(?:{_TITLES})(?=\s)", re.IGNORECASE)
# What a phone makes a link of: an address with or without its scheme, a mail address.
_LINK = re.compile(r"://|^www\.|@|\w\.\w{2,}")
_MARKS = re.compile(r"[*_~`]")
_EDGES = " .,;:!?-–—/|()[]{}<>\"'“”‘’"


def first_name(name: str) -> str:
    """What a message calls the person: the first word of the name that is one; empty where there is none.

    Titles, links, words without a letter and WhatsApp's marks are passed over, and what stands before a colon where a
    name follows it (`Mercado Livre: Ana`).
    """
    text = _MARKS.sub("", visible(name))
    _, colon, after = text.rpartition(": ")
    words = after.split() if colon and after.lstrip()[:1].isupper() else text.split()
    return next(filter(None, map(_called, _without_titles(words))), "")


def _without_titles(words: list[str]) -> list[str]:
    line = " ".join(words)
    while title := _TITLE.match(line):
        line = line[title.end() :].lstrip()
    return line.split()


def _called(word: str) -> str:
    """The word if it can be a name, without the punctuation around it."""
    word = word.strip(_EDGES)
    return word if any(map(str.isalpha, word)) and not _LINK.search(word) else ""
