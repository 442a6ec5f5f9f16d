"""What Meta takes outside the 24 hours: a template that it has approved, with our text in its one variable."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Ends of addresses and remarks: what comes next is something else.
_GOES_ON = ")/\"'"
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Template:
    """A template of the account, by what Meta calls it: one variable in its body, and no other part with any."""

    name: str
    language: str


def as_parameter(text: str) -> str:
    """The text as a template's variable can carry it: on one line, since Meta refuses line breaks, tabs and wide gaps.

    A line that ends in no sign of its own is set off from the next by a dot, so that items do not run into one another.
    """
    lines = [line for line in (_SPACES.sub(" ", line).strip() for line in text.splitlines()) if line]
    parts = [f"{line} " if _ends(line) else f"{line} · " for line in lines[:-1]]
    return "".join([*parts, *lines[-1:]])


def _ends(line: str) -> bool:
    """Whether the line ends as a sentence does, or with a picture, whatever marks of WhatsApp's stand behind."""
    last = line.rstrip("*_~ ")[-1:]
    return bool(last) and not (last.isalnum() or last in _GOES_ON)
