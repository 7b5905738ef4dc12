"""The dashboard's command, around the dashboard."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

from comfytui.cli.commands import dashboard
from comfytui.cli.parser import build_parser

if TYPE_CHECKING:
    import pytest


class Watched:
    """An app that notes how soon another thread has its turn while it runs."""

    services = SimpleNamespace(mouse=True)
    session = SimpleNamespace(after_startup=lambda _call: None)
    turn = 0.0

    @property
    def shutdown(self) -> Watched:
        return self

    def run(self, *_: object, **__: object) -> int:
        self.turn = sys.getswitchinterval()
        return 0


def test_terminal_writer_gets_short_thread_switches(monkeypatch: pytest.MonkeyPatch) -> None:
    app, usual = Watched(), sys.getswitchinterval()
    monkeypatch.setattr(dashboard, "_is_terminal", lambda: True)
    monkeypatch.setattr(dashboard, "_dashboard", lambda *_: app)
    try:
        assert dashboard.run(build_parser().parse_args(["--demo", "--fresh"])) == 0
    finally:
        sys.setswitchinterval(usual)
    assert app.turn < 0.001
