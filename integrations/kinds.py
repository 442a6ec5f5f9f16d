"""The kinds of messages: those that tell of a transition, and those that answer a customer."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from orders.transitions import TRANSITIONS

OPT_OUT = "opt_out"
OPT_IN = "opt_in"
_ANSWERS: dict[str, Promise] = {
    OPT_OUT: _("Confirmed: no more messages"),
    OPT_IN: _("Confirmed: messages again"),
}


def kind_words(event: str) -> str | Promise:
    """What the staff call a kind of message; its name where a later version has dropped it."""
    return TRANSITIONS[event].done if event in TRANSITIONS else _ANSWERS.get(event, event)


def kinds() -> list[tuple[str, str | Promise]]:
    """Every kind of message with its words."""
    told = [(entry.name, entry.done) for entry in TRANSITIONS.values() if entry.tells_customer]
    return [*told, *_ANSWERS.items()]
