"""WhatsApp's text formatting as HTML. Everything else in a text is escaped."""

from __future__ import annotations

import re
from html import escape

_LINK = re.compile(r"https?://[^\s<>\"']+")
_AFTER_LINK = ".,;:!?)]}*_~"
# A mark counts at a word's edge, around something that neither starts nor ends with a space or a word joiner.
_MARKS = tuple(
    (re.compile(rf"(?<![\w{mark}\u2060]){mark}(?=[^\s\u2060])([^{mark}\n]*[^\s{mark}\u2060]){mark}(?![\w{mark}])"), tag)
    for mark, tag in ((r"\*", "strong"), ("_", "em"), ("~", "s"))
)


def to_html(text: str) -> str:
    """The text as safe HTML: *bold*, _italic_, ~strike~, links and line breaks."""
    parts, end = [], 0
    for match in _LINK.finditer(text):
        url = match[0].rstrip(_AFTER_LINK)
        parts += [_marked(text[end : match.start()]), _link(url)]
        end = match.start() + len(url)
    return "".join([*parts, _marked(text[end:])]).replace("\n", "<br>")


def preview(text: str) -> str:
    """The text in one line without its marks, not yet escaped."""
    line = " ".join(text.split())
    for pattern, _ in _MARKS:
        line = pattern.sub(r"\1", line)
    return line


def _marked(text: str) -> str:
    html = escape(text)
    for pattern, tag in _MARKS:
        html = pattern.sub(rf"<{tag}>\1</{tag}>", html)
    return html


def _link(url: str) -> str:
    return f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer">{escape(url)}</a>'
