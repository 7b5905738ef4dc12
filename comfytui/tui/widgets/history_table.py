"""Table of the newest workflows of a runner."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from comfytui.api.histories import CutHistory
from comfytui.query.columns import WORKFLOW_COLUMNS
from comfytui.query.sorting import sort_workflows
from comfytui.query.workflows import IN_PROGRESS
from comfytui.render.cells import EMPTY, Line, Role, Span, join
from comfytui.render.chrome import CUT_TEXT, lost_selection_notice, sort_text
from comfytui.render.freshness import late_notice, problem_notice
from comfytui.render.table import GAP
from comfytui.render.times import Period
from comfytui.render.workflows import (
    status_tally,
    workflow_display_name,
    workflow_period,
    workflow_row,
)
from comfytui.tui.widgets.keyed_table import KeyedTable, RowCache
from comfytui.tui.widgets.timers import IDLE_TICK_S, TICK_S

if TYPE_CHECKING:
    from datetime import datetime

    from comfytui.api.models import Workflow
    from comfytui.engine.feed import Feed
    from comfytui.engine.snapshot import HealthCheck
    from comfytui.query.sorting import Sort
    from comfytui.render.freshness import RenderContext
    from comfytui.render.table import Row


_CUT: Line = (Span(CUT_TEXT, Role.BAD),)


class HistoryTable(KeyedTable):
    """History of a runner; a running workflow under the cursor counts seconds.

    Attributes:
        runner_id: Id of the runner.
        sort: Order of the workflows, or None for the API's, newest created first.
    """

    CURSOR_STAYS: ClassVar[bool] = False

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(WORKFLOW_COLUMNS, id=id)
        self.runner_id: str | None = None
        self.sort: Sort | None = None
        self._sorted_by: Sort | None = None
        self._known: tuple[Workflow, ...] = ()
        self._missed: tuple[str, float] | None = None
        self._said: Line = EMPTY
        self._making = RowCache()
        self._counted_until: datetime | None = None

    def show_history(
        self, runner_id: str | None, feed: Feed[tuple[Workflow, ...]], health: HealthCheck | None, at: RenderContext
    ) -> None:
        """Show the history and health of a runner; another runner's starts at its first row."""
        pointed = self.cursor_id if self.has_focus and runner_id == self.runner_id else None
        said = problem_notice(feed, at, self.body_width, health) if feed.problem else ()
        late, self._said = late_notice(feed, at), self._removed_notice(runner_id, feed.value, at)
        place = (self.outer_size, self.framed)
        is_cut = isinstance(feed.value, CutHistory)
        told = (runner_id, feed.value, is_cut, pointed, said, late, self._said, at.style, self.sort, at.keys, place)
        if self.inputs_changed(at.now, *told):
            self._show(runner_id, feed.value, at, said, join((self._said, late, _CUT if is_cut else EMPTY), GAP))
        self.tick(at)

    def valid_for_s(self, at: RenderContext) -> float:
        """Return seconds for which time alone changes nothing in the table but ages."""
        lasts = TICK_S if self._said else super().valid_for_s(at)
        if self._counted_until is not None:
            lasts = min(lasts, (self._counted_until - at.now).total_seconds())
        return lasts

    @property
    def workflows(self) -> tuple[Workflow, ...]:
        """Workflows in the order of the rows."""
        by_id = {workflow.id: workflow for workflow in self._known}
        return tuple(by_id[row.id] for row in self.rows if row.id in by_id)

    @property
    def highlighted(self) -> Workflow | None:
        """Workflow under the cursor, or None."""
        return next((each for each in self._known if each.id == self.cursor_id), None)

    def _show(
        self,
        runner_id: str | None,
        known: tuple[Workflow, ...] | None,
        at: RenderContext,
        said: tuple[Line, ...],
        foot: Line,
    ) -> None:
        pointed = self.cursor_id if self.has_focus and runner_id == self.runner_id else None
        workflows = known or ()
        if self.sort is not None:
            workflows = tuple(sort_workflows(workflows, self.sort, at.now))
        anew, self._sorted_by = (runner_id, self.sort) != (self.runner_id, self._sorted_by), self.sort
        rows = self._build_rows(workflows, pointed, at)
        title = (Span("Recent workflows", Role.STRONG), *_tally(workflows))
        self.set_title(join((title, sort_text(self.sort) if self.sorts_by_hidden else ()), GAP), foot)
        self.set_rows(rows, said or _empty_text(runner_id, known, at), at, reset=anew)
        if runner_id != self.runner_id:
            self.runner_id = runner_id
            self.select(None)

    def _build_rows(self, workflows: tuple[Workflow, ...], pointed: str | None, at: RenderContext) -> list[Row]:
        by_id = {workflow.id: workflow for workflow in workflows}

        def make(workflow_id: str) -> tuple[Row, Period]:
            workflow, exact, style, now = by_id[workflow_id], workflow_id == pointed, at.style, at.now
            row = workflow_row(workflow, style, now, exact=exact)
            return row, workflow_period(workflow, style, now, exact=exact)

        told = {row_id: (workflow, row_id == pointed, at.style) for row_id, workflow in by_id.items()}
        rows, period = self._making.get_rows(told, at.now, make), self._making.period
        under_way = [each.id for each in workflows if each.status in IN_PROGRESS]
        self._counted_until = period.until if period is not None and pointed in under_way else None
        if period is not None and under_way and self.sort is not None:
            # A running workflow may take longer than one that has ended by now.
            period = Period(period.since, min(period.until, at.now + timedelta(seconds=IDLE_TICK_S)))
        self.set_valid_period(period)
        return rows

    def _removed_notice(self, runner_id: str | None, known: tuple[Workflow, ...] | None, at: RenderContext) -> Line:
        """Return a notice if the workflow under the cursor left the history lately."""
        before, self._known = self._known, known or ()
        if runner_id != self.runner_id:
            self._missed = None
        elif known and self.has_focus and all(each.id != self.cursor_id for each in known):
            pointed = next((each for each in before if each.id == self.cursor_id), None)
            self._missed = (workflow_display_name(pointed), at.monotonic) if pointed else self._missed
        return lost_selection_notice(self._missed, at.monotonic, "among the newest")


def _tally(workflows: tuple[Workflow, ...]) -> Line:
    return (Span("  "), *status_tally(workflows)) if workflows else ()


def _empty_text(runner_id: str | None, workflows: tuple[Workflow, ...] | None, at: RenderContext) -> tuple[Line, ...]:
    if runner_id is None or workflows:
        return ()
    if workflows is None:
        return ((Span("Asking for its history …", Role.MUTED),),)
    return ((Span("No workflows on this runner yet."),), (at.key("refresh_now"), Span(" asks again.", Role.MUTED)))
