"""The floor of what polls: about the smallest Textual app that lists runners with httpx and pydantic, every 2 s.

Whom it asks, and with which token, the environment says, as for the dashboard. `q` ends it.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

import httpx
from pydantic import BaseModel
from textual.app import App, ComposeResult
from textual.widgets import DataTable

if TYPE_CHECKING:
    from textual.binding import BindingType

__all__ = ["PollingFloor"]

COLUMNS = ("name", "status", "endpoint", "tags", "created_at")
INTERVAL = 2.0
TOKEN = os.environ.get("COMFYCONTROL_API_TOKEN", "")
URL = os.environ.get("COMFYCONTROL_API_URL", "http://127.0.0.1:8787")


class Runner(BaseModel):
    """A runner as List Runners tells it."""

    id: str
    user_id: str
    name: str
    status: str
    endpoint: str
    tags: list[str]
    headers: dict[str, str]
    created_at: datetime
    updated_at: datetime


class RunnerPage(BaseModel):
    """An answer of List Runners."""

    runners: list[Runner]
    total: int


class PollingFloor(App[None]):
    """A table of one page, of which cells are written where they have changed."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [("q", "quit", "Quit")]

    def compose(self) -> ComposeResult:
        """The table and nothing else."""
        yield DataTable[str](cursor_type="row")

    def on_mount(self) -> None:
        """Ask for the first time, and again from then on."""
        table = self.query_one(DataTable)
        for column in COLUMNS:
            table.add_column(column, key=column)
        self.shown: dict[str, tuple[str, ...]] = {}
        self.client = httpx.AsyncClient(base_url=URL, headers={"Authorization": f"Bearer {TOKEN}"})
        self.poll()
        self.set_interval(INTERVAL, self.poll)

    def poll(self) -> None:
        """Ask, unless that is being done, in which case begin anew."""
        self.run_worker(self.load(), exclusive=True)

    async def load(self) -> None:
        """Ask for the page and show what it says."""
        answer = await self.client.get("/v1/runner", params={"per_page": 25})
        for runner in RunnerPage.model_validate_json(answer.content).runners:
            cells = (runner.name, runner.status, runner.endpoint, " ".join(runner.tags), runner.created_at.isoformat())
            self.show(runner.id, cells)

    def show(self, key: str, cells: tuple[str, ...]) -> None:
        """Show a runner, new or not."""
        table, before = self.query_one(DataTable), self.shown.get(key)
        if before is None:
            table.add_row(*cells, key=key)
        elif before != cells:
            for column, old, new in zip(COLUMNS, before, cells, strict=True):
                if old != new:
                    table.update_cell(key, column, new)
        self.shown[key] = cells


if __name__ == "__main__":
    PollingFloor().run()
