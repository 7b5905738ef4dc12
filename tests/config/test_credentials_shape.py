from __future__ import annotations

import pytest

from comfytui.config.credentials import PREFIX, can_be_sent


@pytest.mark.parametrize("text", [f"{PREFIX}0Az", "!", "~"])
def test_what_a_header_takes(text: str) -> None:
    assert can_be_sent(text)


@pytest.mark.parametrize("text", ["", "a b", "a\n", "\ta", "ä", "a\x7f", "a\0"])
def test_what_none_takes(text: str) -> None:
    assert not can_be_sent(text)
