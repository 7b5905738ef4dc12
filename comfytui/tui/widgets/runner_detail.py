"""Everything known of the runner under the cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfytui.tui.present.cells import Role, Span
from comfytui.tui.present.problems import lateness, notice
from comfytui.tui.present.runners import runner_fields, runner_name
from comfytui.tui.present.stats import health_fields, machine_fields
from comfytui.tui.widgets.field_panel import FieldPanel

if TYPE_CHECKING:
    from comfytui.api.models import Runner
    from comfytui.engine.checkup import Checkup
    from comfytui.engine.feed import Feed
    from comfytui.tui.present.now import Now

__all__ = ["RunnerDetail"]


class RunnerDetail(FieldPanel):
    """The detail panel.

    Attributes:
        revealed: Whether header values are shown; only ever for the runner they were revealed for.
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.revealed = False
        self._shown_id: str | None = None

    def show_runner(self, runner: Runner | None, feed: Feed[Runner], checkup: Feed[Checkup], at: Now) -> None:
        """Show a runner, as the list or as Get Runner told of it, what is wrong with its feed, and how it is."""
        said, late = notice(feed, at, self.body_width), lateness(feed, at)
        if runner is None or runner.id != self._shown_id:
            self.revealed = False
        health, machine = health_fields(checkup, at, self.body_width), machine_fields(checkup)
        if not self.is_news(runner, said, late, health, machine, self.revealed, at.style, at.age_step):
            return
        self.label((Span(runner_name(runner) if runner else "Runner", Role.STRONG),), late)
        shown_id = runner.id if runner else None
        anew, self._shown_id = shown_id != self._shown_id, shown_id
        known = runner_fields(runner, at.style, at.wall, health, machine, reveal=self.revealed) if runner else ()
        self.show(known, said, anew=anew)
