"""What people type and paste, as the plain characters they mean; what every reader of codes and numbers begins with."""

from __future__ import annotations

import re
import unicodedata

# Signs that show nothing and turn, join or break what stands around them, and controls that are no white space. The
# joiner of an emoji's parts is one of them elsewhere.
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u180e\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u206f"
    r"\ufeff\ufff9-\ufffb]"
    r"|(?<![\u2190-\u2bff\ufe0f\u20e3\U0001f000-\U0001faff])\u200d"
)
_DASHES = re.compile(r"[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")


def visible(text: str) -> str:
    """The text without signs that nobody sees: zero-width ones, overrides of the writing direction, controls."""
    return _INVISIBLE.sub("", text)


def plain(text: str) -> str:
    """The text of a code or a number in one line: compatible forms of a letter or digit as the usual one, hyphens as
    `-`, nothing invisible."""
    return " ".join(_DASHES.sub("-", visible(unicodedata.normalize("NFKC", visible(text)))).split())
