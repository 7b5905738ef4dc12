"""The floor of what shows without asking anybody: about the smallest Textual app with 25 rows. `q` ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import App, ComposeResult
from textual.widgets import DataTable

if TYPE_CHECKING:
    from textual.binding import BindingType

__all__ = ["TableFloor"]


class TableFloor(App[None]):
    """A table that is there from the start."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [("q", "quit", "Quit")]

    def compose(self) -> ComposeResult:
        """The table and nothing else."""
        yield DataTable[str](cursor_type="row")

    def on_mount(self) -> None:
        """Fill it."""
        table = self.query_one(DataTable)
        table.add_columns("name", "status", "endpoint", "tags", "created_at")
        for number in range(25):
            endpoint = f"https://box-{number}.example.com"
            table.add_row(f"row-{number:03}", "active", endpoint, "production gpu-a100", "2024-01-15T10:30:00Z")


if __name__ == "__main__":
    TableFloor().run()
