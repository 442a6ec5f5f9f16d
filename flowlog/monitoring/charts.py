"""The first page's charts, drawn by the server: nothing is loaded, and a table says the same to who sees no picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from flowlog.monitoring.days import Day

WIDTH, HEIGHT, FOOT = 600, 170, 28


@dataclass(frozen=True, slots=True)
class Bar:
    """A day in the picture: of the messages that were sent, those that arrived, the rest, and those that failed."""

    x: float
    width: float
    arrived: tuple[float, float]
    under_way: tuple[float, float]
    failed: tuple[float, float]
    label: str
    middle: float


@dataclass(frozen=True, slots=True)
class Chart:
    """`rows` are the table: day, sent, delivered, read, failed."""

    name: str
    title: str
    summary: str
    bars: list[Bar]
    rows: list[tuple[str, int, int, int, int]]
    most: int


def chart(days: Sequence[Day]) -> Chart:
    """The chart of these days, the latest at the right."""
    number = len(days)
    most = max((each.told + each.failed for each in days), default=0)
    told, failed = sum(each.told for each in days), sum(each.failed for each in days)
    sent_words = ngettext("%(number)d message sent", "%(number)d messages sent", told) % {"number": told}
    failed_words = ngettext("%(number)d not sent", "%(number)d not sent", failed) % {"number": failed}
    return Chart(
        name=f"last-{number}",
        title=_("Last %(number)d days") % {"number": number},
        summary=f"{sent_words}, {failed_words}",
        bars=[_bar(place, each, number, most) for place, each in enumerate(days)],
        rows=[
            (date_format(each.day, "d/m"), each.told, each.delivered, each.read, each.failed) for each in reversed(days)
        ],
        most=most,
    )


def _bar(place: int, day: Day, number: int, most: int) -> Bar:
    step = WIDTH / number
    width, unit = step * 0.7, (HEIGHT - FOOT) / max(most, 1)
    heights = [round(each * unit, 1) for each in (day.delivered, day.told - day.delivered, day.failed)]
    tops, ground = [], float(HEIGHT - FOOT)
    for height in heights:
        ground = round(ground - height, 1)
        tops.append((ground, height))
    # Each has a label as long as there is room for it; else one of each week, and always today's.
    every = 1 if number <= 10 else 7  # noqa: PLR2004
    label = date_format(day.day, "d/m") if (number - 1 - place) % every == 0 else ""
    x = place * step + (step - width) / 2
    # Not beyond the edge.
    middle = min(x + width / 2, WIDTH - 32)
    return Bar(round(x, 1), round(width, 1), tops[0], tops[1], tops[2], label, round(middle, 1))
