"""Lines without colours, and lines of nothing but ASCII."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.keys import KEY_DISPLAY_ALIASES

from comfytui.tui.terminal import filters
from comfytui.tui.terminal.capabilities import ColorDepth
from comfytui.tui.terminal.filters import AsciiFilter, NoColorFilter, line_filters, to_ascii

BLACK = Color(0, 0, 0)

TUI = Path(filters.__file__).parents[1]
RENDER = TUI.with_name("render")


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("● active", "* active"),
        ("○◌◍◔▶✔⊘⚠✖", "o.uq>+-!x"),
        ("╭─ Runners ─╮", "+- Runners -+"),
        ("│ a │├─┤╰╯", "| a |+-+++"),
        ("api ≤ 15/40 · a — b – c…", "api < 15/40 . a - b - c~"),
        ("••••", "****"),
        ("▰▰▱ ███░", "##- ###."),
        ("name ▲ last ▼ → ∆ 2×", "name ^ last v > # 2x"),
        ("Zürich, ÉCOLE, Łódź", "Zurich, ECOLE, ?odz"),
        ("e\u0301te\u0301 a\ufe0f b\u200bc", "ete a bc"),
        ("日本語", "??????"),
        ("🚀 go 👩‍💻", "?? go ??"),
        ("½ ﬁ µ", "? ? ?"),
        ("plain ~", "plain ~"),
    ],
)
def test_shapes_and_letters(text: str, plain: str) -> None:
    assert to_ascii(text) == plain


def test_every_shape_of_ours_has_a_likeness() -> None:
    sources = [path.read_text() for path in [*TUI.rglob("*.py"), *RENDER.rglob("*.py")] if path.name != "filters.py"]
    sources += KEY_DISPLAY_ALIASES.values()
    shapes = sorted({char for text in sources for char in text if not char.isascii() and cell_len(char) == 1})
    assert "●" in shapes
    assert [shape for shape in shapes if to_ascii(shape) == "?"] == []


@given(st.text(max_size=30))
def test_any_text_is_ascii_and_as_wide_as_it_was(text: str) -> None:
    made = to_ascii(text)
    assert made.isascii()
    assert cell_len(made) == cell_len(text)


@given(st.lists(st.text("a日é🚀\u200d\ufe0f👩💻●\u0301 ", max_size=6), max_size=4))
def test_a_line_keeps_its_cells_and_its_styles(texts: list[str]) -> None:
    styles = [Style(bold=bool(number % 2)) for number in range(len(texts))]
    line = [Segment(text, style) for text, style in zip(texts, styles, strict=True)]
    made = AsciiFilter().apply(line, BLACK)
    assert [segment.style for segment in made] == styles
    assert [segment.cell_length for segment in made] == [segment.cell_length for segment in line]


def test_a_line_of_ascii_is_left_alone() -> None:
    line = [Segment("as it is", Style(bold=True))]
    assert AsciiFilter().apply(line, BLACK) is line


def test_colours_go_and_all_else_stays() -> None:
    style = Style(
        color="#ff0000", bgcolor="blue", bold=True, reverse=True, underline=True, dim=True, meta={"option": 3}
    )
    (made,) = NoColorFilter().apply([Segment("text", style)], BLACK)
    assert made.text == "text"
    assert made.style is not None
    assert (made.style.color, made.style.bgcolor) == (None, None)
    assert made.style.bold
    assert made.style.reverse
    assert made.style.underline
    assert made.style.dim
    assert made.style.meta == {"option": 3}
    assert made.style.render("x") == "\x1b[1;2;4;7mx\x1b[0m"


def test_unstyled_segments_stay_unstyled() -> None:
    assert NoColorFilter().apply([Segment("text")], BLACK) == [Segment("text")]


@pytest.mark.parametrize("colours", ColorDepth)
def test_line_filters_by_capabilities(colours: ColorDepth) -> None:
    expected = [NoColorFilter] if colours is ColorDepth.NONE else []
    assert [type(each) for each in line_filters(colours, only_ascii=False)] == expected
    assert [type(each) for each in line_filters(colours, only_ascii=True)] == [*expected, AsciiFilter]
