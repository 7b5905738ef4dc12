from __future__ import annotations

from typing import TYPE_CHECKING

from comfytui.cli.diagnostics import say

if TYPE_CHECKING:
    import pytest


def test_it_speaks_on_standard_error_alone(capfd: pytest.CaptureFixture[str]) -> None:
    say("One sentence.")
    assert capfd.readouterr() == ("", "comfytui: One sentence.\n")


def test_it_is_silent_where_there_is_no_standard_error(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", None)
    say("Nobody hears this.")
    assert capfd.readouterr() == ("", "")
