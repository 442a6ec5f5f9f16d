"""A text of WhatsApp's as the phone shows it, for the staff's pages: its marks as HTML, everything else escaped."""

from __future__ import annotations

import re

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

_LINK = re.compile(r"https?://[^\s<>\"'`]+")
_AFTER_LINK = ".,;:!?)]}*_~"
_MONO = re.compile(r"```(?=\S)(.+?)```|`([^`\n]+)`", re.DOTALL)
# A mark counts at a word's edge, around something that neither starts nor ends with a space or a word joiner, which
# `notifications.marks` puts between a mark that is to mark nothing and its neighbours.
_MARKS = tuple(
    (re.compile(rf"(?<![\w{mark}\u2060]){mark}(?=[^\s\u2060])([^{mark}\n]*[^\s{mark}\u2060]){mark}(?![\w{mark}])"), tag)
    for mark, tag in ((r"\*", "strong"), ("_", "em"), ("~", "s"))
)
_BULLET = re.compile(r"^[*-] (?=\S)", re.MULTILINE)
_QUOTE = re.compile(r"^&gt; ?(.+)$", re.MULTILINE)


def to_html(text: str) -> SafeString:
    """*Bold*, _italic_, ~struck~, `code`, lists and quotes; line breaks stay, for `white-space: pre-wrap`."""
    parts, end = [], 0
    for mono in _MONO.finditer(text):
        parts += [_linked(text[end : mono.start()]), format_html("<code>{}</code>", mono[1] or mono[2])]
        end = mono.end()
    whole = "".join([*parts, _linked(text[end:])])
    return mark_safe(_QUOTE.sub(r'<span class="flowlog-quote">\1</span>', whole))  # noqa: S308 - escaped piece by piece


def _linked(text: str) -> str:
    """Text without code in it, whose links keep what would be marks elsewhere."""
    parts, end = [], 0
    for match in _LINK.finditer(text):
        url = match[0].rstrip(_AFTER_LINK)
        parts += [_marked(text[end : match.start()]), _link(url)]
        end = match.start() + len(url)
    return "".join([*parts, _marked(text[end:])])


def _marked(text: str) -> str:
    html = str(escape(_BULLET.sub("• ", text)))
    for pattern, tag in _MARKS:
        html = pattern.sub(rf"<{tag}>\1</{tag}>", html)
    return html


def _link(url: str) -> str:
    return format_html('<a class="text-link" href="{}" target="_blank" rel="noopener noreferrer">{}</a>', url, url)
