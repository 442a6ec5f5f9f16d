"""The words that a connected system uses for where an order or a parcel is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

# The latest news has them all; nobody maps more than fit on a page.
_LOOKED_AT, _MOST = 1000, 80


def known(connection: Any, usual: Iterable[str]) -> list[str]:
    """Those of the source, those that have a meaning of their own, and those that were heard of."""
    heard = connection.news.exclude(statuses=[]).order_by("-pk").values_list("statuses", flat=True)[:_LOOKED_AT]
    found = dict.fromkeys([*usual, *connection.mapping, *sorted({each for told in heard for each in told})])
    return list(found)[:_MOST]
