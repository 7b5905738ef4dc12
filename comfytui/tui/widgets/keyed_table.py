"""Table whose cursor belongs to an item, not to a position."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeAlias

from textual.message import Message

from comfytui.render.cells import Line, Role, Span, join, pad
from comfytui.render.table import (
    GAP,
    ChangeMarks,
    Row,
    changed_ids,
    column_title,
    count_moves,
    fit_columns,
    follow_index,
    freeze_order,
    frozen_text,
    same_order,
)
from comfytui.render.times import Period
from comfytui.tui.keys.bindings import bindings_for
from comfytui.tui.keys.commands import Scope
from comfytui.tui.theme.themes import CURSOR, CURSOR_BLURRED
from comfytui.tui.widgets.pane import Pane

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from textual import events
    from textual.binding import BindingType
    from textual.strip import Strip

    from comfytui.query.columns import Column
    from comfytui.query.sorting import Sort
    from comfytui.render.freshness import RenderContext


_Drawn: TypeAlias = tuple[Row, str, bool, "Strip"]
"""Row, the style below it, its change mark, and the drawn strip."""

_MARK = Span("∆", Role.CHANGED)
_LONGEST_TICK = 5.0


class KeyedTable(Pane):
    """Table of rows by id, of which only differences are drawn.

    Cursor and scroll position stay with their item when rows come, go or move. If the item is removed, the cursor goes
    to its nearest neighbor. For a while after a key press the order is frozen, and pending moves are counted in the
    footer; a changed row has a mark for one tick.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.TABLE)]
    CURSOR_STAYS: ClassVar[bool] = True
    """True if the cursor is shown without the focus."""

    class RowHighlighted(Message):
        """Another item is under the cursor, or None; `by_hand` if the user moved it."""

        def __init__(self, table: KeyedTable, row_id: str | None, *, by_hand: bool = False) -> None:
            super().__init__()
            self.table = table
            self.row_id = row_id
            self.by_hand = by_hand

        @property
        def control(self) -> KeyedTable:
            """Table that sent the message."""
            return self.table

    class RowSelected(Message):
        """The item under the cursor is to be opened."""

        def __init__(self, table: KeyedTable, row_id: str) -> None:
            super().__init__()
            self.table = table
            self.row_id = row_id

        @property
        def control(self) -> KeyedTable:
            """Table that sent the message."""
            return self.table

    def __init__(self, columns: Sequence[Column], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._columns = tuple(columns)
        self._rows: tuple[Row, ...] = ()
        self._wanted: tuple[Row, ...] = ()
        self._waiting = self._cursor = 0
        self._marks = ChangeMarks()
        self._sort: Sort | None = None
        self._places: dict[str, int] = {}
        self._notice: tuple[Line, ...] = ()
        self._fitted: tuple[Column, ...] = ()
        self._fitted_for: tuple[int, bool] | None = None
        self._drawn_rows: dict[str, _Drawn] = {}
        self._viewed: tuple[tuple[object, ...], tuple[str, ...]] | None = None

    @property
    def rows(self) -> tuple[Row, ...]:
        """Rows of the table."""
        return self._rows

    @property
    def cursor_id(self) -> str | None:
        """Id of the item under the cursor, or None in an empty table."""
        return self._rows[self._cursor].id if self._rows else None

    @property
    def pending_moves_text(self) -> Line:
        """Text about moves pending after a key press, or empty."""
        return frozen_text(self._waiting)

    @property
    def visible_ids(self) -> tuple[str, ...]:
        """Ids of the rows in view, from the top."""
        view = (self._places, self.top, len(self._notice), self.framed, self.display, self.outer_size)
        if self._viewed is None or self._viewed[0] != view:
            ids = tuple(row.id for row in self._rows[self.top : self.top + self.page_length])
            if not self.body_height:
                # The table is not laid out yet, or not any more.
                return ids
            self._viewed = (view, ids)
        return self._viewed[1]

    @property
    def sorts_by_hidden(self) -> bool:
        """True if the table is sorted by a hidden column."""
        return self._sort is not None and all(column.key != self._sort.key for column in self._fitted)

    def set_columns(self, columns: Sequence[Column], sort: Sort | None) -> None:
        """Set the columns, and the order that their titles show."""
        if (tuple(columns), sort) != (self._columns, self._sort):
            self._columns, self._sort = tuple(columns), sort
            self._fitted_for = None
            self.repaint()

    def set_rows(
        self, rows: Sequence[Row], notice: Sequence[Line] = (), at: RenderContext | None = None, *, reset: bool = False
    ) -> None:
        """Set the rows, and the notice above them.

        Args:
            rows: All rows, in order.
            notice: Lines above the rows.
            at: Render context, or None without change marks and frozen order.
            reset: True if the user asked for other rows or another order, so that nothing is frozen.
        """
        wanted, above, marked = tuple(rows), tuple(notice), frozenset[str]()
        if at is not None:
            marked = frozenset(changed_ids(self._wanted, wanted))
            self._marks.add(marked, at.monotonic + min(at.interval_s, _LONGEST_TICK))
        self._wanted = wanted
        if above == self._notice and same_order(self._rows, wanted):
            self._replace(wanted, marked)
            return
        self._notice = above
        self._place_cursor(wanted if reset or at is None or not at.order_frozen else freeze_order(self._rows, wanted))

    def tick(self, at: RenderContext) -> None:
        """Remove expired change marks and apply pending moves."""
        due = self._marks.expire(at.monotonic)
        if self._waiting and not at.order_frozen:
            self._place_cursor(self._wanted)
        elif due:
            self._repaint_rows(*(self._places[row_id] for row_id in due if row_id in self._places))

    def valid_for_s(self, at: RenderContext) -> float:
        """Seconds for which time alone changes nothing here that is not coarse."""
        return self._marks.lasts(at.monotonic)

    def _replace(self, rows: tuple[Row, ...], marked: frozenset[str]) -> None:
        """Replace rows of the same ids and repaint only the changed ones."""
        shown, self._rows, self._waiting = self._rows, rows, 0
        places = range(len(rows))
        news = [each for each in places if rows[each] is not shown[each] or rows[each].id in marked]
        self._repaint_rows(*news)
        self.repaint_frame()

    def _place_cursor(self, rows: tuple[Row, ...]) -> None:
        """Set the rows with cursor and scroll position staying with their items."""
        before = self.cursor_id
        in_view = self.top <= self._cursor < self.top + self.page_length
        anchor = self._cursor if in_view else self.top
        on_screen = anchor - self.top
        shown = self._rows
        self._rows, self._waiting = rows, 0 if rows is self._wanted else count_moves(rows, self._wanted)
        self._places = {row.id: place for place, row in enumerate(rows)}
        self._cursor = follow_index(shown, self._cursor, self._places)
        self.top = follow_index(shown, anchor, self._places) - on_screen
        self._keep_in_view(cursor=in_view)
        self.repaint()
        if self.cursor_id != before:
            self.post_message(self.RowHighlighted(self, self.cursor_id))

    def rows_left(self, by: int) -> int:
        """Return the number of rows behind the cursor, or before it if `by` is negative."""
        return max(0, len(self._rows) - 1 - self._cursor) if by > 0 else self._cursor

    def select(self, row_id: str | None) -> None:
        """Move the cursor to an item, or to the first if it is missing."""
        self.move_cursor(self._places.get(row_id or "", 0) - self._cursor)

    def move_cursor(self, by: int) -> None:
        """Move the cursor by this many rows, as far as there are any."""
        before, place, top = self.cursor_id, self._cursor, self.top
        self._cursor = max(0, min(self._cursor + by, len(self._rows) - 1))
        self._keep_in_view()
        if self.top == top:
            self._repaint_rows(place, self._cursor)
        else:
            self.repaint()
        if self.cursor_id != before:
            self.post_message(self.RowHighlighted(self, self.cursor_id, by_hand=True))

    def _repaint_rows(self, *places: int) -> None:
        """Repaint only these rows, for a key press must be fast."""
        width, height = self.content_cells
        if self._fitted_for != (width, self.framed):
            self.repaint()
            return
        in_view = range(self.top, min(len(self._rows), self.top + max(1, height - self._heading_height)))
        for place in {*places}.intersection(in_view):
            drawn = self._row(place, width)
            self._drawn_rows[drawn[0].id] = drawn
            self.repaint_line(self._heading_height + place - self.top, drawn[-1])

    def action_cursor_up(self, times: int = 1) -> None:
        """Move the cursor up by `times` rows."""
        self.move_cursor(-times)

    def action_cursor_down(self, times: int = 1) -> None:
        """Move the cursor down by `times` rows."""
        self.move_cursor(times)

    def action_page_up(self, times: int = 1) -> None:
        """Move the cursor up by `times` pages."""
        self.move_cursor(-times * self.page_length)

    def action_page_down(self, times: int = 1) -> None:
        """Move the cursor down by `times` pages."""
        self.move_cursor(times * self.page_length)

    def action_first_row(self) -> None:
        """Move the cursor to the first row."""
        self.move_cursor(-self.line_count())

    def action_last_row(self) -> None:
        """Move the cursor to the last row."""
        self.move_cursor(self.line_count())

    def action_open_item(self) -> None:
        """Open the item under the cursor."""
        if self.cursor_id is not None:
            self.post_message(self.RowSelected(self, self.cursor_id))

    @property
    def page_length(self) -> int:
        """Number of rows that fit."""
        return max(1, self.body_height - self._heading_height)

    def line_count(self) -> int:
        """Number of lines: heading and rows."""
        return self._heading_height + len(self._rows)

    def content(self, width: int, height: int) -> Sequence[Strip]:
        """Return notice, column titles and the rows in view."""
        if (width, self.framed) != self._fitted_for:
            self._fitted, self._fitted_for, self._drawn_rows = (
                fit_columns(self._columns, width),
                (width, self.framed),
                {},
            )
        titled = self._fitted if self.framed and self._rows else ()
        heading = self.cached(
            "heading", (self._notice, titled, self._sort, width), lambda: self._heading(titled, width)
        )
        shown = range(self.top, min(len(self._rows), self.top + max(0, height - len(heading))))
        self._drawn_rows = {self._rows[place].id: self._row(place, width) for place in shown}
        return [*heading, *(strip for *_, strip in self._drawn_rows.values())]

    def footer(self) -> Line:
        """Pending moves, and the footer that was set."""
        return join((self.pending_moves_text, super().footer()), GAP)

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the clicked row, or open the row under the cursor."""
        line = event.y - self._heading_height - (1 if self.framed else 0)
        place = self.top + line
        if not (0 <= line < self.page_length and place < len(self._rows)):
            return
        if place == self._cursor:
            self.action_open_item()
        else:
            self.move_cursor(place - self._cursor)

    def on_resize(self) -> None:
        """Keep the cursor in view at the new size."""
        top = self.top
        self._keep_in_view()
        if self.top != top:
            self._forget()

    @property
    def _heading_height(self) -> int:
        return len(self._notice) + (1 if self.framed and self._rows else 0)

    def _keep_in_view(self, *, cursor: bool = True) -> None:
        """Scroll so that no space is left below the last row, and the cursor is in view if `cursor`."""
        if cursor:
            self.top = max(self._cursor - self.page_length + 1, min(self.top, self._cursor))
        self.top = max(0, min(self.top, len(self._rows) - self.page_length))

    def _heading(self, titled: Sequence[Column], width: int) -> list[Strip]:
        titles = [self._join_cells([column_title(column, self._sort) for column in titled])] if titled else []
        return [self.strip(pieces, width) for pieces in (*self._notice, *titles)]

    def _row(self, place: int, width: int) -> _Drawn:
        """Return a row with its strip, cached while neither changes."""
        row = self._rows[place]
        below = self._cursor_style() if place == self._cursor else ""
        marked = row.id in self._marks
        made = self._drawn_rows.get(row.id)
        if made is not None and made[1:3] == (below, marked) and (made[0] is row or made[0] == row):
            return (row, *made[1:])
        shown = row.full_width or self._join_cells(row.visible_cells(self._fitted), marked=marked)
        return (row, below, marked, self.strip(shown, width, below))

    def _cursor_style(self) -> str:
        """Style below the cursor's row, or empty if the cursor is hidden without the focus."""
        if self.has_focus:
            return CURSOR
        return CURSOR_BLURRED if self.CURSOR_STAYS else ""

    def _join_cells(self, cells: Sequence[Line], *, marked: bool = False) -> Line:
        pieces: list[Span] = []
        gap = (_MARK, Span(GAP.text[1:])) if marked else (GAP,)
        for column, cell in zip(self._fitted, cells, strict=True):
            if pieces:
                pieces.extend(gap)
                gap = (GAP,)
            pieces.extend(pad(cell, column.width, right=column.right))
        return tuple(pieces)

    def _forget(self) -> None:
        super()._forget()
        self._drawn_rows, self._viewed = {}, None


class RowCache:
    """Cache of rows, of which usually only one changes.

    Attributes:
        period: Time for which the times in the last rows read the same.
    """

    def __init__(self) -> None:
        self.period: Period | None = None
        self._made: dict[str, tuple[object, Period, Row]] = {}

    def get_rows(
        self, told: Mapping[str, object], at: datetime, make: Callable[[str], tuple[Row, Period]]
    ) -> list[Row]:
        """Return the rows of these ids in their order, the same objects if nothing changed.

        Args:
            told: Inputs of each row by id, besides the time.
            at: Present wall-clock time.
            make: Builds a row, and the time for which its times read the same.
        """
        before = self._made
        made: dict[str, tuple[object, Period, Row]] = {}
        is_over = self.period is None or not self.period.covers(at)
        for row_id, tells in told.items():
            known = before.get(row_id)
            if known is None or known[0] != tells or (is_over and not known[1].covers(at)):
                row, period = make(row_id)
                known = (tells, period, row)
            made[row_id] = known
        self._made = made
        self.period = _earliest([period for _, period, _ in made.values()])
        return [row for *_, row in made.values()]


def _earliest(periods: list[Period]) -> Period | None:
    """Return the intersection of periods, or None without any."""
    if not periods:
        return None
    return Period(max([since for since, _ in periods]), min([until for _, until in periods]))
