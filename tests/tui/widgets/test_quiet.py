"""Drawing only what differs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from rich.style import Style
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.strip import Strip

from comfytui.tui.present.cells import Role, Span
from comfytui.tui.surroundings import Colours
from comfytui.tui.themes import NAMES, themes_for
from comfytui.tui.widgets.quiet import QuietView
from comfytui.tui.wire import differing_spans

PLAIN, RED = Style(), Style(color="red")


def strip(text: str, style: Style = PLAIN) -> Strip:
    return Strip([Segment(text, style)])


def test_equal_lines_differ_nowhere() -> None:
    assert differing_spans(strip("same"), strip("same")) == []
    assert differing_spans(strip("日本語"), Strip([Segment("日本", PLAIN), Segment("語", PLAIN)])) == []


def test_one_character_is_one_cell() -> None:
    assert differing_spans(strip("a cat sat"), strip("a bat sat")) == [(2, 3)]


def test_a_wide_character_is_replaced_whole() -> None:
    assert differing_spans(strip("x日本y"), strip("x日中y")) == [(3, 5)]
    assert differing_spans(strip("ab日"), strip("日ab")) == [(0, 4)]
    assert differing_spans(strip("a日日"), strip("日日a")) == [(0, 5)]


def test_a_change_of_style_is_a_change() -> None:
    assert differing_spans(strip("abc"), strip("abc", RED)) == [(0, 3)]


def test_near_changes_are_one_stretch_and_far_ones_two() -> None:
    old = strip("." * 40)
    assert differing_spans(old, strip("x..x" + "." * 36)) == [(0, 4)]
    assert differing_spans(old, strip("x" + "." * 30 + "x" + "." * 8)) == [(0, 1), (31, 32)]


@given(st.text("ab日🚀", min_size=1, max_size=12), st.text("ab日🚀", min_size=1, max_size=12))
def test_replacing_the_stretches_makes_the_new_line(old: str, new: str) -> None:
    width = max(strip(old).cell_length, strip(new).cell_length)
    before, after = strip(old).adjust_cell_length(width), strip(new).adjust_cell_length(width)
    patched = before
    for start, end in differing_spans(before, after):
        patched = Strip.join([patched.crop(0, start), after.crop(start, end), patched.crop(end, width)])
    assert patched.text == after.text


class Lines(QuietView):
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
        for theme in themes_for(Colours.TRUECOLOR):
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


async def test_a_changed_line_refreshes_its_difference_alone() -> None:
    app = LinesApp()
    async with app.run_test(size=(20, 4)) as pilot:
        await pilot.pause()
        app.lines.repaint()
        app.lines.refreshed.clear()
        app.lines.texts = ["one", "tvo"]
        app.lines.repaint()
        assert app.lines.refreshed == [(Region(1, 1, 1, 1),)]
        assert app.lines.render_line(1).text.rstrip() == "tvo"


async def test_another_size_is_drawn_anew() -> None:
    app = LinesApp()
    async with app.run_test(size=(20, 4)) as pilot:
        await pilot.resize_terminal(10, 3)
        await pilot.pause()
        assert [app.lines.render_line(y).cell_length for y in range(3)] == [10, 10, 10]
