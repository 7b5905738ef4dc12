"""What a partial update costs, and that it says the same as Textual's own."""

from __future__ import annotations

import pyte
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate
from textual.strip import Strip

from comfytui.tui.wire import lean

RED, BLUE = Style(color="#ff0000", bgcolor="#101010"), Style(color="#0000ff", bgcolor="#101010", bold=True)


def update(*spans: tuple[int, int, int]) -> ChopsUpdate:
    left = Strip([Segment("left side ", RED), Segment("日本語", BLUE)])
    right = Strip([Segment("the right ", BLUE), Segment("side", RED)])
    chops: list[dict[int, Strip | None]] = [{0: left, 16: right} for _ in range(3)]
    return ChopsUpdate(chops, list(spans), [[16, 30] for _ in range(3)])


def drawn(output: str) -> list[str]:
    screen = pyte.Screen(30, 3)
    pyte.Stream(screen).feed(output)
    return [line.rstrip() for line in screen.display]


CONSOLE = Console(force_terminal=True, color_system="truecolor")


def rendered(*spans: tuple[int, int, int]) -> str:
    made = lean(update(*spans))
    assert isinstance(made, ChopsUpdate)
    return made.render_segments(CONSOLE)


def test_whole_lines_look_as_textual_draws_them() -> None:
    spans = [(0, 0, 30), (2, 0, 30)]
    assert drawn(rendered(*spans)) == drawn(update(*spans).render_segments(CONSOLE).replace("\n", ""))


def test_a_stretch_begins_where_it_begins() -> None:
    assert drawn(rendered((1, 21, 26))) == [*["", " " * 21 + "ight", ""][:1], " " * 21 + "ight", ""]
    assert len(rendered((1, 21, 26))) < len(update((1, 21, 26)).render_segments(CONSOLE))


def test_a_stretch_over_two_widgets_is_drawn_in_both() -> None:
    assert drawn(rendered((0, 10, 20))) == [" " * 10 + "日本語the", "", ""]


def test_styles_end_where_the_update_ends() -> None:
    assert rendered((0, 0, 4)).endswith("\x1b[0m")


def test_one_touched_cell_is_cheap() -> None:
    assert len(rendered((0, 3, 4))) < 60


def test_other_updates_are_left_alone() -> None:
    assert lean(None) is None
    assert lean("text") == "text"
