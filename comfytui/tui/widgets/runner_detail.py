"""Everything known of the runner under the cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfytui.tui.present.cells import Role, Span
from comfytui.tui.present.problems import lateness, notice
from comfytui.tui.present.runners import runner_fields, runner_name
from comfytui.tui.present.stats import health_fields, health_of, machine_fields
from comfytui.tui.present.units import period_of
from comfytui.tui.widgets.field_panel import FieldPanel

if TYPE_CHECKING:
    from comfytui.api.models import Runner
    from comfytui.engine.checkup import Checkup
    from comfytui.engine.feed import Feed
    from comfytui.tui.present.cells import Line
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
        said, late = notice(feed, at, self.body_width) if feed.problem else (), lateness(feed, at)
        if runner is None or runner.id != self._shown_id:
            self.revealed = False
        told = (runner, said, late, health_of(checkup, at), self.revealed, at.style, self.outer_size, self.framed)
        if self.is_news(at.wall, *told):
            self._show(runner, checkup, at, said, late)

    def _show(self, runner: Runner | None, checkup: Feed[Checkup], at: Now, said: tuple[Line, ...], late: Line) -> None:
        self.label((Span(runner_name(runner) if runner else "Runner", Role.STRONG),), late)
        shown_id = runner.id if runner else None
        anew, self._shown_id = shown_id != self._shown_id, shown_id
        health, machine = health_fields(checkup, at, self.body_width), machine_fields(checkup)
        known = runner_fields(runner, at.style, at.wall, health, machine, reveal=self.revealed) if runner else ()
        self.reads_so(period_of((runner.created_at, runner.updated_at) if runner else (), at.style, at.wall))
        self.show(known, said, anew=anew)
