"""Base of the screens that show the app's snapshot between a header and a footer."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from comfytui.engine.snapshot import Snapshot
from comfytui.render.cells import EMPTY, Line
from comfytui.render.chrome import Header, footer_line, header_line, usage_text
from comfytui.render.freshness import RenderContext, SnapshotSummary, freshness_label, summarize
from comfytui.render.runners import runner_display_name
from comfytui.render.table import ORDER_FREEZE_S
from comfytui.render.times import TimeStyle, zone_name
from comfytui.render.workflows import workflow_display_name
from comfytui.tui.keys.bindings import active_keys
from comfytui.tui.keys.commands import Hint
from comfytui.tui.screen_stack import OwnScreen
from comfytui.tui.screens.messages import BreadcrumbChanged, CopyRequested
from comfytui.tui.widgets.line_widget import StatusBar
from comfytui.tui.widgets.timers import IDLE_TICK_S, TICK_S, DeferredCall, list_valid_s, shortest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from comfytui.api.models import Runner, Workflow
    from comfytui.clock import Clock
    from comfytui.ratelimit.window import Usage


_ALWAYS_SHOWN = (Hint("help", ("show_help",)), Hint("quit", ("quit",)))


@runtime_checkable
class _HasSnapshot(Protocol):
    """App that has what its screens show."""

    snapshot: Snapshot
    source: Line
    time_style: TimeStyle


class SnapshotScreen(OwnScreen[None]):
    """Screen of the app's snapshot, redrawn with each one and when time changes it.

    A subclass yields `self.header` and `self.footer` in `compose`, and implements `render_snapshot` and `breadcrumb`.
    Drawing unchanged content writes nothing, so drawing often is cheap.
    """

    # Panes cover the whole screen, so its own lines need no styles.
    BLANK: ClassVar[bool] = True
    HINTS: ClassVar[Sequence[Hint]] = ()

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.snapshot: Snapshot | None = None
        self.header = StatusBar(id="header")
        self.footer = StatusBar(id="footer")
        self._style = TimeStyle.RELATIVE
        self._source: Line = EMPTY
        self._keys: dict[str, str] = {}
        self._trail: tuple[str, ...] = ()
        self._overview = summarize(Snapshot())
        self._budget: tuple[tuple[object, float], str] | None = None
        self._said: tuple[object, ...] = ()
        self._fitted_on = -math.inf
        self._alarm = DeferredCall(self, self.refresh_view)

    def render_snapshot(self, snapshot: Snapshot, now: RenderContext) -> None:
        """Show a snapshot at a moment."""
        raise NotImplementedError

    def valid_for_s(self, _snapshot: Snapshot, _now: RenderContext) -> Iterable[float]:
        """Return seconds for which parts of the content stay true while only time passes, except the header."""
        return ()

    def breadcrumb(self) -> tuple[str, ...]:
        """Return the breadcrumb of the screen, for the header."""
        raise NotImplementedError

    def export_items(self) -> tuple[str, list[dict[str, object]]]:
        """Return the kind of the items in view and the items as data without secrets."""
        raise NotImplementedError

    def copy_endpoint(self, runner: Runner | None) -> None:
        """Copy the address of a runner, if it is known, without the secrets in it."""
        if runner is not None and runner.endpoint:
            self.post_message(CopyRequested(runner.endpoint, f"the endpoint of {runner_display_name(runner)}"))

    def copy_workflow(self, workflow: Workflow | None) -> None:
        """Copy all that is known of a workflow, if there is one."""
        from comfytui.render.export import workflow_json

        if workflow is not None:
            self.post_message(CopyRequested(workflow_json(workflow), workflow_display_name(workflow)))

    @property
    def lines(self) -> list[str]:
        """Return the lines on the screen."""
        return [strip.text.rstrip() for strip in self._compositor.render_strips()]

    def render_context(self, snapshot: Snapshot) -> RenderContext:
        """Return the render context of the present moment, with ages by the server's clock."""
        wall = self.clock.now() + timedelta(seconds=snapshot.clock_skew)
        return RenderContext(
            wall, self.clock.monotonic(), self._style, self.summary(snapshot).interval_s, keys=self._keys
        )

    def summary(self, snapshot: Snapshot) -> SnapshotSummary:
        """Return the summary of a snapshot, cached while it is the same."""
        if self._overview.snapshot is not snapshot:
            self._overview = summarize(snapshot)
        return self._overview

    def on_mount(self) -> None:
        """Show the app's snapshot."""
        # Later changes come from the app, for Textual never releases a watcher of the app, nor its screen.
        if isinstance(self.app, _HasSnapshot):
            self.show_snapshot(self.app.snapshot, self.app.source, self.app.time_style)
        self.bindings_updated_signal.subscribe(self, lambda _screen: self.show_hints())

    def on_unmount(self) -> None:
        """Stop drawing."""
        self._alarm.stop()

    def on_screen_resume(self) -> None:
        """Show changes from while another screen was in front."""
        self._trail = self._said = ()
        self._fit()

    def on_resize(self) -> None:
        """Fit what is shown to the new size."""
        self.call_after_refresh(self._fit)

    def show_snapshot(self, snapshot: Snapshot, source: Line, style: TimeStyle) -> None:
        """Show the app's present state."""
        self.snapshot, self._source, self._style = snapshot, source, style
        self.refresh_view()

    def refresh_view(self) -> None:
        """Draw the present snapshot for the present moment."""
        if self.snapshot is None or not self.is_current:
            return
        now = self.render_context(self.snapshot)
        self.render_snapshot(self.snapshot, now)
        self._show_header(self.snapshot, now)
        # After a layout the content is fitted again soon, for some widgets learn their size late.
        age = now.monotonic - self._fitted_on
        settling = TICK_S if age < TICK_S else ORDER_FREEZE_S - age if age < ORDER_FREEZE_S else IDLE_TICK_S
        lasting = self.valid_for_s(self.snapshot, now)
        self._alarm.schedule(shortest((settling, list_valid_s(self.summary(self.snapshot), now), *lasting)))

    def show_hints(self) -> None:
        """Show in the footer the keys that work here."""
        if not self.is_current:
            return
        keys = {command: found[0] for command, found in active_keys(self).items() if found}
        shown, kept = _hints(self.HINTS, keys), _hints(_ALWAYS_SHOWN, keys)
        self.footer.set_text(footer_line(shown, kept, self.size.width - 2))
        # While text is typed few commands work, but texts elsewhere still name the keys of the others.
        if {**self._keys, **keys} != self._keys:
            self._keys = {**self._keys, **keys}
            self.refresh_view()

    def _fit(self) -> None:
        self._fitted_on = self.clock.monotonic()
        self.refresh_view()
        self.show_hints()

    def _show_header(self, snapshot: Snapshot, now: RenderContext) -> None:
        seen = self.summary(snapshot)
        header = Header(
            source=self._source,
            state=freshness_label(seen, now),
            usage=self._usage_text(snapshot.usage, now),
            total=seen.total,
            status=snapshot.viewport.page.status,
            interval_s=seen.interval_s,
            breadcrumb=self.breadcrumb(),
            zone=zone_name(now.style, now.now),
        )
        if (said := (header, self.header.outer_size)) == self._said:
            return
        self._said = said
        self.header.set_text(header_line(header, self.size.width - 2))
        if header.breadcrumb != self._trail:
            self._trail = header.breadcrumb
            self.post_message(BreadcrumbChanged(self._trail))

    def _usage_text(self, usage: Usage, now: RenderContext) -> str:
        """Return the text of the rate limit's usage, updated every few seconds if only time passes."""
        told = (usage, now.monotonic // IDLE_TICK_S)
        if self._budget is None or self._budget[0] != told:
            self._budget = (told, usage_text(usage, now.monotonic))
        return self._budget[1]


def _hints(hints: Sequence[Hint], keys: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return keys and label of each hint with a bound command."""
    found = (("/".join(keys[each] for each in hint.commands if each in keys), hint.word) for hint in hints)
    return [(shown, word) for shown, word in found if shown]
