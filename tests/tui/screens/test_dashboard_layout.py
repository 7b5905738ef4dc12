from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfytui.tui.screens.dashboard import Layout, layout_for


@pytest.mark.parametrize(
    ("size", "layout"),
    [
        ((140, 40), Layout.WIDE),
        ((120, 40), Layout.WIDE),
        ((120, 10), Layout.WIDE),
        ((119, 40), Layout.MEDIUM),
        ((80, 24), Layout.MEDIUM),
        ((80, 18), Layout.MEDIUM),
        ((80, 17), Layout.NARROW),
        ((79, 24), Layout.NARROW),
        ((40, 10), Layout.NARROW),
        ((39, 10), Layout.TINY),
        ((40, 9), Layout.TINY),
        ((140, 9), Layout.TINY),
        ((1, 1), Layout.TINY),
        ((0, 0), Layout.TINY),
    ],
)
def test_the_arrangement_for_a_size(size: tuple[int, int], layout: Layout) -> None:
    assert layout_for(*size) is layout


@given(st.integers(0, 500), st.integers(0, 200))
def test_a_larger_terminal_never_shows_less(width: int, height: int) -> None:
    order = [Layout.TINY, Layout.NARROW, Layout.MEDIUM, Layout.WIDE]
    here = order.index(layout_for(width, height))
    assert order.index(layout_for(width + 1, height)) >= here
    assert order.index(layout_for(width, height + 1)) >= here
