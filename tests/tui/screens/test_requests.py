"""The request log on screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import comfytui
from comfytui.tui.screens.requests import RequestsScreen
from tests.support.pilot import demo

if TYPE_CHECKING:
    from textual.strip import Strip

    from comfytui.engine.snapshot import Snapshot
    from comfytui.render.freshness import RenderContext


async def test_request_log_is_newest_first() -> None:
    async with demo() as driven:
        await driven.press("L")
        await driven.sees("Requests", "GET /v1/runner?page=1&per_page=25", "/history", "200")
        await driven.press("escape")
        await driven.sees("Production GPU Runner")


async def test_request_log_grows_while_open() -> None:
    async with demo() as driven:
        await driven.press("L")
        before = driven.text.count("GET /v1/runner?page=1")
        await driven.passes(5)
        await driven.until(lambda: driven.text.count("GET /v1/runner?page=1") > before)


class Counted(RequestsScreen):
    """Counts how often it is drawn as it begins, and the lines behind its panes."""

    CSS_PATH = str(Path(comfytui.__file__).with_name("tui") / "screens" / "requests.tcss")

    drawn = drawn_at_first = lines_behind = 0

    def render_snapshot(self, snapshot: Snapshot, now: RenderContext) -> None:
        self.drawn += 1
        super().render_snapshot(snapshot, now)

    def on_mount(self) -> None:
        before = self.drawn
        super().on_mount()
        self.drawn_at_first = self.drawn - before

    def render_line(self, y: int) -> Strip:
        self.lines_behind += 1
        return super().render_line(y)


async def test_a_screen_is_drawn_once_as_it_begins_and_nothing_behind_its_panes() -> None:
    async with demo() as driven:
        screen = Counted(driven.app.clock, driven.app.session.requests)
        driven.app.push_screen(screen)
        await driven.sees("Requests", "GET /v1/runner?page=1&per_page=25")
        assert (screen.drawn_at_first, screen.lines_behind) == (1, 0)
