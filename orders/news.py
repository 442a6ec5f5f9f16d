"""The news that a store may choose not to tell its customers."""

from __future__ import annotations

from flowlog.translations import Words
from orders.transitions import TRANSITIONS

_others: dict[str, Words] = {}


def register(name: str, words: Words) -> None:
    """Let an app above add what is told though no transition was made."""
    _others[name] = words


def choices() -> list[tuple[str, Words]]:
    """The names, as `Store.silent_transitions` has them, with the staff's words."""
    return [(entry.name, entry.done) for entry in TRANSITIONS.values() if entry.notifies_customer] + [*_others.items()]
