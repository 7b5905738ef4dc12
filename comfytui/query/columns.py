"""Columns of the runner list and of the history, each declared once: for screen, sort orders and commands.

Its sort value is in `comfytui.query.sorting`, its text for commands in `comfytui.render.columns`, its cell on screen in
`comfytui.render.runners` or `comfytui.render.workflows`, all by its key. Imports the standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple


class Requirement(StrEnum):
    """Data about runners that the list does not contain."""

    HISTORY = "history"
    """Newest workflows (page get-runner-history)."""
    REACHABILITY = "reachability"
    """Result of the last health check."""


class Column(NamedTuple):
    """Column of a table.

    Attributes:
        key: Name of its cells in a row, its sort key, and its name in commands.
        title: Text above it; empty if it can neither be chosen nor sorted by.
        width: Minimum width in cells.
        weight: Share of the spare width; 0 keeps it at `width`.
        priority: Columns with the highest number are dropped first if the width is too small.
        right: True if its cells are aligned right.
        descending: True if its default order is from the greatest to the least.
        requirement: Data that it needs beyond the list, or None.
        is_default: True if commands print it without --columns.
    """

    key: str
    title: str
    width: int
    weight: int = 0
    priority: int = 0
    right: bool = False
    descending: bool = False
    requirement: Requirement | None = None
    is_default: bool = False


RUNNER_COLUMNS = (
    Column("glyph", "", 1),
    Column("name", "name", 21, weight=3, is_default=True),
    Column("status", "status", 8, priority=5, is_default=True),
    Column("reach", "reach", 6, priority=3, requirement=Requirement.REACHABILITY),
    Column("last", "last", 7, priority=1, requirement=Requirement.HISTORY),
    Column("when", "when", 5, priority=1, descending=True, requirement=Requirement.HISTORY),
    Column("queue", "queue", 6, priority=4, descending=True, requirement=Requirement.HISTORY),
    Column("tags", "tags", 8, weight=4, priority=2, is_default=True),
    Column("endpoint", "endpoint", 22, weight=3, priority=6, is_default=True),
    Column("created", "created", 11, priority=7, descending=True),
    Column("updated", "updated", 11, priority=8, descending=True),
)
"""Columns of the runner list."""

WORKFLOW_COLUMNS = (
    Column("glyph", "", 1),
    Column("name", "name", 12, weight=4, is_default=True),
    Column("status", "status", 9, priority=1, is_default=True),
    Column("took", "took", 6, priority=2, right=True, descending=True, is_default=True),
    Column("created", "created", 11, priority=3, descending=True, is_default=True),
    Column("waited", "waited", 6, priority=4, right=True, descending=True),
    Column("tags", "tags", 12, weight=2, priority=5),
    Column("started", "started", 11, priority=6, descending=True),
    Column("completed", "completed", 11, priority=7, descending=True),
    Column("updated", "updated", 11, priority=8, descending=True),
)
"""Columns of a history."""


def column_keys(columns: Sequence[Column]) -> tuple[str, ...]:
    """Return the keys of the columns that can be chosen and sorted by."""
    return tuple(column.key for column in columns if column.title)


def command_columns(columns: Sequence[Column]) -> tuple[str, ...]:
    """Return the names of the columns that commands can print."""
    return ("id", *column_keys(columns))


def default_columns(columns: Sequence[Column]) -> tuple[str, ...]:
    """Return the names of the columns that commands print by default."""
    return ("id", *(column.key for column in columns if column.is_default))
