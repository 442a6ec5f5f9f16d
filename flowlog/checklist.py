"""A checklist: items that are fine, deserve a look, or must be mended first."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext as _

logger = logging.getLogger(__name__)


class State(StrEnum):
    """How an item stands; only `FAILED` keeps a deploy from going on."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


MARKS = {State.OK: "✔", State.WARNING: "⚠", State.FAILED: "✘"}


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a checklist; `todo` says what to do unless it is fine."""

    name: str
    state: State
    words: str
    todo: str = ""


type Check = Callable[[], Iterable[Item]]
# `warning` or `failed`, where it depends which of them it is.
type Judge = Callable[[str, str, str], Item]


def ok(name: str, words: str) -> Item:
    """An item that is fine."""
    return Item(name, State.OK, words)


def warning(name: str, words: str, todo: str) -> Item:
    """An item that deserves a look."""
    return Item(name, State.WARNING, words, todo)


def failed(name: str, words: str, todo: str) -> Item:
    """An item that must be mended first."""
    return Item(name, State.FAILED, words, todo)


def run(checks: Sequence[tuple[str, Check]]) -> Iterator[Item]:
    """The items of all checks, as they come. A check that breaks is itself an item that failed."""
    for name, check in checks:
        try:
            yield from check()
        except Exception as error:
            logger.exception("The check %s broke", name)
            words = _("The check itself broke (%(error)s).") % {"error": type(error).__name__}
            yield failed(name, words, _("See the end of logs/django.log."))


def line(item: Item) -> str:
    """The item for people."""
    text = f"{MARKS[item.state]} {item.name}: {item.words}"
    return f"{text}\n    → {item.todo}" if item.todo else text


def as_data(items: Sequence[Item]) -> dict[str, Any]:
    """All items for machines."""
    return {"ok": passed(items), "items": [asdict(item) for item in items]}


def passed(items: Iterable[Item]) -> bool:
    """Whether nothing has to be mended first."""
    return all(item.state is not State.FAILED for item in items)
