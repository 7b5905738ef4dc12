"""The dashboard draws without the screen diff if Textual's internals are not those that it knows."""

from __future__ import annotations

import sys

import pytest
from textual import _compositor

from comfytui.tui.terminal.screen_diff import DiffUpdate, ScreenBuffer
from comfytui.tui.terminal.screen_updates import UnchangedUpdates, build_screen_updates
from tests.tui.terminal.test_screen_diff import screenful


def test_screen_diff_is_used_with_a_known_compositor() -> None:
    assert isinstance(build_screen_updates(), ScreenBuffer)


@pytest.mark.parametrize("name", ["ChopsUpdate", "CompositorUpdate", "LayoutUpdate"])
def test_updates_pass_unchanged_without_a_private_name_of_textual(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(_compositor, name)
    monkeypatch.delitem(sys.modules, "comfytui.tui.terminal.screen_diff")
    updates = build_screen_updates()
    assert isinstance(updates, UnchangedUpdates)
    updates.invalidate()
    assert updates.minimize("text") == "text"


@pytest.mark.parametrize("name", ["strips", "region"])
def test_update_without_a_known_attribute_passes_unchanged(name: str) -> None:
    buffer, update = ScreenBuffer(), screenful([[], []])
    assert isinstance(buffer.minimize(update), DiffUpdate)
    delattr(update, name)
    assert buffer.minimize(update) is update
