"""The words of a message: the store's own for its kind, else ours, filled from the snapshot alone.

Ours are `templates/notifications/whatsapp/<event>.txt`, in the very language in which a store writes its own
(`notifications.syntax`), and both are filled by what is below. Texts are plain, so nothing is HTML-escaped; whatever a
person typed is a value, never code and never a mark of WhatsApp's. Every text about an order names its code.
"""

from __future__ import annotations

import logging
import re
from functools import cache

from django.conf import settings
from django.utils import translation

from integrations.messages.snapshot import Snapshot
from notifications import syntax
from notifications.variables import Facts, Values

logger = logging.getLogger(__name__)

LANGUAGE = "pt-br"
# A longer list is cut, so that the total and the closing words are still read.
LISTED_ITEMS = 20
# What WhatsApp takes, in the units that it counts in (an emoji is two).
LONGEST = 4096


def render(event: str, snapshot: Snapshot, own: str = "") -> str:
    """The text of this kind of message for this snapshot, in Portuguese whatever the active language.

    `own`: the store's words for the kind. Where they cannot be read any more, come to nothing or to more than WhatsApp
    takes, ours are said.
    Raises `FileNotFoundError` for a kind without a text.
    """
    if own and not (parsed := syntax.parse(own)).faults:
        text = _shortened(event, snapshot, parsed)
        if text and length(text) <= LONGEST:
            return text
    if own:
        logger.error("The own text of store %s for %s cannot be used: the default is sent", snapshot.store.id, event)
    return _shortened(event, snapshot, syntax.parse(default(event)))


@cache
def default(event: str) -> str:
    """Our words for the kind, as they are written; raises `FileNotFoundError` for one without."""
    path = settings.BASE_DIR / "templates" / "notifications" / "whatsapp" / f"{event}.txt"
    return str(path.read_text(encoding="utf-8").strip())


def length(text: str) -> int:
    """How long WhatsApp takes it to be."""
    return len(text.encode("utf-16-le")) // 2


def longest(event: str, snapshot: Snapshot, own: str) -> int:
    """How long the words can become with what the snapshot has, whichever of their conditions hold; without items."""
    with translation.override(LANGUAGE):
        values = Values(Facts(event, snapshot, listed=0))
        return length(_tidy(syntax.fill(syntax.longest_way(syntax.parse(own).nodes, values), values)))


def _shortened(event: str, snapshot: Snapshot, parsed: syntax.Parsed) -> str:
    """The text with as many of the items as it has room for."""
    with translation.override(LANGUAGE):
        for listed in range(min(len(snapshot.order.items), LISTED_ITEMS), -1, -1):
            filled = syntax.fill(parsed.nodes, Values(Facts(event, snapshot, listed)))
            # What a person has just written stays as they wrote it.
            text = filled.strip() if snapshot.text else _tidy(filled)
            if length(text) <= LONGEST:
                break
    return text


def _tidy(filled: str) -> str:
    """Without blanks at the edges and more than one empty line in a row, and beginning like a sentence."""
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(line.strip() for line in filled.splitlines())).strip()
    return text[:1].upper() + text[1:]
