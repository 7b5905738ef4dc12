"""A table whose cursor belongs to an item, not to a place."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeAlias

from textual.message import Message

from comfytui.tui.present.cells import EMPTY, Line, Role, Span, beside, pad
from comfytui.tui.present.columns import GAP, Column, Row, fit, title_of
from comfytui.tui.present.holding import changed, held, held_words, moves
from comfytui.tui.widgets.cursor_pane import CursorPane
from comfytui.tui.widgets.parts import CURSOR, CURSOR_BLURRED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.strip import Strip

    from comfytui.engine.sorting import Sort
    from comfytui.tui.present.now import Now

__all__ = ["KeyedTable"]

_Drawn: TypeAlias = tuple[Row, str, bool, "Strip"]
"""A row, the part under it, whether it is marked, and what became of them."""

_MARK = Span("∆", Role.CHANGED)

_LONGEST_TICK = 5.0


class KeyedTable(CursorPane):
    """Rows by id under column titles; shown rows are compared with the ones before, and only differences drawn.

    The cursor and the place on the screen stay with their item when rows come, go or move. When the item itself is
    gone the cursor goes to its nearest neighbour. For a while after a key press rows keep their places, and what waits
    is counted in the foot; a row that has changed bears a mark for one tick.
    """

    CURSOR_STAYS: ClassVar[bool] = True
    """Whether the cursor is shown while the keys go elsewhere."""

    class Moved(Message):
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

    class Opened(Message):
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
        self._waiting = 0
        self._marks: dict[str, float] = {}
        self._sort: Sort | None = None
        self._places: dict[str, int] = {}
        self._notice: tuple[Line, ...] = ()
        self._cursor: int = 0
        self._fitted: tuple[Column, ...] = ()
        self._fitted_for: tuple[int, bool] | None = None
        self._drawn_rows: dict[str, _Drawn] = {}

    @property
    def rows(self) -> tuple[Row, ...]:
        """What is shown."""
        return self._rows

    @property
    def cursor_id(self) -> str | None:
        """The id of the item under the cursor, None in an empty table."""
        return self._rows[self._cursor].id if self._rows else None

    @property
    def held(self) -> Line:
        """How much waits for a while after a key press, in words; nothing where nothing does."""
        return held_words(self._waiting)

    @property
    def ids_in_view(self) -> tuple[str, ...]:
        """The ids of the rows in view, from the top."""
        return tuple(row.id for row in self._rows[self.top : self.top + self.page_length])

    @property
    def sorts_by_hidden(self) -> bool:
        """Whether the order is by a column that is not on the screen."""
        return self._sort is not None and all(column.key != self._sort.key for column in self._fitted)

    def have_columns(self, columns: Sequence[Column], sort: Sort | None) -> None:
        """Have these columns from now on, and say in their titles how the rows are sorted."""
        if (tuple(columns), sort) != (self._columns, self._sort):
            self._columns, self._sort = tuple(columns), sort
            self._fitted_for = None
            self.repaint()

    def show(
        self, rows: Sequence[Row], notice: Sequence[Line] = (), at: Now | None = None, *, anew: bool = False
    ) -> None:
        """Show these rows, and above them the notice's lines if there are any.

        Args:
            rows: All rows, in order.
            notice: What stands above them.
            at: The moment; without one nothing is marked and nothing held.
            anew: Whether the person asked for other rows or another order: nothing is held then.
        """
        self._notice = tuple(notice)
        if at is not None:
            known = {row.id: row for row in self._wanted}
            tick = at.monotonic + min(at.pace, _LONGEST_TICK)
            self._marks.update((row_id, tick) for row_id in changed(known, rows))
        self._wanted = tuple(rows)
        self._place(self._wanted if anew or at is None or not at.held else held(self._rows, rows))

    def elapse(self, at: Now) -> None:
        """Time has passed: marks go, and rows that were held go where they belong."""
        due = [row_id for row_id, until in self._marks.items() if until <= at.monotonic]
        for row_id in due:
            del self._marks[row_id]
        if self._waiting and not at.held:
            self._place(self._wanted)
        elif due:
            self.repaint()

    def _place(self, rows: tuple[Row, ...]) -> None:
        """Put these rows on the screen, cursor and view staying with their items."""
        before = self.cursor_id
        in_view = self.top <= self._cursor < self.top + self.page_length
        anchor = self._cursor if in_view else self.top
        on_screen = anchor - self.top
        from_cursor, from_anchor = self._neighbours(self._cursor), self._neighbours(anchor)
        self._rows, self._waiting = rows, 0 if rows is self._wanted else moves(rows, self._wanted)
        self._places = {row.id: place for place, row in enumerate(rows)}
        self._cursor = self._first_place(from_cursor)
        self.top = self._first_place(from_anchor) - on_screen
        self._keep_in_view(cursor=in_view)
        self.repaint()
        if self.cursor_id != before:
            self.post_message(self.Moved(self, self.cursor_id))

    def move_to(self, row_id: str | None) -> None:
        """Put the cursor on this item, if it is there, or on the first."""
        self.move_cursor(self._places.get(row_id or "", 0) - self._cursor)

    def move_cursor(self, by: int) -> None:
        """Move the cursor by so many rows, as far as there are any."""
        before, place, top = self.cursor_id, self._cursor, self.top
        self._cursor = max(0, min(self._cursor + by, len(self._rows) - 1))
        self._keep_in_view()
        if self.top == top and self._fitted_for == (self.body_width, self.framed):
            self._repaint_rows(place, self._cursor)
        else:
            self.repaint()
        if self.cursor_id != before:
            self.post_message(self.Moved(self, self.cursor_id, by_hand=True))

    def _repaint_rows(self, *places: int) -> None:
        """Draw these rows alone: a key press has no time for all the others."""
        in_view = range(self.top, min(len(self._rows), self.top + self.page_length))
        for place in {*places}.intersection(in_view):
            drawn = self._row(place, self.body_width)
            self._drawn_rows[drawn[0].id] = drawn
            self.repaint_line(self._heading_height + place - self.top, drawn[-1])

    def action_open_item(self) -> None:
        """Go into the item under the cursor."""
        if self.cursor_id is not None:
            self.post_message(self.Opened(self, self.cursor_id))

    @property
    def page_length(self) -> int:
        """How many rows fit."""
        return max(1, self.body_height - self._heading_height)

    def line_count(self) -> int:
        """Heading and rows."""
        return self._heading_height + len(self._rows)

    def body(self, width: int, height: int) -> Sequence[Strip]:
        """Notice, column titles, and the rows in view."""
        if (width, self.framed) != self._fitted_for:
            self._fitted, self._fitted_for, self._drawn_rows = fit(self._columns, width), (width, self.framed), {}
        titled = self._fitted if self.framed and self._rows else ()
        heading = self.kept("heading", (self._notice, titled, self._sort, width), lambda: self._heading(titled, width))
        shown = range(self.top, min(len(self._rows), self.top + max(0, height - len(heading))))
        self._drawn_rows = {self._rows[place].id: self._row(place, width) for place in shown}
        return [*heading, *(strip for *_, strip in self._drawn_rows.values())]

    def foot(self) -> Line:
        """How much waits, and what was given as the foot."""
        return beside((self.held, super().foot()), GAP)

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

    def _neighbours(self, place: int) -> list[str]:
        """The ids to look for when rows change: the place's own, the ones after it, the ones before it."""
        after = [row.id for row in self._rows[place:]]
        return [*after, *(row.id for row in reversed(self._rows[:place]))]

    def _first_place(self, row_ids: Sequence[str]) -> int:
        return next((self._places[row_id] for row_id in row_ids if row_id in self._places), 0)

    def _keep_in_view(self, *, cursor: bool = True) -> None:
        """Leave no room below the last row, and, where asked to, the cursor in view."""
        if cursor:
            self.top = max(self._cursor - self.page_length + 1, min(self.top, self._cursor))
        self.top = max(0, min(self.top, len(self._rows) - self.page_length))

    def _heading(self, titled: Sequence[Column], width: int) -> list[Strip]:
        titles = [self._joined([title_of(column, self._sort) for column in titled])] if titled else []
        return [self.strip(pieces, width) for pieces in (*self._notice, *titles)]

    def _row(self, place: int, width: int) -> _Drawn:
        """A row and how it looks; as drawn last where neither has changed."""
        row = self._rows[place]
        below = self._cursor_look() if place == self._cursor else ""
        marked = row.id in self._marks
        made = self._drawn_rows.get(row.id)
        if made is not None and made[1:3] == (below, marked) and (made[0] is row or made[0] == row):
            return (row, *made[1:])
        shown = row.whole or self._joined([row.cells.get(column.key, EMPTY) for column in self._fitted], marked=marked)
        return (row, below, marked, self.strip(shown, width, below))

    def _cursor_look(self) -> str:
        """The part under the cursor's row; none where the keys go elsewhere and the table then hides it."""
        if self.has_focus:
            return CURSOR
        return CURSOR_BLURRED if self.CURSOR_STAYS else ""

    def _joined(self, cells: Sequence[Line], *, marked: bool = False) -> Line:
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
        self._drawn_rows = {}
