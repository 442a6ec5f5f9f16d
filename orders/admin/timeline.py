"""The timeline on an order's page: what happened, when, and who did it.

Apps above this one add to it (the message that told the customer of an event) by registering an annotator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.utils.safestring import SafeString

from flowlog.translations import Words
from orders.desk_models import OrderNote
from orders.models import Order, OrderEvent
from orders.transitions import done_words

type Annotator = Callable[[HttpRequest, Sequence[OrderEvent]], dict[int, SafeString]]

_annotators: list[Annotator] = []
_related: list[str] = []
_asked = {"is_noted": Exists(OrderNote.objects.filter(order=OuterRef("order")))}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline. `additions` is ready HTML from the apps above."""

    event: OrderEvent
    done: Words
    additions: list[SafeString]


def register_annotator(annotator: Annotator, *related: str, **asked: Exists) -> None:
    """Let an app above add HTML under events: it gets an order's events and returns it by the event's id.

    What is `related` to each event is read with them, and what is `asked` of each answered as an attribute, so that
    most orders need no query of the annotator's own.
    """
    _annotators.append(annotator)
    _related.extend(related)
    _asked.update(asked)


def is_without_notes(entries: Sequence[Entry]) -> bool:
    """Whether nobody has noted anything of the order, as far as its timeline knows."""
    return bool(entries) and not entries[0].event.is_noted  # type: ignore[attr-defined]


def build(request: HttpRequest, order: Order) -> list[Entry]:
    """The order's timeline, newest first."""
    events = list(order.events.select_related("actor", *_related).annotate(**_asked).order_by("-pk"))
    added = [annotate(request, events) for annotate in _annotators]
    return [
        Entry(event, done_words(event.transition), [html[event.pk] for html in added if event.pk in html])
        for event in events
    ]
