"""A table whose cursor belongs to an item, not to a place."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeAlias

from textual.message import Message

from comfytui.render.cells import Line, Role, Span, join, pad
from comfytui.render.table import (
    GAP,
    ChangeMarks,
    Column,
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

    from comfytui.query.sorting import Sort
    from comfytui.render.freshness import RenderContext


_Drawn: TypeAlias = tuple[Row, str, bool, "Strip"]
"""A row, the part under it, whether it is marked, and what became of them."""

_MARK = Span("∆", Role.CHANGED)
_LONGEST_TICK = 5.0


class KeyedTable(Pane):
    """Rows by id under column titles; shown rows are compared with the ones before, and only differences drawn.

    The cursor and the place on the screen stay with their item when rows come, go or move. When the item itself is
    gone the cursor goes to its nearest neighbour. For a while after a key press rows keep their places, and what waits
    is counted in the foot; a row that has changed bears a mark for one tick.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.TABLE)]
    CURSOR_STAYS: ClassVar[bool] = True
    """Whether the cursor is shown while the keys go elsewhere."""

    class RowHighlighted(Message):
        """The cursor is on another item now, None when there is none left; `by_hand` where a person moved it."""

        def __init__(self, table: KeyedTable, row_id: str | None, *, by_hand: bool = False) -> None:
            super().__init__()
            self.table = table
            self.row_id = row_id
            self.by_hand = by_hand

        @property
        def control(self) -> KeyedTable:
            """The table it happened in."""
            return self.table

    class RowSelected(Message):
        """The person wants to go into the item under the cursor."""

        def __init__(self, table: KeyedTable, row_id: str) -> None:
            super().__init__()
            self.table = table
            self.row_id = row_id

        @property
        def control(self) -> KeyedTable:
            """The table it happened in."""
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
        """What is shown."""
        return self._rows

    @property
    def cursor_id(self) -> str | None:
        """The id of the item under the cursor, None in an empty table."""
        return self._rows[self._cursor].id if self._rows else None

    @property
    def pending_moves_text(self) -> Line:
        """How much waits for a while after a key press, in words; nothing where nothing does."""
        return frozen_text(self._waiting)

    @property
    def visible_ids(self) -> tuple[str, ...]:
        """The ids of the rows in view, from the top."""
        view = (self._places, self.top, len(self._notice), self.framed, self.display, self.outer_size)
        if self._viewed is None or self._viewed[0] != view:
            ids = tuple(row.id for row in self._rows[self.top : self.top + self.page_length])
            if not self.body_height:
                # It has no place on the screen yet, or none any more.
                return ids
            self._viewed = (view, ids)
        return self._viewed[1]

    @property
    def sorts_by_hidden(self) -> bool:
        """Whether the order is by a column that is not on the screen."""
        return self._sort is not None and all(column.key != self._sort.key for column in self._fitted)

    def set_columns(self, columns: Sequence[Column], sort: Sort | None) -> None:
        """Have these columns from now on, and say in their titles how the rows are sorted."""
        if (tuple(columns), sort) != (self._columns, self._sort):
            self._columns, self._sort = tuple(columns), sort
            self._fitted_for = None
            self.repaint()

    def set_rows(
        self, rows: Sequence[Row], notice: Sequence[Line] = (), at: RenderContext | None = None, *, reset: bool = False
    ) -> None:
        """Show these rows, and above them the notice's lines if there are any.

        Args:
            rows: All rows, in order.
            notice: What stands above them.
            at: The moment; without one nothing is marked and nothing held.
            reset: Whether the person asked for other rows or another order: nothing is held then.
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
        """Time has passed: marks go, and rows that were held go where they belong."""
        due = self._marks.expire(at.monotonic)
        if self._waiting and not at.order_frozen:
            self._place_cursor(self._wanted)
        elif due:
            self._repaint_rows(*(self._places[row_id] for row_id in due if row_id in self._places))

    def valid_for_s(self, at: RenderContext) -> float:
        """Seconds for which time alone changes nothing here that is not coarse."""
        return self._marks.lasts(at.monotonic)

    def _replace(self, rows: tuple[Row, ...], marked: frozenset[str]) -> None:
        """Put these rows in the places of those with their ids, and draw what is new of them alone."""
        shown, self._rows, self._waiting = self._rows, rows, 0
        places = range(len(rows))
        news = [each for each in places if rows[each] is not shown[each] or rows[each].id in marked]
        self._repaint_rows(*news)
        self.repaint_frame()

    def _place_cursor(self, rows: tuple[Row, ...]) -> None:
        """Put these rows on the screen, cursor and view staying with their items."""
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
        """Return how many rows there are behind the cursor, or before it if `by` is negative."""
        return max(0, len(self._rows) - 1 - self._cursor) if by > 0 else self._cursor

    def select(self, row_id: str | None) -> None:
        """Put the cursor on this item, if it is there, or on the first."""
        self.move_cursor(self._places.get(row_id or "", 0) - self._cursor)

    def move_cursor(self, by: int) -> None:
        """Move the cursor by so many rows, as far as there are any."""
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
        """Draw these rows alone: a key press has no time for all the others."""
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
        """One row up."""
        self.move_cursor(-times)

    def action_cursor_down(self, times: int = 1) -> None:
        """One row down."""
        self.move_cursor(times)

    def action_page_up(self, times: int = 1) -> None:
        """A screenful up."""
        self.move_cursor(-times * self.page_length)

    def action_page_down(self, times: int = 1) -> None:
        """A screenful down."""
        self.move_cursor(times * self.page_length)

    def action_first_row(self) -> None:
        """To the first row."""
        self.move_cursor(-self.line_count())

    def action_last_row(self) -> None:
        """To the last row."""
        self.move_cursor(self.line_count())

    def action_open_item(self) -> None:
        """Go into the item under the cursor."""
        if self.cursor_id is not None:
            self.post_message(self.RowSelected(self, self.cursor_id))

    @property
    def page_length(self) -> int:
        """How many rows fit."""
        return max(1, self.body_height - self._heading_height)

    def line_count(self) -> int:
        """Heading and rows."""
        return self._heading_height + len(self._rows)

    def content(self, width: int, height: int) -> Sequence[Strip]:
        """Notice, column titles, and the rows in view."""
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
        """How much waits, and what was given as the foot."""
        return join((self.pending_moves_text, super().footer()), GAP)

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor, one on the cursor's own row goes in."""
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
        """Leave no room below the last row, and, where asked to, the cursor in view."""
        if cursor:
            self.top = max(self._cursor - self.page_length + 1, min(self.top, self._cursor))
        self.top = max(0, min(self.top, len(self._rows) - self.page_length))

    def _heading(self, titled: Sequence[Column], width: int) -> list[Strip]:
        titles = [self._join_cells([column_title(column, self._sort) for column in titled])] if titled else []
        return [self.strip(pieces, width) for pieces in (*self._notice, *titles)]

    def _row(self, place: int, width: int) -> _Drawn:
        """A row and how it looks; as drawn last where neither has changed."""
        row = self._rows[place]
        below = self._cursor_style() if place == self._cursor else ""
        marked = row.id in self._marks
        made = self._drawn_rows.get(row.id)
        if made is not None and made[1:3] == (below, marked) and (made[0] is row or made[0] == row):
            return (row, *made[1:])
        shown = row.full_width or self._join_cells(row.visible_cells(self._fitted), marked=marked)
        return (row, below, marked, self.strip(shown, width, below))

    def _cursor_style(self) -> str:
        """The part under the cursor's row; none where the keys go elsewhere and the table then hides it."""
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
    """Makes rows and keeps those made last, for often it is one that changes.

    Attributes:
        period: For how long times in the rows made last read so.
    """

    def __init__(self) -> None:
        self.period: Period | None = None
        self._made: dict[str, tuple[object, Period, Row]] = {}

    def get_rows(
        self, told: Mapping[str, object], at: datetime, make: Callable[[str], tuple[Row, Period]]
    ) -> list[Row]:
        """The rows of these ids in their order; the very same ones where nothing of them is news.

        Args:
            told: All that the row of each of them tells of, beside the time.
            at: The time, by the wall clock.
            make: The row, and for how long times in it read so.
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
    """When all of the periods are."""
    if not periods:
        return None
    return Period(max([since for since, _ in periods]), min([until for _, until in periods]))
