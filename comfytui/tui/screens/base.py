"""What every screen has: the header above, the footer below, and the app's state to follow."""

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
from comfytui.tui.screens.messages import Arrived, Copied
from comfytui.tui.widgets.line_widget import StatusLine
from comfytui.tui.widgets.timers import CALM, TICK, Alarm, list_lasts, soonest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from comfytui.api.models import Runner, Workflow
    from comfytui.clock import Clock
    from comfytui.ratelimit.window import Usage


_KEPT = (Hint("help", ("show_help",)), Hint("quit", ("quit",)))


@runtime_checkable
class _Followed(Protocol):
    """App that has what its screens show."""

    snapshot: Snapshot
    source: Line
    time_style: TimeStyle


class FollowingScreen(OwnScreen[None]):
    """A screen that shows the app's snapshot, drawn anew with each one, each change of style, and when time changes it.

    A subclass yields `self.header` and `self.footer` where it composes, and implements `follow` and `trail`.
    Drawing twice what has not changed writes nothing, so following often is cheap.
    """

    # Panes lie on all of it: there is nothing to look up for each line that they hide.
    BLANK: ClassVar[bool] = True
    HINTS: ClassVar[Sequence[Hint]] = ()

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.snapshot: Snapshot | None = None
        self.header = StatusLine(id="header")
        self.footer = StatusLine(id="footer")
        self._style = TimeStyle.RELATIVE
        self._source: Line = EMPTY
        self._keys: dict[str, str] = {}
        self._trail: tuple[str, ...] = ()
        self._overview = summarize(Snapshot())
        self._budget: tuple[tuple[object, float], str] | None = None
        self._said: tuple[object, ...] = ()
        self._fitted_on = -math.inf
        self._alarm = Alarm(self, self.follow_again)

    def follow(self, snapshot: Snapshot, now: RenderContext) -> None:
        """Show this snapshot at this moment."""
        raise NotImplementedError

    def lasts(self, _snapshot: Snapshot, _now: RenderContext) -> Iterable[float]:
        """Seconds for which parts of what is shown stay true while only time passes; the header's are seen to."""
        return ()

    def trail(self) -> tuple[str, ...]:
        """The way to where one is, for the header."""
        raise NotImplementedError

    def exported(self) -> tuple[str, list[dict[str, object]]]:
        """What is in view, in a word, and its items as data without secrets."""
        raise NotImplementedError

    def copy_endpoint(self, runner: Runner | None) -> None:
        """Copy the address of a runner, if it is known, without the secrets in it."""
        if runner is not None and runner.endpoint:
            self.post_message(Copied(runner.endpoint, f"the endpoint of {runner_display_name(runner)}"))

    def copy_workflow(self, workflow: Workflow | None) -> None:
        """Copy all that is known of a workflow, if there is one."""
        from comfytui.render.export import workflow_json

        if workflow is not None:
            self.post_message(Copied(workflow_json(workflow), workflow_display_name(workflow)))

    @property
    def lines(self) -> list[str]:
        """What is on the screen, a string a line."""
        return [strip.text.rstrip() for strip in self._compositor.render_strips()]

    def moment(self, snapshot: Snapshot) -> RenderContext:
        """The present moment, ages by the server's clock."""
        wall = self.clock.now() + timedelta(seconds=snapshot.clock_skew)
        return RenderContext(
            wall, self.clock.monotonic(), self._style, self.overview(snapshot).interval_s, keys=self._keys
        )

    def overview(self, snapshot: Snapshot) -> SnapshotSummary:
        """What there is to know of a snapshot; found out once while it is the same."""
        if self._overview.snapshot is not snapshot:
            self._overview = summarize(snapshot)
        return self._overview

    def on_mount(self) -> None:
        """Begin to follow the app."""
        # Told by the app later on: Textual keeps a watcher of the app, and its screen with it, for ever.
        if isinstance(self.app, _Followed):
            self.take(self.app.snapshot, self.app.source, self.app.time_style)
        self.bindings_updated_signal.subscribe(self, lambda _screen: self.show_hints())

    def on_unmount(self) -> None:
        """There is nothing to draw any more."""
        self._alarm.stop()

    def on_screen_resume(self) -> None:
        """Show at once what was missed while another screen was in front."""
        self._trail = self._said = ()
        self._fit()

    def on_resize(self) -> None:
        """Fit what is shown to the new size."""
        self.call_after_refresh(self._fit)

    def take(self, snapshot: Snapshot, source: Line, style: TimeStyle) -> None:
        """Show what the app knows now."""
        self.snapshot, self._source, self._style = snapshot, source, style
        self.follow_again()

    def follow_again(self) -> None:
        """Draw the present snapshot for the present moment."""
        if self.snapshot is None or not self.is_current:
            return
        now = self.moment(self.snapshot)
        self.follow(self.snapshot, now)
        self._show_header(self.snapshot, now)
        # What has just been laid out is fitted again soon, whoever was told of its size too late.
        age = now.monotonic - self._fitted_on
        settling = TICK if age < TICK else ORDER_FREEZE_S - age if age < ORDER_FREEZE_S else CALM
        lasting = self.lasts(self.snapshot, now)
        self._alarm.ring_in(soonest((settling, list_lasts(self.overview(self.snapshot), now), *lasting)))

    def show_hints(self) -> None:
        """Show in the footer the keys that work here."""
        if not self.is_current:
            return
        keys = {command: found[0] for command, found in active_keys(self).items() if found}
        shown, kept = _hints(self.HINTS, keys), _hints(_KEPT, keys)
        self.footer.show(footer_line(shown, kept, self.size.width - 2))
        # Where something is typed few commands work, but what is said elsewhere still names the keys of the others.
        if {**self._keys, **keys} != self._keys:
            self._keys = {**self._keys, **keys}
            self.follow_again()

    def _fit(self) -> None:
        self._fitted_on = self.clock.monotonic()
        self.follow_again()
        self.show_hints()

    def _show_header(self, snapshot: Snapshot, now: RenderContext) -> None:
        seen = self.overview(snapshot)
        header = Header(
            source=self._source,
            state=freshness_label(seen, now),
            usage=self._budget_words(snapshot.usage, now),
            total=seen.total,
            status=snapshot.viewport.page.status,
            interval_s=seen.interval_s,
            breadcrumb=self.trail(),
            zone=zone_name(now.style, now.now),
        )
        if (said := (header, self.header.outer_size)) == self._said:
            return
        self._said = said
        self.header.show(header_line(header, self.size.width - 2))
        if header.breadcrumb != self._trail:
            self._trail = header.breadcrumb
            self.post_message(Arrived(self._trail))

    def _budget_words(self, usage: Usage, now: RenderContext) -> str:
        """What is spent of the allowance; by time alone it only falls, which is told every few seconds."""
        told = (usage, now.monotonic // CALM)
        if self._budget is None or self._budget[0] != told:
            self._budget = (told, usage_text(usage, now.monotonic))
        return self._budget[1]


def _hints(hints: Sequence[Hint], keys: Mapping[str, str]) -> list[tuple[str, str]]:
    """Keys and word of each hint any of whose commands has a key."""
    found = (("/".join(keys[each] for each in hint.commands if each in keys), hint.word) for hint in hints)
    return [(shown, word) for shown, word in found if shown]
