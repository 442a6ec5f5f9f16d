"""What a line of the log is about: the request, the task, the order and the message that are in hand."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ids: ContextVar[dict[str, str]] = ContextVar("ids")


def current() -> dict[str, str]:
    """What is in hand now, by `request`, `task`, `order` and `notification`."""
    return _ids.get({})


def begin(**ids: object) -> None:
    """Forget what was in hand: from now on this thread is about these, until it begins with something else."""
    _ids.set({name: str(value) for name, value in ids.items() if value})


@contextmanager
def about(**ids: object) -> Iterator[None]:
    """Let every line of the block say these too; empty ones are left out."""
    token = _ids.set(current() | {name: str(value) for name, value in ids.items() if value})
    try:
        yield
    finally:
        _ids.reset(token)


class AddIds(logging.Filter):
    """Puts what is in hand on each record, as `ids`. Given to handlers, so that no logger is left out."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Never drops a record."""
        record.ids = current()
        return True
