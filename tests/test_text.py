from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfytui.text import sanitize, sanitize_json

NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def is_harmless(char: str) -> bool:
    """Printable, or a character of a newer Unicode or of private use, which terminals draw as one they lack."""
    return char.isprintable() or unicodedata.category(char) in ("Cn", "Co")


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("Production GPU Runner", "Production GPU Runner"),
        ("Grüße, 渲染 🎨", "Grüße, 渲染 🎨"),
        ("", ""),
        ("\x1b[31mred\x1b]0;title\x07", "␛[31mred␛]0;title␇"),
        ("a\nb\tc\rd\x00", "a␊b␉c␍d␀"),
        ("\x7f", "␡"),
        ("\x9b31m\x85", "\ufffd31m\ufffd"),
        ("\ud800x", "\ufffdx"),
        ("a\u2028b\u2029c\u00a0d\u3000e", "a b c d e"),
        ("user\u202egnp.exe\u2066\u2069\u200e", "usergnp.exe"),
        ("zero\u200b\u200c\u200d\ufeff\u2060width", "zerowidth"),
        ("heart\u2764\ufe0f", "heart\u2764"),
        ("tag\U000e0041\U000e007f", "tag"),
        ("filler\u3164\u115f\uffa0\u2800", "filler"),
        ("soft\u00adhyphen", "softhyphen"),
        ("private \ue0b0", "private \ue0b0"),
    ],
)
def test_clean(sent: str, shown: str) -> None:
    assert sanitize(sent) == shown


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("text", "text"),
        (None, "null"),
        (True, "true"),
        (7, "7"),
        (0.5, "0.5"),
        (["a", "ü"], '["a", "ü"]'),
        ({"a\x1b": None}, '{"a\\u001b": null}'),
        ({"a\x9b": "\u202e"}, '{"a\ufffd": ""}'),
    ],
)
def test_as_shown(sent: object, shown: str) -> None:
    assert sanitize_json(sent) == shown


def test_endless_nesting_is_an_ellipsis() -> None:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    assert sanitize_json(value) == "…"


@given(st.text())
def test_clean_text_is_harmless_and_stays_as_it_is(text: str) -> None:
    cleaned = sanitize(text)
    assert all(is_harmless(char) for char in cleaned)
    assert sanitize(cleaned) == cleaned


@given(st.text(st.characters(categories=("Cc", "Cf", "Cs", "Zl", "Zp"))))
def test_no_control_and_no_direction_survives(text: str) -> None:
    assert not {unicodedata.category(char) for char in sanitize(text)} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(NESTED)
def test_any_json_value_can_be_shown(value: object) -> None:
    assert all(is_harmless(char) for char in sanitize_json(value))
