"""The kinds of messages: those that tell of a transition, those that answer a customer, and the test."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from flowlog.translations import Words
from orders.transitions import TRANSITIONS, done_words

OPT_OUT = "opt_out"
OPT_IN = "opt_in"
TEST = "test"
# They answer what a customer has just written, and mean nothing later.
ANSWERS = frozenset({OPT_OUT, OPT_IN})
_WITHOUT_ORDER: dict[str, Words] = {
    OPT_OUT: _("Confirmed: no more messages"),
    OPT_IN: _("Confirmed: messages again"),
    TEST: _("Test message"),
}


def kind_words(event: str) -> Words:
    """What the staff call a kind of message; its name where a later version has dropped it."""
    return _WITHOUT_ORDER.get(event) or done_words(event)


def kinds() -> list[tuple[str, Words]]:
    """Every kind of message with its words."""
    told = [(entry.name, entry.done) for entry in TRANSITIONS.values() if entry.tells_customer]
    return [*told, *_WITHOUT_ORDER.items()]
