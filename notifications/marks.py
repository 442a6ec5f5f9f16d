"""Values in a text of WhatsApp, which knows marks but no way to escape them: *bold*, _italic_, ~struck~, `code`.

Between a mark and what it would mark stands U+2060, which nobody sees; so the mark is shown and marks nothing. What is
there to be copied or tapped holds none: one more character, seen or not, makes another code of it.
"""

from __future__ import annotations

import re

from orders.typed import visible

_JOINER = "\N{WORD JOINER}"
_MARKS = "*_~`"
# An underscore inside a word marks nothing anywhere; of the others one cannot be sure.
_MARK = re.compile(r"(?<!\w)_|_(?!\w)|[*~`]")
_KEPT = re.compile(
    rf"""
      # Pix, "copia e cola": its end is a checksum of all that goes before, blanks and asterisks too.
      (?P<pix> (?:000201[^\n`]*|[^\s`]*)6304[0-9A-Fa-f]{{4}}(?![0-9A-Za-z]) )
    | https?://[^\s`]*[^\s`{_MARKS}.,;:!?)\]]
    | [\w.+-]+@[\w-]+\.[\w.-]*\w
    """,
    re.VERBOSE,
)


def literal(text: str) -> str:
    """The text as it is to be seen: its marks mark nothing, and nothing invisible turns or breaks the line."""
    text = visible(text)
    parts, end = [], 0
    for kept in _KEPT.finditer(text):
        parts += [_unmarked(text[end : kept.start()]), _code(kept[0]) if kept["pix"] else kept[0]]
        end = kept.end()
    return "".join([*parts, _unmarked(text[end:])])


def marked(mark: str, text: str) -> str:
    """The text between two marks; one with marks of its own, which would end them early, as it is to be seen."""
    text = visible(text)
    return f"{mark}{text}{mark}" if text and not _has_marks(text) else literal(text)


def copyable(text: str) -> str:
    """A code in bold; one with marks of its own in type that knows none, where it stays the code that it is."""
    text = visible(text).replace("`", "")
    return _code(text) if _has_marks(text) else marked("*", text)


def without(which: str, text: str) -> str:
    """A `literal` text without these marks, for where the words around it have them and it would end those early."""
    return re.sub(f"{_JOINER}[{re.escape(which)}]{_JOINER}", "", text) if which else text


def ends_in_code(line: str) -> bool:
    """Whether a full stop would be copied along."""
    return any(kept["pix"] and kept.end() == len(line) for kept in _KEPT.finditer(line))


def _unmarked(text: str) -> str:
    return _MARK.sub(rf"{_JOINER}\g<0>{_JOINER}", text)


def _code(text: str) -> str:
    return f"```{text}```" if _has_marks(text) else text


def _has_marks(text: str) -> bool:
    return any(mark in text for mark in _MARKS)
