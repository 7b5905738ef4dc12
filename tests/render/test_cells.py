from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from comfytui.render.cells import EMPTY, Line, Role, Span, cell_width, join, line, pad, truncate, wrap
from comfytui.text import sanitize
from tests.support.lines import plain_text

# All there is, and more often than chance would have it: wide characters, emoji, combining marks, joining letters.
TEXT = st.text(st.sampled_from("ab  渲染ｗ🎨👩é\u0301\u0308각가กำ…") | st.characters()).map(sanitize)
LINES = st.lists(st.builds(Span, TEXT, st.sampled_from(Role)), max_size=4).map(tuple)
WIDTHS = st.integers(-2, 40)


def test_a_line_of_strings_and_spans() -> None:
    assert line("a", Span("b", Role.BAD)) == (Span("a", Role.PLAIN), Span("b", Role.BAD))
    assert line() == EMPTY


@pytest.mark.parametrize(
    ("pieces", "width"), [(EMPTY, 0), (line("abc"), 3), (line("渲染", "🎨"), 6), (line("e\u0301"), 1), (line("각"), 2)]
)
def test_width_is_counted_in_cells(pieces: Line, width: int) -> None:
    assert cell_width(pieces) == width


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("", 0, ""),
        ("", 5, ""),
        ("abc", 3, "abc"),
        ("abc", 4, "abc"),
        ("abcd", 3, "ab…"),
        ("abcd", 1, "…"),
        ("abcd", 0, ""),
        ("abcd", -1, ""),
        ("ab cd", 4, "ab…"),
        ("渲染节点", 8, "渲染节点"),
        ("渲染节点", 7, "渲染节…"),
        ("渲染节点", 6, "渲染…"),
        ("🎨🎨", 2, "…"),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301…"),
    ],
)
def test_cut(text: str, width: int, shown: str) -> None:
    assert plain_text(truncate(line(text), width)) == shown


def test_cutting_keeps_roles_and_the_ellipsis_has_that_of_what_it_ends() -> None:
    pieces = line(Span("ab", Role.GOOD), Span("cdef", Role.BAD), Span("g", Role.MUTED))
    assert truncate(pieces, 5) == (Span("ab", Role.GOOD), Span("cd", Role.BAD), Span("…", Role.BAD))
    assert truncate(pieces, 3) == (Span("ab", Role.GOOD), Span("…", Role.GOOD))
    assert truncate(pieces, 7) is pieces


def test_padding() -> None:
    assert pad(line("ab"), 4) == (Span("ab"), Span("  "))
    assert pad(line("ab"), 4, right=True) == (Span("  "), Span("ab"))
    assert pad(line("abcd"), 3) == (Span("ab"), Span("…"))
    assert plain_text(pad(line("渲染节"), 4)) == "渲… "
    assert pad(EMPTY, 0) == EMPTY


def test_beside_leaves_out_what_is_empty() -> None:
    gap = Span(" | ")
    assert plain_text(join([line("a"), EMPTY, line("b", "c"), EMPTY], gap)) == "a | bc"
    assert join([], gap) == EMPTY


@pytest.mark.parametrize(
    ("text", "width", "pieces"),
    [
        ("", 5, [""]),
        ("abc", 5, ["abc"]),
        ("abcdefg", 3, ["abc", "def", "g"]),
        ("one two three", 7, ["one two", "three"]),
        ("one two three", 6, ["one", "two", "three"]),
        ("a bcdefghij", 8, ["a bcdefg", "hij"]),
        ("one     two", 4, ["one ", "two"]),
        ("渲染节点", 5, ["渲染", "节点"]),
        ("🎨🎨", 1, ["🎨", "🎨"]),
    ],
)
def test_wrap(text: str, width: int, pieces: list[str]) -> None:
    assert wrap(text, width) == pieces


@given(LINES, WIDTHS)
def test_a_cut_line_is_never_wider_and_begins_as_the_whole(pieces: Line, width: int) -> None:
    shown = truncate(pieces, width)
    assert cell_width(shown) <= max(0, width)
    text, whole = plain_text(shown), plain_text(pieces)
    assert text == whole or whole.startswith(text.removesuffix("…").rstrip())


@given(LINES, st.integers(0, 40), st.booleans())
def test_a_padded_line_has_exactly_its_width(pieces: Line, width: int, right: bool) -> None:
    shown = pad(pieces, width, right=right)
    assert cell_width(shown) == width
    assert cell_len(plain_text(shown)) == width


@given(TEXT, st.integers(2, 40))
def test_wrapped_text_fits_and_loses_nothing_but_spaces(text: str, width: int) -> None:
    pieces = wrap(text, width)
    assert all(cell_len(piece) <= width for piece in pieces)
    assert "".join(pieces).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize("char", ["x", "渲", "e\u0301\u0301\u0301\u0301", "\u0301", "ab "])
def test_text_without_end_is_cut_and_wrapped_at_once(char: str) -> None:
    text = char * 20_000
    begun = time.process_time()
    assert sum(cell_len(piece) for piece in wrap(text, 60)) >= cell_len(text) * 0.9 - 60
    for _ in range(100):
        assert cell_width(pad(line(text), 30)) == 30
    assert time.process_time() - begun < 2.0
