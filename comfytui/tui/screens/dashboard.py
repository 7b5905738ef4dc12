"""Main screen: runners, the detail of one, its recent workflows."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from textual import events, on

from comfytui.engine.protocol import SetViewport
from comfytui.query.workflows import display_name
from comfytui.render.runners import runner_display_name
from comfytui.render.table import ORDER_FREEZE_S
from comfytui.tui.keys.bindings import bindings_for
from comfytui.tui.keys.commands import DASHBOARD_HINTS, Scope
from comfytui.tui.screens.base import SnapshotScreen
from comfytui.tui.screens.list_controller import ListController
from comfytui.tui.screens.messages import CopyRequested, EngineCommandIssued, SaveRequested, WorkflowRequested
from comfytui.tui.widgets.field_panel import RunnerDetail
from comfytui.tui.widgets.inputs import PromptCancelled, PromptChanged, PromptHelpRequested, PromptSubmitted
from comfytui.tui.widgets.keyed_table import KeyedTable
from comfytui.tui.widgets.pane import TransparentContainer
from comfytui.tui.widgets.timers import IDLE_TICK_S, TICK_S, Debouncer, runner_valid_s

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from comfytui.api.models import Runner
    from comfytui.clock import Clock
    from comfytui.config.state import ViewState
    from comfytui.engine.protocol import Viewport
    from comfytui.engine.snapshot import Snapshot
    from comfytui.render.chrome import ListSpec
    from comfytui.render.freshness import RenderContext
    from comfytui.tui.widgets.pane import Pane


# Longer than the gap between repeats of a key held down, and too short to notice after a single press.
_DEBOUNCE_S = 0.09

_CURSOR_DELAY_S = 0.02

_MAX_PAGES = 10
"""Pages that repeats of one key turn at once."""


class DashboardScreen(SnapshotScreen):
    """The three panes, the routes between them, and the viewport that the engine polls.

    Attributes:
        list: Selection and order of the runner list.
        viewport: Viewport of the screen, ahead of the engine's while keys are held down.

    Args:
        clock: Source of time.
        viewport: The viewport to start with.
        view: The saved view to start with.
    """

    AUTO_FOCUS = "#list"
    HINTS = DASHBOARD_HINTS
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.DASHBOARD, Scope.ITEM)]

    def __init__(self, clock: Clock, viewport: Viewport, view: ViewState) -> None:
        super().__init__(clock)
        per_page = viewport.page.per_page
        self.list = ListController(
            self, view, per_page, on_list_changed=self._on_list_changed, focus_list=self.focus_list
        )
        self.runners = self.list.runners
        self.history = self.list.history
        self.detail = RunnerDetail(id="detail")
        self.side = TransparentContainer(self.detail, self.history, id="side")
        self.viewport = _viewport_for(viewport, self.list.listing)
        self._pressed_on = -math.inf
        self._is_stepping = self._was_in_front = False
        self._cursor_debounce = Debouncer(self, _DEBOUNCE_S, self._view_runner)
        self._page_debounce = Debouncer(self, _DEBOUNCE_S, self._send_viewport)

    def reset(self, viewport: Viewport, view: ViewState) -> None:
        """Show another fleet without data."""
        self.list.restore(view, viewport.page.per_page)
        self.runners.clear()
        self.viewport = _viewport_for(viewport, self.list.listing)
        self.focus_list()

    def compose(self) -> ComposeResult:
        """Compose header, three panes and footer."""
        # Set before the widgets are styled, for otherwise they would be styled twice.
        self._apply_layout()
        yield self.header
        with TransparentContainer(id="body"):
            yield self.runners
            yield self.side
        yield self.footer

    def render_snapshot(self, snapshot: Snapshot, now: RenderContext) -> None:
        """Show list, detail and history."""
        self.list.follow_runner(snapshot)
        self.runners.update_list(self.list.listing, snapshot, now)
        if self.runners.pages is not None and self.list.listing.key.page > self.runners.pages:
            # The list became shorter than the page in view.
            self.list.go_to_page(self.runners.pages)
            return
        self._show_runner(snapshot, now)
        self.list.update_prompt_hint()
        in_view = (*self.runners.visible_ids, *self.list.ids_missing_history(snapshot))
        asked = (in_view, self.list.ids_missing_health(snapshot))
        if asked != (self.viewport.visible_ids, self.viewport.health_check_ids):
            self._set_viewport(self.viewport._replace(visible_ids=asked[0], health_check_ids=asked[1]))

    def valid_for_s(self, snapshot: Snapshot, now: RenderContext) -> tuple[float, ...]:
        """Return seconds for which list, detail and history stay true."""
        settling = TICK_S if now.order_frozen else IDLE_TICK_S
        runner = runner_valid_s(snapshot, self.runners.cursor_id, now)
        return (settling, runner, self.runners.valid_for_s(now), self.history.valid_for_s(now))

    def render_context(self, snapshot: Snapshot) -> RenderContext:
        """Return the render context, in which the order is frozen shortly after a key press."""
        now = super().render_context(snapshot)
        return now._replace(order_frozen=True) if now.monotonic - self._pressed_on < ORDER_FREEZE_S else now

    def on_user_input(self) -> None:
        """Freeze the order of rows: the row that a key was meant for must not move away."""
        self.list.stop_following()
        self._pressed_on = self.clock.monotonic()

    def go_to_runner(self, runner_id: str) -> None:
        """Move the cursor to this runner, on whatever page it is, if it is loaded."""
        self.list.go_to_runner(runner_id)

    def _on_list_changed(self) -> None:
        """Show another list; it is requested once keys rest."""
        self.refresh_view()
        self.viewport = _viewport_for(self.viewport, self.list.listing)
        self._page_debounce.trigger()

    def export_items(self) -> tuple[str, list[dict[str, object]]]:
        """Return the history if it has the focus, else the listed runners, of all pages if all were searched."""
        from comfytui.render.export import runner_to_dict, workflow_to_dict

        if self.history.has_focus:
            return "history", [workflow_to_dict(each) for each in self.history.workflows]
        return "runners", [runner_to_dict(each) for each in self.runners.listed]

    def breadcrumb(self) -> tuple[str, ...]:
        """Return the list, and the runner that was opened."""
        runner = self.runners.runner(self.runners.cursor_id)
        return ("runners", runner_display_name(runner)) if runner and self.history.has_focus else ("runners",)

    @on(KeyedTable.RowHighlighted, "#list")
    def _on_runner_highlighted(self, event: KeyedTable.RowHighlighted) -> None:
        if not event.by_hand:
            if not self._is_stepping and self.focused in {self.detail, self.history}:
                # The opened runner is gone, and its neighbor must not take its place.
                self.focus_list()
            self._is_stepping = False
        # The cursor first, and a moment for the writer thread, so that a key press is seen at once.
        self.set_timer(_CURSOR_DELAY_S, self._cursor_debounce.trigger)

    @on(KeyedTable.RowSelected, "#list")
    def _on_runner_selected(self) -> None:
        if self.focused is not self.runners:
            # With two keys in one packet, the second belongs to the pane that the first one focuses.
            self.history.action_open_item()
            return
        self._cursor_debounce.flush()
        self._focus_pane(self.history)
        self.history.select(None)

    @on(KeyedTable.RowSelected, "#history")
    def _on_workflow_selected(self, event: KeyedTable.RowSelected) -> None:
        if self.history.runner_id is not None:
            self.post_message(WorkflowRequested(self.history.runner_id, event.row_id))

    def on_descendant_focus(self) -> None:
        """Update layout, header and footer after a change of focus."""
        if (prompt := self.list.prompt) is not None and not prompt.has_focus_within:
            self.list.close_prompt()
        self._apply_layout()
        self.refresh_view()

    def on_resize(self) -> None:
        """Lay out the panes for the new size."""
        self._apply_layout()

    @on(events.ScreenResume)
    def _on_resume(self, event: events.ScreenResume) -> None:
        """Apply styles again after another screen, but not at the start, when all is styled already."""
        event.refresh_styles, self._was_in_front = self._was_in_front, True

    @on(PromptChanged)
    def _on_prompt_changed(self, event: PromptChanged) -> None:
        self.list.prompt_changed(event)

    @on(PromptSubmitted)
    def _on_prompt_submitted(self, event: PromptSubmitted) -> None:
        self.list.prompt_submitted(event)

    @on(PromptCancelled)
    def _on_prompt_cancelled(self, event: PromptCancelled) -> None:
        self.list.prompt_cancelled(event)

    @on(PromptHelpRequested)
    def _on_prompt_help_requested(self) -> None:
        self.list.show_filter_help()

    def action_next_page(self, times: int = 1) -> None:
        """Turn to the next page."""
        self.list.turn_page(times)

    def action_previous_page(self, times: int = 1) -> None:
        """Turn to the previous page."""
        self.list.turn_page(-times)

    def action_go_to_page(self) -> None:
        """Ask for a page number."""
        self.list.open_page_prompt()

    def action_filter(self) -> None:
        """Ask for a filter."""
        self.list.open_filter_prompt()

    def action_cycle_status(self, times: int = 1) -> None:
        """List all, active or disabled runners."""
        self.list.cycle_status(times)

    def action_sort_column(self, times: int = 1) -> None:
        """Sort by the next column."""
        self.list.cycle_sort(times)

    def action_sort_direction(self, times: int = 1) -> None:
        """Sort the other way round."""
        if times % 2:
            self.list.reverse_sort()

    def action_choose_columns(self) -> None:
        """Choose the columns of the history or of the list."""
        self.list.choose_columns()

    def action_back(self) -> None:
        """Go back to the list, and from there clear the filters."""
        if self.runners.has_focus:
            self.list.clear_filter()
        else:
            self._focus_pane(self.runners)

    def action_next_pane(self, times: int = 1) -> None:
        """Focus the next pane."""
        self._cycle_panes(times)

    def action_previous_pane(self, times: int = 1) -> None:
        """Focus the previous pane."""
        self._cycle_panes(-times)

    def action_next_runner(self, times: int = 1) -> None:
        """Select the next runner, on the next page if need be, whichever pane has the focus."""
        self._step(times)

    def action_previous_runner(self, times: int = 1) -> None:
        """Select the previous runner, on the previous page if need be, whichever pane has the focus."""
        self._step(-times)

    def action_copy_id(self) -> None:
        """Copy the id of the workflow or the runner under the cursor."""
        if (item := self.history.highlighted if self.history.has_focus else self._runner()) is not None:
            self.post_message(CopyRequested(item.id, f"the id of {display_name(item.name, item.id)}"))

    def action_copy_json(self) -> None:
        """Copy the workflow or the runner under the cursor as JSON."""
        from comfytui.render.export import runner_json

        if self.history.has_focus:
            self.copy_workflow(self.history.highlighted)
        elif (runner := self._runner()) is not None:
            self.post_message(CopyRequested(runner_json(runner), runner_display_name(runner)))

    def action_copy_endpoint(self) -> None:
        """Copy the address of the runner under the cursor, without the secrets in it."""
        self.copy_endpoint(self._runner())

    def action_save_view(self) -> None:
        """Save the view to a file, without revealed header values."""
        self.detail.revealed = False
        self.refresh_view()
        self.post_message(SaveRequested(self))

    def action_reveal_headers(self, times: int = 1) -> None:
        """Show the header values of the runner under the cursor, or mask them again."""
        self.detail.revealed = self.detail.revealed != bool(times % 2)
        self.refresh_view()

    def set_paused(self, *, paused: bool) -> None:
        """Pause or resume polling of the viewport."""
        self._set_viewport(self.viewport._replace(paused=paused))

    def set_focused(self, *, focused: bool) -> None:
        """Set the focus of the terminal in the viewport."""
        self._set_viewport(self.viewport._replace(focused=focused))

    def focus_list(self) -> None:
        """Focus the list."""
        self._focus_pane(self.runners)

    def _step(self, by: int) -> None:
        """Move the cursor by this many runners, across known pages."""
        for _ in range(_MAX_PAGES):
            left = self.runners.rows_left(by)
            if (page := self.runners.move_selection(by, self.list.listing)) is None:
                return
            self._is_stepping = True
            self.list.go_to_page(page)
            by -= left + 1 if by > 0 else -left - 1
            if not by:
                return

    def _view_runner(self) -> None:
        self._set_viewport(self.viewport._replace(runner_id=self.runners.cursor_id))
        self.refresh_view()

    def _set_viewport(self, viewport: Viewport) -> None:
        self.viewport = viewport
        self._send_viewport()

    def _send_viewport(self) -> None:
        self.post_message(EngineCommandIssued(SetViewport(self.viewport)))

    def _show_runner(self, snapshot: Snapshot, now: RenderContext) -> None:
        runner_id = self.runners.cursor_id
        if self.runners.display and (said := self.summary(snapshot).page_feed.problem) is not None:
            now = now._replace(shown_problem=said)
        feed = snapshot.runner(runner_id)
        runner = feed.value or self.runners.runner(runner_id)
        health = snapshot.health(runner_id)
        self.detail.show_runner(runner, feed, health, now)
        self.history.show_history(runner_id, snapshot.history(runner_id), health.value, now)

    def _runner(self) -> Runner | None:
        runner_id = self.runners.cursor_id
        known = self.snapshot.find_runner(runner_id) if self.snapshot and runner_id else None
        return known or self.runners.runner(runner_id)

    def _panes(self) -> tuple[Pane, ...]:
        return (self.runners, self.detail, self.history)

    def _cycle_panes(self, by: int) -> None:
        panes = self._panes()
        current = next((place for place, pane in enumerate(panes) if pane.has_focus), 0)
        self._focus_pane(panes[(current + by) % len(panes)])

    def _focus_pane(self, pane: Pane) -> None:
        self.list.close_prompt()
        pane.display = True
        self.side.display = True
        # Not pane.focus(), which is queued: the next key is already this pane's.
        self.set_focus(pane)

    def _apply_layout(self) -> None:
        """Arrange the panes: all of them, or the focused one."""
        layout = layout_for(*self.app.size)
        for each in Layout:
            self.set_class(each is layout, f"-{each}")
        alone = layout in {Layout.NARROW, Layout.TINY}
        current = next((pane for pane in self._panes() if pane.has_focus), self.runners)
        for pane in self._panes():
            pane.display = not alone or pane is current
            pane.framed = layout is not Layout.TINY
        self.side.display = not alone or current is not self.runners
        self.header.display = layout is not Layout.TINY
        self.footer.display = layout is not Layout.TINY and self.list.prompt is None


def _viewport_for(viewport: Viewport, listing: ListSpec) -> Viewport:
    return viewport._replace(page=listing.key, all_pages=listing.needs_all_pages)


WIDE, MEDIUM, NARROW = 120, 80, 40
SHORT, STACKED = 10, 18


class Layout(StrEnum):
    """Layout of the panes."""

    WIDE = "wide"
    """List left, detail over history right."""
    MEDIUM = "medium"
    """List above, detail beside history below."""
    NARROW = "narrow"
    """Single pane."""
    TINY = "tiny"
    """Single pane without a frame."""


def layout_for(width: int, height: int) -> Layout:
    """Return the layout for a size in cells; panes are stacked only if each keeps a few lines."""
    if width < NARROW or height < SHORT:
        return Layout.TINY
    if width >= WIDE:
        return Layout.WIDE
    return Layout.MEDIUM if width >= MEDIUM and height >= STACKED else Layout.NARROW
