"""What was measured, beside what was wished for: figures, ratios, a table of them, JSON. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import median

__all__ = ["FAR_OFF", "Figure", "Unit", "as_json", "median", "p95", "table"]

FAR_OFF = 2.0
"""How many times its target a figure may be before it counts as broken, rather than as one taken on a busy machine."""

_HEADINGS = ("figure", "target", "floor", "ours", "ratio", "met")
_SIDES = "<>>>>>"


class Unit(Enum):
    """How a figure is printed: a factor and the word for what that makes, digits after the point; and what it is in."""

    MILLISECONDS = (1e3, "ms", 0, "seconds")
    FINE_MILLISECONDS = (1e3, "ms", 1, "seconds")
    SECONDS = (1.0, "s", 1, "seconds")
    PERCENT = (100.0, "%", 2, "seconds a second")
    BYTES = (1.0, "B", 0, "bytes")
    KILOBYTES = (1e-3, "kB", 2, "bytes")
    MEGABYTES = (1e-6, "MB", 1, "bytes")

    @property
    def base(self) -> str:
        """What values are in, before they are printed."""
        return self.value[3]

    def words(self, value: float) -> str:
        """The value as people read it, with its unit."""
        factor, word, digits, _ = self.value
        return f"{value * factor:,.{digits}f} {word}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure.

    Attributes:
        name: What was measured.
        unit: How it is printed, and what `ours`, `floor` and the target of a figure without a floor are in.
        ours: What it is.
        target: What it may be at most: times the floor where there is one, else of the unit.
        floor: What the floor needs.
    """

    name: str
    unit: Unit
    ours: float
    target: float
    floor: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times the floor it is; None without one."""
        return None if self.floor is None else self.ours / self.floor

    @property
    def judged(self) -> float:
        """What the target speaks of."""
        return self.ours if self.ratio is None else self.ratio

    @property
    def is_met(self) -> bool:
        """Whether it is within its target."""
        return self.judged <= self.target

    @property
    def is_far_off(self) -> bool:
        """Whether it is over its target FAR_OFF times; over a target of nothing is far off at once."""
        return self.judged > FAR_OFF * self.target


def p95(values: Iterable[float]) -> float:
    """What 95 of a hundred values do not exceed, interpolated between the two that are next to it.

    Raises:
        ValueError: There are none.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values")
    place = 0.95 * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def table(figures: Sequence[Figure]) -> str:
    """The figures as a table in Markdown, its columns in line."""
    rows = [_HEADINGS, *map(_row, figures)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEADINGS))]
    lines = [_line(row, widths) for row in rows]
    return "\n".join((lines[0], _line([width * "-" for width in widths], widths), *lines[1:]))


def as_json(figures: Sequence[Figure]) -> str:
    """The figures as one document, unrounded, in the units of `Figure`."""
    entries = [
        {
            "name": each.name,
            "target": each.target,
            "floor": each.floor,
            "ours": each.ours,
            "ratio": each.ratio,
            "met": each.is_met,
            "unit": each.unit.base,
        }
        for each in figures
    ]
    return json.dumps({"schema": 1, "figures": entries}, indent=2)


def _row(figure: Figure) -> tuple[str, ...]:
    target = f"{figure.target:g} ×" if figure.ratio is not None else figure.unit.words(figure.target)
    floor = "" if figure.floor is None else figure.unit.words(figure.floor)
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f} ×"
    return (figure.name, f"≤ {target}", floor, figure.unit.words(figure.ours), ratio, "yes" if figure.is_met else "no")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (f"{cell:{side}{width}}" for cell, width, side in zip(cells, widths, _SIDES, strict=True))
    return f"| {' | '.join(padded)} |"
