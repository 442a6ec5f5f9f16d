"""Saved views above a list: what most people want to see of it, each with how many there are."""

from __future__ import annotations

from dataclasses import dataclass

from flowlog.translations import Words

# Beyond it nobody cares how many there are, and counting them would cost the more the more there are.
MOST = 99


@dataclass(frozen=True, slots=True)
class Tab:
    """A view of a list; `count` is counted up to `MOST` + 1, and None for a view that is not counted."""

    words: Words
    address: str
    active: bool
    count: int | None = None

    @property
    def shown(self) -> str:
        """The count as it is shown; empty for none."""
        return as_shown(self.count) if self.count else ""


def as_shown(count: int) -> str:
    """Such a count for people: `99+` where there are more."""
    return f"{MOST}+" if count > MOST else str(count)
