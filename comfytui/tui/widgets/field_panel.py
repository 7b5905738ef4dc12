"""Pane of labelled values."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from comfytui.render.cells import Role, Span
from comfytui.render.freshness import late_notice, problem_notice
from comfytui.render.panels import Field, layout_fields
from comfytui.render.runners import health_fields, health_key, machine_fields, runner_display_name, runner_fields
from comfytui.render.times import period_of
from comfytui.tui.keys.bindings import bindings_for
from comfytui.tui.keys.commands import Scope
from comfytui.tui.widgets.pane import Pane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.binding import BindingType
    from textual.strip import Strip

    from comfytui.api.models import Runner
    from comfytui.engine.feed import Feed
    from comfytui.engine.snapshot import HealthCheck
    from comfytui.render.cells import Line
    from comfytui.render.freshness import RenderContext


class FieldPanel(Pane):
    """Scrolling pane of labels and whole values."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.PANEL)]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._head: tuple[Line, ...] = ()
        self._fields: tuple[Field, ...] = ()

    def set_fields(self, fields: Sequence[Field], head: Sequence[Line] = (), *, reset: bool = False) -> None:
        """Show fields below head lines; `reset` scrolls to the top, for another item."""
        self._fields, self._head = tuple(fields), tuple(head)
        if reset:
            self.top = 0
        self.top = max(0, min(self.top, self.line_count() - self.body_height))
        self.repaint()

    def line_count(self) -> int:
        """Number of lines at the present width."""
        return len(self._lines(self.body_width))

    def content(self, width: int, height: int) -> Sequence[Strip]:
        """Return the lines in view."""
        return self._lines(width)[self.top : self.top + height]

    def action_scroll_up(self, times: int = 1) -> None:
        """Scroll up by `times` lines."""
        self.scroll_by(-times)

    def action_scroll_down(self, times: int = 1) -> None:
        """Scroll down by `times` lines."""
        self.scroll_by(times)

    def action_scroll_page_up(self, times: int = 1) -> None:
        """Scroll up by `times` pages."""
        self.scroll_by(-times * self.body_height)

    def action_scroll_page_down(self, times: int = 1) -> None:
        """Scroll down by `times` pages."""
        self.scroll_by(times * self.body_height)

    def action_scroll_top(self) -> None:
        """Scroll to the top."""
        self.scroll_by(-self.line_count())

    def action_scroll_end(self) -> None:
        """Scroll to the end."""
        self.scroll_by(self.line_count())

    def _lines(self, width: int) -> list[Strip]:
        """Return all lines, cached while nothing differs."""
        return self.cached("lines", (width, self._head, self._fields), lambda: self._layout(width))

    def _layout(self, width: int) -> list[Strip]:
        return [self.strip(pieces, width) for pieces in (*self._head, *layout_fields(self._fields, width))]


class RunnerDetail(FieldPanel):
    """Detail panel of a runner.

    Attributes:
        revealed: True if header values are shown, only for the runner they were revealed for.
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.revealed = False
        self._shown_id: str | None = None

    def show_runner(
        self, runner: Runner | None, feed: Feed[Runner], health: Feed[HealthCheck], at: RenderContext
    ) -> None:
        """Show a runner, the problem of its feed, and its health."""
        said, late = problem_notice(feed, at, self.body_width) if feed.problem else (), late_notice(feed, at)
        if runner is None or runner.id != self._shown_id:
            self.revealed = False
        told = (runner, said, late, health_key(health, at), self.revealed, at.style, self.outer_size, self.framed)
        if self.inputs_changed(at.now, *told):
            self._show(runner, health, at, said, late)

    def _show(
        self, runner: Runner | None, health: Feed[HealthCheck], at: RenderContext, said: tuple[Line, ...], late: Line
    ) -> None:
        self.set_title((Span(runner_display_name(runner) if runner else "Runner", Role.STRONG),), late)
        shown_id = runner.id if runner else None
        anew, self._shown_id = shown_id != self._shown_id, shown_id
        reach, machine = health_fields(health, at, self.body_width), machine_fields(health)
        known = runner_fields(runner, at.style, at.now, reach, machine, reveal=self.revealed) if runner else ()
        self.set_valid_period(period_of((runner.created_at, runner.updated_at) if runner else (), at.style, at.now))
        self.set_fields(known, said, reset=anew)
