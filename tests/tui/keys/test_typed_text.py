"""Text that is typed or pasted, before any box gets it."""

from __future__ import annotations

import pytest

from comfytui.tui.keys.typed_text import clean_typed


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("gpu tag:cpu", "gpu tag:cpu"),
        (" ", " "),
        ("a\tb", "a b"),
        ("\x0eabc\x0f\x05", "abc"),
        ("\x9b31mred\x9d", "31mred"),
        ("a\x1b]52;c;aGk=\x07b", "a]52;c;aGk=b"),
        ("\x90q\x9cx", "qx"),
        ("abc\u202edef\u2066\u200b", "abcdef"),
        ("\n\n token \nmore", " token "),
        ("é漢", "é漢"),
        ("\ud800x", "x"),
        ("", ""),
    ],
)
def test_typed_text_is_one_line_without_controls(typed: str, shown: str) -> None:
    assert clean_typed(typed) == shown
