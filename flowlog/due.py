"""What waits to be done, in all apps: one statement finds out, since mostly there is nothing.

Whoever stores something to be worked off wakes a worker for it; here it is found whose wake-up was lost, and what has
its time only now.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet, Value

# Ordered, so that PostgreSQL finds the first one by an index, and does not try its luck in the whole table.
type Rows = Callable[[], QuerySet[Any]]

_registered: list[tuple[str, Rows]] = []


def register(task: str, rows: Rows) -> None:
    """Have the sweep wake this task, which takes no arguments, while there are such rows."""
    _registered.append((task, rows))


def tasks() -> frozenset[str]:
    """All that were registered."""
    return frozenset(task for task, _ in _registered)


def find(**others: Rows) -> frozenset[str]:
    """The registered tasks, and the names among `others`, for which there are rows."""
    each = ((name, rows()) for name, rows in (*_registered, *others.items()))
    first, *more = (rows.annotate(found=Value(name)).values_list("found", flat=True)[:1] for name, rows in each)
    return frozenset(first.union(*more, all=True).order_by())
