from __future__ import annotations

import pytest

from comfytui.query.collation import fold_case, natural_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("GPU-7", "gpu-7"),
        ("e\u0301clair", "\u00c9CLAIR"),
        ("\u0130stanbul", "istanbul"),
        ("\u0130STANBUL", "I\u0307stanbul"),
        ("Stra\u00dfe", "STRASSE"),
        ("\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2", "\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c3"),
        ("\u212bngstr\u00f6m", "a\u030angstro\u0308m"),
    ],
)
def test_fold_equal_texts(one: str, other: str) -> None:
    assert fold_case(one) == fold_case(other)


@pytest.mark.parametrize(("one", "other"), [("gpu", "gpv"), ("e", "\u00e9"), ("i", "\u0131")])
def test_fold_different_texts(one: str, other: str) -> None:
    assert fold_case(one) != fold_case(other)


def test_natural_key_sorts_numbers_by_value() -> None:
    names = ["9", "10", "a", "a 1", "GPU-1", "gpu-2", "gpu-2a", "gpu-02b", "gpu-10", "gpu-10-2", "gpu-10-11", "gpu-x"]
    assert sorted([*names[5:], *names[:5]], key=natural_key) == names


def test_natural_key_of_a_long_number_stays_comparable() -> None:
    assert natural_key("x" + "9" * 5000) > natural_key("x" + "8" * 5000) > natural_key("x99")
