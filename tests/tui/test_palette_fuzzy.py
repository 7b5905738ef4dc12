from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfytui.tui.palette import fuzzy_match


def best(typed: str, *texts: str) -> list[str]:
    found = [(found.score, text) for text in texts if (found := fuzzy_match(typed, text)) is not None]
    return [text for _, text in sorted(found, key=lambda pair: -pair[0])]


@pytest.mark.parametrize(
    ("typed", "text", "places"),
    [
        ("gpu", "my GPU box", (3, 4, 5)),
        ("pr", "spare prod", (6, 7)),
        ("gp7", "gpu-07", (0, 1, 5)),
        ("aab", "a-a-aab", (4, 5, 6)),
        ("np", "Next page", (0, 5)),
        ("next pg", "Next page", (0, 1, 2, 3, 5, 7)),
        (" x ", "abxy", (2,)),
        ("ß", "STRAßE", (4,)),
        ("xx", "İxx", (1, 2)),
    ],
)
def test_match_tells_indices(typed: str, text: str, places: tuple[int, ...]) -> None:
    found = fuzzy_match(typed, text)
    assert found is not None
    assert found.indices == places


@pytest.mark.parametrize(("typed", "text"), [("ab", "ba"), ("x", ""), ("", "abc"), ("  ", "a b"), ("aa", "a")])
def test_mismatch_is_none(typed: str, text: str) -> None:
    assert fuzzy_match(typed, text) is None


def test_match_order_is_substring_word_start_then_length() -> None:
    assert best("gpu", "g-p-u", "mygpu", "a gpu in a long name", "gpu") == [
        "gpu",
        "a gpu in a long name",
        "mygpu",
        "g-p-u",
    ]


@given(st.text(max_size=6), st.text(max_size=40))
def test_matched_letters_are_in_order(typed: str, text: str) -> None:
    found = fuzzy_match(typed, text)
    if found is not None:
        assert 0 < found.score <= 2
        assert list(found.indices) == sorted(set(found.indices))
        assert 0 <= found.indices[0] <= found.indices[-1] < len(text)


@given(st.text("abc ", min_size=1, max_size=20).filter(str.strip), st.data())
def test_any_letters_of_a_text_in_their_order_are_found(text: str, data: st.DataObject) -> None:
    kept = data.draw(st.lists(st.booleans(), min_size=len(text), max_size=len(text)))
    typed = "".join(letter for letter, keep in zip(text, kept, strict=True) if keep)
    assert not typed.strip() or fuzzy_match(typed, text) is not None


def test_a_hostile_name_takes_no_time() -> None:
    assert fuzzy_match("a" * 30 + "b", "a" * 1_000_000) is None
