from __future__ import annotations

import pytest

from comfytui.config.credentials import TOKEN_PREFIX, is_header_safe


@pytest.mark.parametrize("text", [f"{TOKEN_PREFIX}0Az", "!", "~"])
def test_header_safe_tokens(text: str) -> None:
    assert is_header_safe(text)


@pytest.mark.parametrize("text", ["", "a b", "a\n", "\ta", "ä", "a\x7f", "a\0"])
def test_header_unsafe_tokens(text: str) -> None:
    assert not is_header_safe(text)
