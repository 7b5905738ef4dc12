"""Labels and values that scroll."""

from __future__ import annotations

from textual.app import App, ComposeResult

from comfytui.render.cells import Span
from comfytui.render.panels import field
from comfytui.tui.terminal.capabilities import ColorDepth
from comfytui.tui.theme.themes import NAMES, build_themes
from comfytui.tui.widgets.field_panel import FieldPanel
from tests.support.lines import drawn_line


class PanelApp(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.panel = FieldPanel(id="panel")
        for theme in build_themes(ColorDepth.TRUECOLOR):
            self.register_theme(theme)
        self.theme = NAMES[0]

    def compose(self) -> ComposeResult:
        yield self.panel


def shown(app: PanelApp) -> list[str]:
    return [drawn_line(app.panel, y).text for y in range(app.size.height)]


async def test_title_foot_and_fields_stand_in_a_frame() -> None:
    app = PanelApp()
    async with app.run_test(size=(30, 5)):
        app.panel.set_title((Span("Title"),), (Span("foot"),))
        app.panel.set_fields((field("Name", "value"), field("None", None)))
        assert shown(app) == [
            "╭─ Title ────────────────────╮",
            "│ Name  value                │",
            "│ None  –                    │",
            "│                            │",
            "╰─ foot ─────────────────────╯",
        ]


async def test_long_values_are_whole_and_scroll_by_keys() -> None:
    app = PanelApp()
    async with app.run_test(size=(30, 6)) as pilot:
        app.panel.focus()
        app.panel.set_fields((field("Long", " ".join(f"word{number}" for number in range(30))),))
        assert "word0" in shown(app)[1]
        await pilot.press("G")
        assert any("word29" in line for line in shown(app))
        await pilot.press("g", "j", "pagedown", "pageup", "k", "up")
        assert "word0" in shown(app)[1]


async def test_the_wheel_scrolls_no_further_than_the_end() -> None:
    app = PanelApp()
    async with app.run_test(size=(30, 6)):
        app.panel.set_fields(tuple(field(f"f{number}", "x") for number in range(10)))
        app.panel.scroll_by(100)
        assert "f9" in shown(app)[4]
        app.panel.scroll_by(-100)
        assert "f0" in shown(app)[1]


async def test_another_item_starts_at_its_top_and_the_same_one_stays() -> None:
    app = PanelApp()
    fields = tuple(field(f"f{number}", "x") for number in range(10))
    async with app.run_test(size=(30, 6)):
        app.panel.set_fields(fields)
        app.panel.scroll_by(3)
        app.panel.set_fields(fields)
        assert "f3" in shown(app)[1]
        app.panel.set_fields(fields, reset=True)
        assert "f0" in shown(app)[1]
