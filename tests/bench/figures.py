"""What a run found: its figures beside their floors, as a table, as JSON, and in RESULTS.md. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HEADINGS = ("what", "measured", "floor", "ratio", "reach", "the floor is")


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that was measured, in `unit`, and what it is compared with.

    The bound, `most` or `least`, is what the ratio should come to; without a floor, what the value should. `spread` is
    how far the rounds were apart: the longest less the shortest, as a part of the median.
    """

    name: str
    value: float
    unit: str = ""
    floor: float | None = None
    floor_name: str = ""
    most: float | None = None
    least: float | None = None
    spread: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.value / self.floor if self.floor else None

    @property
    def reached(self) -> bool | None:
        """Whether it is within its bound; None if it has none."""
        judged = self.value if self.floor is None else self.ratio
        if judged is None or (self.most is None and self.least is None):
            return None
        return (self.most is None or judged <= self.most) and (self.least is None or judged >= self.least)

    def cells(self) -> tuple[str, ...]:
        """What stands under each of the headings."""
        around = f" ± {self.spread / 2:.0%}" if self.spread is not None else ""
        floor = "" if self.floor is None else f"{number(self.floor)} {self.unit}".strip()
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        return (self.name, f"{number(self.value)} {self.unit}{around}".strip(), floor, ratio, self._bound(),
                self.floor_name)  # fmt: skip

    def _bound(self) -> str:
        bounds = [f"≤ {self.most:g}" if self.most is not None else "", f"≥ {self.least:g}" if self.least else ""]
        mark = {None: "", True: " ✓", False: " ✗"}[self.reached]
        return " ".join(filter(None, bounds)) + mark


@dataclass(frozen=True, slots=True)
class Machine:
    """How quiet the machine was: its load, and what a piece of work took that always is the same."""

    cores: int
    load: float
    pulse_ms: float
    # How much longer than the median one piece in twenty took, at least.
    noise: float

    def __str__(self) -> str:
        return f"{self.cores} cores, load {self.load:.1f}, pulse {self.pulse_ms:.2f} ms, noise {self.noise:.0%}"


@dataclass(slots=True)
class Run:
    """One script's run. `error` says why it broke off, and is empty if it did not."""

    script: str
    machine: Machine
    sizes: dict[str, Any] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)
    seconds: float = 0.0
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        ratios = [{"ratio": each.ratio, "reached": each.reached} for each in self.figures]
        return asdict(self) | {
            "figures": [asdict(each) | more for each, more in zip(self.figures, ratios, strict=True)]
        }


def number(value: float) -> str:
    """Three digits of it that matter, without an exponent."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def table(runs: Sequence[Run]) -> str:
    """All figures, for a terminal."""
    rows: list[tuple[str, ...]] = [HEADINGS]
    for run in runs:
        rows.append((f"{run.script} ({run.seconds:.0f} s; {run.machine})", *[""] * (len(HEADINGS) - 1)))
        rows += [(f"  {name}", *rest) for name, *rest in (each.cells() for each in run.figures)]
        if run.error:
            rows.append((f"  broke off: {run.error}", *[""] * (len(HEADINGS) - 1)))
    # A line that spans the columns makes none of them wider.
    widths = [max(len(row[place]) for row in rows if any(row[1:])) for place in range(len(HEADINGS))]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *numbers, last = row
    padded = [each.rjust(width) for each, width in zip(numbers, widths[1:-1], strict=True)]
    return "  ".join([first.ljust(widths[0]), *padded, last]).rstrip()


def markdown(run: Run, when: str, revision: str) -> str:
    """One script's figures, for RESULTS.md."""
    sizes = ", ".join(f"{name} {value}" for name, value in run.sizes.items())
    rows: list[tuple[str, ...]] = [
        HEADINGS,
        tuple("---:" if place in {1, 2, 3, 4} else "---" for place in range(len(HEADINGS))),
    ]
    rows += [each.cells() for each in run.figures]
    lines = [f"### {run.script}", "", f"{when}, {revision}; {sizes}; {run.machine}.", ""]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def write_results(page: Path, runs: Sequence[Run], when: str, revision: str) -> None:
    """Put each whole run's table in the place of that script's last one; what else is on the page stays."""
    text = page.read_text() if page.exists() else "# What was measured\n\nBy `make bench ARGS=--results`.\n"
    for run in runs:
        if run.error:
            continue
        begin, end = f"<!-- bench: {run.script} -->", f"<!-- bench: end of {run.script} -->"
        section = f"{begin}\n{markdown(run, when, revision)}\n{end}"
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        if pattern.search(text):
            text = pattern.sub(lambda _, section=section: section, text)  # type: ignore[misc]
        else:
            text = f"{text.rstrip()}\n\n{section}\n"
    page.write_text(text)
