"""Drawing only what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import App, ComposeResult
from textual.events import Resize
from textual.geometry import Region

from comfytui.render.cells import Role, Span
from comfytui.tui.terminal.capabilities import ColorDepth
from comfytui.tui.terminal.filters import AsciiFilter
from comfytui.tui.theme.themes import NAMES, build_themes
from comfytui.tui.widgets.line_widget import LineWidget
from tests.support.lines import drawn_line

if TYPE_CHECKING:
    from textual.strip import Strip


class Lines(LineWidget):
    """Shows what it is told, and remembers what it was asked to refresh."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = ["one", "two"]
        self.refreshed: list[tuple[Region, ...]] = []

    def draw(self, width: int, height: int) -> list[Strip]:
        return [self.strip((Span(text, Role.GOOD),), width) for text in self.texts]

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Lines:
        self.refreshed.append(regions)
        super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)
        return self


class LinesApp(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.lines = Lines()
        for theme in build_themes(ColorDepth.TRUECOLOR):
            self.register_theme(theme)
        self.theme = NAMES[0]

    def compose(self) -> ComposeResult:
        yield self.lines


async def test_the_same_state_drawn_twice_refreshes_nothing() -> None:
    app = LinesApp()
    async with app.run_test(size=(20, 4)) as pilot:
        await pilot.pause()
        app.lines.repaint()
        app.lines.refreshed.clear()
        app.lines.repaint()
        assert app.lines.refreshed == []


async def test_a_changed_line_alone_is_refreshed() -> None:
    app = LinesApp()
    async with app.run_test(size=(20, 4)) as pilot:
        await pilot.pause()
        app.lines.repaint()
        app.lines.refreshed.clear()
        app.lines.texts = ["one", "tvo"]
        app.lines.repaint()
        assert app.lines.refreshed == [(Region(0, 1, 20, 1),)]
        assert drawn_line(app.lines, 1).text.rstrip() == "tvo"


async def test_a_size_that_was_drawn_is_not_drawn_again_when_it_is_told() -> None:
    app = LinesApp()
    async with app.run_test(size=(20, 4)) as pilot:
        await pilot.pause()
        app.lines.refreshed.clear()
        app.lines.post_message(Resize(app.lines.size, app.lines.size))
        await pilot.pause()
        assert app.lines.refreshed == []


async def test_hidden_widget_shows_latest_content_later() -> None:
    app = LinesApp()
    async with app.run_test(size=(20, 4)) as pilot:
        await pilot.pause()
        app.lines.display = False
        await pilot.pause()
        app.lines.texts = ["three"]
        app.lines.repaint()
        app.lines.display = True
        await pilot.pause()
        assert drawn_line(app.lines, 0).text.strip() == "three"


async def test_another_size_is_drawn_anew() -> None:
    app = LinesApp()
    async with app.run_test(size=(20, 4)) as pilot:
        await pilot.resize_terminal(10, 3)
        await pilot.pause()
        assert [drawn_line(app.lines, y).cell_length for y in range(3)] == [10, 10, 10]


async def test_lines_go_through_the_filters_of_the_app() -> None:
    app = LinesApp()
    async with app.run_test(size=(20, 4)) as pilot:
        app._filters.append(AsciiFilter())
        app.lines.texts = ["● one", "two"]
        app.lines.repaint()
        await pilot.pause()
        assert drawn_line(app.lines, 0).text.rstrip() == "* one"


async def test_part_of_the_lines_is_as_wide_and_as_high_as_asked_for() -> None:
    app = LinesApp()
    async with app.run_test(size=(20, 4)) as pilot:
        await pilot.pause()
        assert [line.text for line in app.lines.render_lines(Region(1, 1, 3, 5))] == ["wo ", *["   "] * 4]
