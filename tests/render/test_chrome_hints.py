from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfytui.render.cells import Role, cell_width
from comfytui.render.chrome import footer_line
from tests.support.lines import plain_text

HINTS = [("⏎", "in"), ("n/p", "page"), ("r", "refresh")]
KEPT = [("?", "help"), ("q", "quit")]


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (80, "⏎ in  n/p page  r refresh  ? help  q quit"),
        (41, "⏎ in  n/p page  r refresh  ? help  q quit"),
        (40, "⏎ in  n/p page  ? help  q quit"),
        (29, "⏎ in  ? help  q quit"),
        (19, "? help  q quit"),
        (0, "? help  q quit"),
    ],
)
def test_later_hints_go_first_and_kept_ones_never(width: int, shown: str) -> None:
    assert plain_text(footer_line(HINTS, KEPT, width)) == shown


def test_keys_stand_out_from_words() -> None:
    assert [role for _, role in footer_line([("r", "refresh")], [], 80)] == [Role.ACCENT, Role.MUTED]


@given(st.integers(14, 80), st.lists(st.tuples(st.text("abc", min_size=1), st.text("abc")), max_size=6))
def test_hints_never_take_more_than_the_width(width: int, hints: list[tuple[str, str]]) -> None:
    shown = footer_line(hints, KEPT, width)
    assert cell_width(shown) <= width
    assert plain_text(shown).endswith("? help  q quit")
