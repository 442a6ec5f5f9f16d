"""What endpoints are told of: each kind with the type that a webhook names it by, and its words for the staff."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from flowlog.translations import Words
from orders.transitions import TRANSITIONS, UNDO, done_words

TEST = "test"
_OF_MESSAGES: dict[str, Words] = {
    "message.sent": _("Message sent"),
    "message.delivered": _("Message delivered"),
    "message.read": _("Message read"),
    "message.undelivered": _("Message not delivered"),
    "message.failed": _("Message failed"),
    "message.skipped": _("Message skipped"),
    "message.cancelled": _("Message cancelled"),
}


def choices() -> list[tuple[str, Words]]:
    """Every kind that an endpoint may choose, with its words."""
    steps: list[tuple[str, Words]] = [(f"order.{name}", done_words(name)) for name in (*TRANSITIONS, UNDO)]
    return [*steps, *_OF_MESSAGES.items()]


def type_of(kind: str) -> str:
    """What the webhook calls it, which receivers compare: `order.paid`, `message.read`."""
    subject, _dot, name = kind.partition(".")
    if subject != "order":
        return kind
    past = "step_undone" if name == UNDO else TRANSITIONS[name].past if name in TRANSITIONS else ""
    return f"order.{past or name}"


def words_of(kind: str) -> Words:
    """What the staff call it."""
    subject, _dot, name = kind.partition(".")
    return done_words(name) if subject == "order" else _OF_MESSAGES.get(kind, _("Test"))
