from __future__ import annotations

from unittest.mock import patch

import pyte
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.segment import Segment
from rich.style import Style
from textual._compositor import LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip
from wcwidth import wcwidth

from comfytui.tui.terminal.screen_diff import ScreenBuffer
from comfytui.tui.terminal.widths import is_disputed, with_fixed_columns
from tests.tui.terminal.test_screen_diff import BLUE, RED, written

WIDTH, HEIGHT = 24, 2

DISPUTED = ["👍", "👍🏽", "தமிழ்", "नमस्ते", "❤️", "🇩🇪", "👨‍👩‍👧", "⌚", "e\u0301", "\u00ad", "\ue0b0", "𝔘", "a\u200bb"]
AGREED = [
    "plain",
    "äöü",
    "Ελλ",
    "кир",
    "日本語",
    "한국어",
    "ｆｕｌｌ",
    "𠀀",
    "✔ ● │ … ▰ ⚠ ▶ ◌ ⊘ ⏎",
    "›«—–’",
    "①",
    "",
    " ",
]


@pytest.mark.parametrize("text", DISPUTED)
def test_text_of_disputed_width(text: str) -> None:
    assert is_disputed(text)
    assert is_disputed(f"before {text} behind")


@pytest.mark.parametrize("text", AGREED)
def test_text_of_agreed_width(text: str) -> None:
    assert not is_disputed(text)


def test_cursor_is_set_anew_behind_each_disputed_character() -> None:
    assert with_fixed_columns("ab", 4) == "ab"
    assert with_fixed_columns(["a", "👍", "", "b"], 4) == "a  \x1b[6G👍\x1b[8Gb"


Screens = st.lists(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from(["ab", "日", "│ ", *DISPUTED]), st.sampled_from([RED, BLUE, Style()])), max_size=5
        ),
        min_size=HEIGHT,
        max_size=HEIGHT,
    ),
    min_size=1,
    max_size=4,
)


def screenful(lines: list[list[tuple[str, Style]]]) -> LayoutUpdate:
    strips = [Strip([Segment(text, style) for text, style in line]).adjust_cell_length(WIDTH, RED) for line in lines]
    return LayoutUpdate([[strip] for strip in strips], Region(0, 0, WIDTH, HEIGHT))


@pytest.mark.parametrize("cells", [0, 1, 2])
@given(screens=Screens)
@example(screens=[[[("👍", RED), ("ab", RED)], []]])
def test_terminal_that_counts_otherwise_shows_no_remains(
    screens: list[list[list[tuple[str, Style]]]], cells: int
) -> None:
    def counted(character: str) -> int:
        return cells if is_disputed(character) else wcwidth(character)

    wire, terminal = ScreenBuffer(), pyte.Screen(WIDTH, HEIGHT)
    stream = pyte.Stream(terminal)
    stream.feed("\x1b[?7l")
    plain = [[("│ what all agree on is │", RED)], [("日本 and more", BLUE)]]
    with patch("pyte.screens.wcwidth", counted):
        for lines in screens:
            stream.feed(written(wire, screenful([[*line, ("│", RED)] for line in lines])))
            for y, line in enumerate(lines):
                x = Strip([Segment(text) for text, _ in line]).cell_length
                assert x >= WIDTH or terminal.buffer[y][x].data[0] == "│", "behind all of it"
        stream.feed(written(wire, screenful(plain)))
    assert [line.rstrip() for line in terminal.display] == ["│ what all agree on is │", "日本 and more"]


def test_line_of_agreed_widths_is_written_as_little_as_ever() -> None:
    wire = ScreenBuffer()
    written(wire, screenful([[("✔ done", RED)], [("👍 good", RED)]]))
    assert written(wire, screenful([[("✔ dome", RED)], [("👍 good", RED)]])).endswith("\x1b[1;5Hm\x1b[0m")
    whole = written(wire, screenful([[("✔ dome", RED)], [("👍 gold", RED)]]))
    assert "\x1b[2;1H\x1b[K" in whole
    assert "\x1b[3G gold" in whole
    assert "\x1b[K" in written(wire, screenful([[("✔ dome", RED)], [("gold", RED)]]))
    assert written(wire, screenful([[("✔ dome", RED)], [("bold", RED)]])).endswith("\x1b[2;1Hb\x1b[0m")
