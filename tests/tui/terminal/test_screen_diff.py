"""What a partial update costs, and that it says the same as Textual's own."""

from __future__ import annotations

import pyte
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from comfytui.tui.terminal.screen_diff import DiffUpdate, ScreenBuffer

RED, BLUE = Style(color="#ff0000", bgcolor="#101010"), Style(color="#0000ff", bgcolor="#101010", bold=True)


GREEN = Style(color="#00ff00", bgcolor="#202020", bold=True, reverse=True)
BARE = Style(underline=True)


def update(*spans: tuple[int, int, int]) -> ChopsUpdate:
    left = Strip([Segment("left side ", RED), Segment("日本語", BLUE)])
    right = Strip([Segment("the right ", BLUE), Segment("side", RED)])
    chops: list[dict[int, Strip | None]] = [{0: left, 16: right} for _ in range(3)]
    return ChopsUpdate(chops, list(spans), [[16, 30] for _ in range(3)])


def shown(output: str) -> pyte.Screen:
    screen = pyte.Screen(30, 3)
    pyte.Stream(screen).feed(output)
    return screen


def seen(screen: pyte.Screen, width: int, y: int = 0) -> list[tuple[object, ...]]:
    """What one can see of each cell: the colour of no text is none."""
    cells = [screen.buffer[y][x] for x in range(width)]
    lined = [cell.underscore or cell.reverse or cell.strikethrough for cell in cells]
    return [
        (" ", cell.bg) if cell.data == " " and not marked else tuple(cell)
        for cell, marked in zip(cells, lined, strict=True)
    ]


def drawn(output: str) -> list[str]:
    return [line.rstrip() for line in shown(output).display]


CONSOLE = Console(force_terminal=True, color_system="truecolor")


def rendered(*spans: tuple[int, int, int]) -> str:
    made = ScreenBuffer().minimize(update(*spans))
    assert isinstance(made, DiffUpdate)
    return made.render_segments(CONSOLE)


def test_whole_lines_look_as_textual_draws_them() -> None:
    spans = [(0, 0, 30), (2, 0, 30)]
    assert drawn(rendered(*spans)) == drawn(update(*spans).render_segments(CONSOLE).replace("\n", ""))


def test_colours_and_attributes_are_those_that_textual_writes() -> None:
    ours, theirs = shown(rendered((0, 0, 30))), shown(update((0, 0, 30)).render_segments(CONSOLE).replace("\n", ""))
    assert seen(ours, 30) == seen(theirs, 30)


@given(st.lists(st.sampled_from([RED, BLUE, GREEN, BARE, Style()]), min_size=1, max_size=8))
def test_any_run_of_styles_looks_as_textual_draws_it(styles: list[Style]) -> None:
    strip = Strip([Segment("ab", style) for style in styles])
    chops = ChopsUpdate([{0: strip}], [(0, 0, 2 * len(styles))], [[2 * len(styles)]])
    ours = ScreenBuffer().minimize(chops)
    assert isinstance(ours, DiffUpdate)
    one, other = shown(ours.render_segments(CONSOLE)), shown(chops.render_segments(CONSOLE))
    assert seen(one, 16) == seen(other, 16)


def test_a_stretch_begins_where_it_begins() -> None:
    assert drawn(rendered((1, 21, 26))) == [*["", " " * 21 + "ight", ""][:1], " " * 21 + "ight", ""]
    assert len(rendered((1, 21, 26))) < len(update((1, 21, 26)).render_segments(CONSOLE))


def test_a_stretch_over_two_widgets_is_drawn_in_both() -> None:
    assert drawn(rendered((0, 10, 20))) == [" " * 10 + "日本語the", "", ""]


def test_styles_end_where_the_update_ends() -> None:
    assert rendered((0, 0, 4)).endswith("\x1b[0m")


def test_single_changed_cell_is_cheap() -> None:
    assert len(rendered((0, 3, 4))) < 60


def test_other_updates_are_left_alone() -> None:
    assert ScreenBuffer().minimize(None) is None
    assert ScreenBuffer().minimize("text") == "text"


WIDTH, HEIGHT = 12, 3
STYLES = [RED, BLUE, GREEN, BARE]
LINES = st.lists(
    st.lists(
        st.tuples(st.sampled_from(["ab", "c", "日本", " "]), st.sampled_from([RED, BLUE, GREEN, BARE])), max_size=5
    ),
    min_size=HEIGHT,
    max_size=HEIGHT,
)


def screenful(lines: list[list[tuple[str, Style]]], width: int = WIDTH) -> LayoutUpdate:
    strips = [Strip([Segment(text, style) for text, style in line]).adjust_cell_length(width, RED) for line in lines]
    return LayoutUpdate([[strip] for strip in strips], Region(0, 0, width, len(strips)))


def written(wire: ScreenBuffer, whole: LayoutUpdate | ChopsUpdate) -> str:
    made = wire.minimize(whole)
    assert isinstance(made, DiffUpdate)
    return made.render_segments(CONSOLE)


@given(st.lists(LINES, min_size=2, max_size=5), st.data())
def test_whatever_is_drawn_over_whatever_the_terminal_shows_the_last(
    screens: list[list[list[tuple[str, Style]]]], data: st.DataObject
) -> None:
    wire, ours, theirs = ScreenBuffer(), pyte.Screen(WIDTH, HEIGHT), pyte.Screen(WIDTH, HEIGHT)
    for lines in screens:
        whole = screenful(lines)
        if data.draw(st.booleans()):
            y = data.draw(st.integers(0, HEIGHT - 1))
            (strip,) = whole.strips[y]
            part = ChopsUpdate([{0: each} for (each,) in whole.strips], [(y, 0, WIDTH)], [[WIDTH]] * HEIGHT)
            assert strip.cell_length == WIDTH
            pyte.Stream(ours).feed(written(wire, part))
            pyte.Stream(theirs).feed(part.render_segments(CONSOLE).replace("\n", ""))
        else:
            pyte.Stream(ours).feed(written(wire, whole))
            pyte.Stream(theirs).feed(whole.render_segments(CONSOLE).replace("\n", ""))
        assert ours.display == theirs.display
        for y in range(HEIGHT):
            assert seen(ours, WIDTH, y) == seen(theirs, WIDTH, y)


def test_wide_characters_moved_by_one_cell_are_written() -> None:
    buffer, terminal = ScreenBuffer(), pyte.Screen(WIDTH, HEIGHT)
    for lines in ([[("日本日本", RED)], [], []], [[("   ", RED), ("日本", RED)], [], []]):
        pyte.Stream(terminal).feed(written(buffer, screenful(lines)))
    assert terminal.display[0].rstrip() == "   日本"


def test_a_whole_screen_drawn_again_writes_nothing_and_what_was_forgotten_all() -> None:
    wire, whole = ScreenBuffer(), screenful([[("ab", RED)], [("c", BLUE)], []])
    first = written(wire, whole)
    assert written(wire, whole) == ""
    wire.invalidate()
    assert written(wire, whole) == first


def test_a_screen_of_another_size_is_written_as_a_whole() -> None:
    wire = ScreenBuffer()
    written(wire, screenful([[("ab", RED)], [], []]))
    assert written(wire, screenful([[("ab", RED)], [], []], WIDTH + 1)) == written(
        ScreenBuffer(), screenful([[("ab", RED)], [], []], WIDTH + 1)
    )


def changes(*lines: list[tuple[str, Style]], since: list[list[tuple[str, Style]]]) -> str:
    wire, width = ScreenBuffer(), 40
    written(wire, screenful(since, width))
    return written(wire, screenful([*lines], width))


def test_only_cells_that_differ_are_written_and_near_ones_as_one() -> None:
    old = [[("." * 40, RED)]]
    assert changes([("x..x" + "." * 36, RED)], since=old).count("x..x") == 1
    assert changes([("x" + "." * 30 + "y" + "." * 8, RED)], since=old).endswith("\x1b[1;1Hx\x1b[32Gy\x1b[0m")


def test_invisible_changes_are_not_written() -> None:
    old = [[("ab", RED), (" " * 38, RED)]]
    assert changes([("ab", RED), (" " * 38, Style(color="#0000ff", bgcolor="#101010", bold=True))], since=old) == ""
    assert changes([("ab", RED), (" " * 38, RED + BARE)], since=old).count(" ") == 38


def test_each_look_is_switched_on_once_however_far_apart_its_cells_are() -> None:
    apart = [("a", RED), ("b", BLUE), (" " * 3, BLUE), ("c", RED)]
    output = changes(apart, apart, apart, since=[[], [], []])
    assert output.count("255;0;0") == output.count("0;0;255") == 1


def test_a_wide_character_is_replaced_whole() -> None:
    for old, new in [("x日本y", "x日中y"), ("ab日", "日ab"), ("a日日", "日日a"), ("e\u0301日", "日e")]:
        wire, screen = ScreenBuffer(), pyte.Screen(12, 1)
        for text in (old, new):
            pyte.Stream(screen).feed(written(wire, screenful([[(text, RED)]])))
        assert "".join(screen.display).rstrip() == new


def test_part_of_a_screen_that_shows_so_already_writes_nothing() -> None:
    wire, whole = ScreenBuffer(), screenful([[("ab", RED)], [("c", BLUE)], []])
    written(wire, whole)
    chops = [{0: strip} for (strip,) in whole.strips]
    assert written(wire, ChopsUpdate(chops, [(0, 0, WIDTH), (1, 0, WIDTH)], [[WIDTH]] * HEIGHT)) == ""
