"""Screen of one workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from comfytui.query.workflows import IN_PROGRESS
from comfytui.render.cells import EMPTY, Line, Role, Span
from comfytui.render.freshness import problem_notice
from comfytui.render.runners import runner_display_name
from comfytui.render.workflows import timeline, workflow_display_name, workflow_fields
from comfytui.tui.keys.bindings import bindings_for
from comfytui.tui.keys.commands import WORKFLOW_HINTS, Scope
from comfytui.tui.screens.base import SnapshotScreen
from comfytui.tui.screens.messages import CopyRequested, SaveRequested
from comfytui.tui.widgets.field_panel import FieldPanel
from comfytui.tui.widgets.timers import IDLE_TICK_S, TICK_S, feed_valid_s

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from comfytui.api.models import Workflow
    from comfytui.clock import Clock
    from comfytui.engine.snapshot import Snapshot
    from comfytui.render.freshness import RenderContext


class WorkflowScreen(SnapshotScreen):
    """Screen of all fields of a workflow and its timeline, as last known."""

    CSS_PATH = "workflow.tcss"
    AUTO_FOCUS = "#workflow"
    HINTS = WORKFLOW_HINTS
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.WORKFLOW, Scope.ITEM)]

    def __init__(self, clock: Clock, runner_id: str, workflow_id: str) -> None:
        super().__init__(clock)
        self.panel = FieldPanel(id="workflow")
        self._runner_id = runner_id
        self._workflow_id = workflow_id
        self._workflow: Workflow | None = None
        self._runner_name = runner_id

    def compose(self) -> ComposeResult:
        """Compose header, workflow and footer."""
        yield self.header
        yield self.panel
        yield self.footer

    def render_snapshot(self, snapshot: Snapshot, now: RenderContext) -> None:
        """Show the workflow as in the newest history."""
        feed = snapshot.history(self._runner_id)
        found = next((each for each in feed.value or () if each.id == self._workflow_id), None)
        self._workflow = found or self._workflow
        if (runner := snapshot.find_runner(self._runner_id)) is not None:
            self._runner_name = runner_display_name(runner)
        if self._workflow is None:
            return
        gone = found is None and feed.value is not None
        width = self.panel.body_width
        said = problem_notice(feed, now, width, snapshot.health(self._runner_id).value)
        head: list[Line] = [*said, *(_REMOVED_NOTICE if gone else ())]
        bar = timeline(self._workflow, now.now, width)
        self.panel.set_title((Span(workflow_display_name(self._workflow), Role.STRONG),))
        self.panel.set_fields(
            workflow_fields(self._workflow, now.style, now.now), (*head, *bar, *([EMPTY] if bar else []))
        )

    def valid_for_s(self, snapshot: Snapshot, now: RenderContext) -> tuple[float, ...]:
        """Return one second while the workflow is in progress, else what its history's feed allows."""
        counted = self._workflow is not None and self._workflow.status in IN_PROGRESS
        feed = snapshot.history(self._runner_id)
        return (TICK_S if counted else IDLE_TICK_S, feed_valid_s(feed, now.monotonic, now.interval_s))

    def breadcrumb(self) -> tuple[str, ...]:
        """Return the list, the runner and the workflow."""
        name = workflow_display_name(self._workflow) if self._workflow else self._workflow_id
        return ("runners", self._runner_name, name)

    def export_items(self) -> tuple[str, list[dict[str, object]]]:
        """Return the workflow."""
        from comfytui.render.export import workflow_to_dict

        return "workflow", [workflow_to_dict(self._workflow)] if self._workflow else []

    def action_copy_id(self) -> None:
        """Copy the workflow's id."""
        self.post_message(CopyRequested(self._workflow_id, f"the id of {self.breadcrumb()[-1]}"))

    def action_copy_json(self) -> None:
        """Copy the workflow as JSON."""
        self.copy_workflow(self._workflow)

    def action_copy_endpoint(self) -> None:
        """Copy the address of its runner, without the secrets in it."""
        self.copy_endpoint(self.snapshot.find_runner(self._runner_id) if self.snapshot else None)

    def action_save_view(self) -> None:
        """Save the view to a file."""
        self.post_message(SaveRequested(self))

    def action_close_workflow(self) -> None:
        """Close the screen."""
        self.dismiss()


_REMOVED_NOTICE: tuple[Line, ...] = (
    (Span("No longer among this runner's newest workflows; as last seen.", Role.WAITING),),
)
