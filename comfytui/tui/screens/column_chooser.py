"""Chooser of the columns of a table and their order."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.screen import ModalScreen

from comfytui.query.columns import Column
from comfytui.render.cells import Line, Role, Span
from comfytui.render.chrome import footer_line
from comfytui.render.table import REQUIRED_COLUMN, ColumnSelection, Row
from comfytui.tui.keys.bindings import active_keys, bindings_for
from comfytui.tui.keys.commands import Scope
from comfytui.tui.screen_stack import OwnScreen
from comfytui.tui.widgets.keyed_table import KeyedTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.geometry import Size


_LINE = Column("line", "the last go first where it is narrow", 1, weight=1)

_USUAL = "*"

_HINTS = {"on/off": ("toggle_column",), "move": ("column_up", "column_down"), "done": ("close_chooser",)}


class ColumnChooserScreen(ModalScreen[tuple[str, ...]], OwnScreen[tuple[str, ...]]):
    """Dialog with the columns of a table in their order, the visible ones ticked.

    Dismissed with the keys of the columns to show, in order; empty for the default.

    Args:
        columns: All columns in their default order; those without a title cannot be chosen.
        chosen: Keys of the present choice, in order.
    """

    CSS_PATH = "column_chooser.tcss"
    AUTO_FOCUS = "#columns"

    def __init__(self, columns: Sequence[Column], chosen: Sequence[str] = ()) -> None:
        super().__init__()
        self._table = _ColumnTable(columns, chosen)

    def compose(self) -> ComposeResult:
        """Compose the table."""
        yield self._table

    def on_mount(self) -> None:
        """Show the keys whenever they change."""
        self.bindings_updated_signal.subscribe(self, lambda _screen: self._table.show_keys(active_keys(self.screen)))

    @on(KeyedTable.RowSelected)
    def _clicked(self, event: KeyedTable.RowSelected) -> None:
        event.stop()
        self._table.action_toggle_column()


class _ColumnTable(KeyedTable):
    """Table with a line for the default, and one per column."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.CHOOSER)]

    def __init__(self, columns: Sequence[Column], chosen: Sequence[str]) -> None:
        super().__init__((_LINE,), id="columns")
        self._titles = {column.key: column.title for column in columns if column.title}
        self._choosing = ColumnSelection.from_chosen(tuple(self._titles), chosen)
        self._hints: list[tuple[str, str]] = []
        self.set_title((Span("Columns", Role.STRONG),))

    def on_mount(self) -> None:
        """Show the present choice."""
        self._choose(self._choosing)

    def get_content_height(self, _container: Size, _viewport: Size, _width: int) -> int:
        """Return the number of lines, with the frame."""
        return self.line_count() + 2

    def show_keys(self, keys: dict[str, list[str]]) -> None:
        """Show the keys in the footer."""
        told = (("/".join(keys[each][0] for each in ids if keys.get(each)), word) for word, ids in _HINTS.items())
        self._hints = [hint for hint in told if hint[0]]
        self.repaint()

    def footer(self) -> Line:
        """Return as many of the keys as fit."""
        return footer_line(self._hints, (), self.body_width - 2)

    def action_toggle_column(self, times: int = 1) -> None:
        """Show or hide the column under the cursor; on the first line, restore the default."""
        if (key := self._column) is not None:
            self._choose(self._choosing.toggle(key) if times % 2 else self._choosing)
        else:
            self._choose(ColumnSelection.from_chosen(tuple(self._titles), ()))

    def action_column_up(self, times: int = 1) -> None:
        """Move the column under the cursor up."""
        self._move(-times)

    def action_column_down(self, times: int = 1) -> None:
        """Move the column under the cursor down."""
        self._move(times)

    def action_close_chooser(self) -> None:
        """Close the dialog and apply the choice."""
        self.screen.dismiss(self._choosing.chosen)

    @property
    def _column(self) -> str | None:
        return self.cursor_id if self.cursor_id in self._titles else None

    def _move(self, by: int) -> None:
        if (key := self._column) is not None:
            self._choose(self._choosing.move(key, by))

    def _choose(self, choosing: ColumnSelection) -> None:
        self._choosing = choosing
        usual = Row(_USUAL, {}, _checkbox_text("the usual ones, as many as fit", on=choosing.is_default))
        self.set_rows((usual, *(self._row_of(key) for key in choosing.order)))

    def _row_of(self, key: str) -> Row:
        note = "  always" if key == REQUIRED_COLUMN else ""
        return Row(
            key, {}, (*_checkbox_text(self._titles[key], on=key in self._choosing.shown), Span(note, Role.MUTED))
        )


def _checkbox_text(words: str, *, on: bool) -> Line:
    return (Span(f"[{'x' if on else ' '}] ", Role.ACCENT), Span(words, Role.PLAIN if on else Role.MUTED))
