"""The main screen: runners, the detail of one, its recent workflows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.containers import Container

from comfytui.api.statuses import RunnerStatus
from comfytui.engine.actions import Attend
from comfytui.tui.commands import DASHBOARD_HINTS, Where, bindings
from comfytui.tui.messages import OpenedWorkflow, Wished
from comfytui.tui.present.layout import Layout, layout_for
from comfytui.tui.present.listing import page_count
from comfytui.tui.present.runners import runner_name
from comfytui.tui.screens.base import FollowingScreen
from comfytui.tui.widgets.history_table import HistoryTable
from comfytui.tui.widgets.keyed_table import KeyedTable
from comfytui.tui.widgets.pace import Pace
from comfytui.tui.widgets.runner_detail import RunnerDetail
from comfytui.tui.widgets.runner_list import RunnerList

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from comfytui.clock import Clock
    from comfytui.engine.resources import PageKey
    from comfytui.engine.snapshot import Attention, Snapshot
    from comfytui.tui.present.now import Now
    from comfytui.tui.widgets.pane import Pane

__all__ = ["DashboardScreen"]

# Longer than the gap between repeats of a key held down, and not noticed after a single press.
_DEBOUNCE = 0.09

_CURSOR_FIRST = 0.02

_STATUSES = (None, RunnerStatus.ACTIVE, RunnerStatus.DISABLED)


class DashboardScreen(FollowingScreen):
    """Composes the three panes and routes between them; what is attended is told to the app as a wish.

    Attributes:
        attention: What the person looks at, a moment ahead of what the engine has been told while keys are held.
    """

    AUTO_FOCUS = "#list"
    HINTS = DASHBOARD_HINTS
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.DASHBOARD)]

    def __init__(self, clock: Clock, attention: Attention) -> None:
        super().__init__(clock)
        self.runners = RunnerList(id="list")
        self.detail = RunnerDetail(id="detail")
        self.history = HistoryTable(id="history")
        self.side = Container(self.detail, self.history, id="side")
        self.attention = attention
        self._moves = Pace(self, _DEBOUNCE, self._attend_runner)
        self._turns = Pace(self, _DEBOUNCE, self._wish)

    def compose(self) -> ComposeResult:
        """Header, three panes, footer."""
        yield self.header
        with Container(id="body"):
            yield self.runners
            yield self.side
        yield self.footer

    def on_mount(self) -> None:
        """Lay the panes out for the first time."""
        self._arrange()

    def follow(self, snapshot: Snapshot, now: Now) -> None:
        """Show list, detail and history."""
        key = self.attention.page
        feed = snapshot.page_at(key)
        if feed.value is not None and self._past_the_end(key, feed.value.total):
            return
        self.runners.show_page(key, snapshot, now)
        self._show_runner(snapshot, now)
        if self.runners.ids_in_view != self.attention.visible:
            self._attend(replace(self.attention, visible=self.runners.ids_in_view))

    def trail(self) -> tuple[str, ...]:
        """The list, and the runner one has gone into."""
        runner = self.runners.runner(self.runners.cursor_id)
        return ("runners", runner_name(runner)) if runner and self.history.has_focus else ("runners",)

    @on(KeyedTable.Moved, "#list")
    def _runner_pointed_at(self) -> None:
        # The cursor first, and a moment for the thread that writes to the terminal: a key press is seen at once.
        self.set_timer(_CURSOR_FIRST, self._moves.wish)

    @on(KeyedTable.Opened, "#list")
    def _runner_opened(self) -> None:
        if self.focused is not self.runners:
            # Two keys in one packet: the second was typed for where the first leads, before that had the focus.
            self.history.action_open_item()
            return
        self._moves.now()
        self._go_to(self.history)
        self.history.move_to(None)

    @on(KeyedTable.Opened, "#history")
    def _workflow_opened(self, event: KeyedTable.Opened) -> None:
        if self.history.runner_id is not None:
            self.post_message(OpenedWorkflow(self.history.runner_id, event.row_id))

    def on_descendant_focus(self) -> None:
        """Where the keys go decides what a narrow screen shows and what the header and the footer say."""
        self._arrange()
        self.follow_again()

    def on_resize(self) -> None:
        """Share the new size among the panes."""
        self._arrange()
        super().on_resize()

    def action_back(self) -> None:
        """Step out: to the list, and from there out of the status filter."""
        if not self.runners.has_focus:
            self._go_to(self.runners)
        elif self.attention.page.status is not None:
            self._turn_to(replace(self.attention.page, page=1, status=None))

    def action_next_pane(self) -> None:
        """Put the keys into the next pane."""
        self._go_round(1)

    def action_previous_pane(self) -> None:
        """Put the keys into the pane before."""
        self._go_round(-1)

    def action_next_page(self) -> None:
        """Turn to the next page, if there is one."""
        key = self.attention.page
        pages = page_count(self.runners.total, key.per_page)
        if pages is None or key.page < pages:
            self._turn_to(replace(key, page=key.page + 1))

    def action_previous_page(self) -> None:
        """Turn to the page before, if there is one."""
        key = self.attention.page
        if key.page > 1:
            self._turn_to(replace(key, page=key.page - 1))

    def action_next_runner(self) -> None:
        """Point at the next runner of the page, wherever the keys go."""
        self.runners.move_cursor(1)

    def action_previous_runner(self) -> None:
        """Point at the runner before, wherever the keys go."""
        self.runners.move_cursor(-1)

    def action_cycle_status(self) -> None:
        """Show all runners, the active ones, or the disabled ones, from the first page on."""
        key = self.attention.page
        following = _STATUSES[(_STATUSES.index(key.status) + 1) % len(_STATUSES)]
        self._turn_to(replace(key, page=1, status=following))

    def action_reveal_headers(self) -> None:
        """Show the header values of the runner under the cursor, or mask them again."""
        self.detail.revealed = not self.detail.revealed
        self.follow_again()

    def set_paused(self, *, paused: bool) -> None:
        """Attend to the same things, polled or not."""
        self._attend(replace(self.attention, paused=paused))

    def set_focused(self, *, focused: bool) -> None:
        """Attend to the same things, with the terminal in front or not."""
        self._attend(replace(self.attention, focused=focused))

    def _turn_to(self, key: PageKey) -> None:
        self.attention = replace(self.attention, page=key)
        self.follow_again()
        self._turns.wish()

    def _past_the_end(self, key: PageKey, total: int | None) -> bool:
        """Go to the last page where the list has become shorter than the page in view."""
        pages = page_count(total, key.per_page)
        if pages is None or key.page <= pages:
            return False
        self._turn_to(replace(key, page=pages))
        return True

    def _attend_runner(self) -> None:
        self._attend(replace(self.attention, runner_id=self.runners.cursor_id))
        self.follow_again()

    def _attend(self, attention: Attention) -> None:
        self.attention = attention
        self._wish()

    def _wish(self) -> None:
        self.post_message(Wished(Attend(self.attention)))

    def _show_runner(self, snapshot: Snapshot, now: Now) -> None:
        runner_id = self.runners.cursor_id
        now = replace(now, said=snapshot.page.problem if self.runners.display else None)
        feed = snapshot.runner(runner_id)
        self.detail.show_runner(feed.value or self.runners.runner(runner_id), feed, now)
        self.history.show_history(runner_id, snapshot.history(runner_id), now)

    def _panes(self) -> tuple[Pane, ...]:
        return (self.runners, self.detail, self.history)

    def _go_round(self, by: int) -> None:
        panes = self._panes()
        current = next((place for place, pane in enumerate(panes) if pane.has_focus), 0)
        self._go_to(panes[(current + by) % len(panes)])

    def _go_to(self, pane: Pane) -> None:
        pane.display = True
        self.side.display = True
        # Not pane.focus(), which waits its turn: the next key is already this pane's.
        self.set_focus(pane)

    def _arrange(self) -> None:
        """Give the panes their places, all of them or the one with the keys."""
        layout = layout_for(self.size.width, self.size.height)
        for each in Layout:
            self.set_class(each is layout, f"-{each}")
        alone = layout in {Layout.NARROW, Layout.TINY}
        current = next((pane for pane in self._panes() if pane.has_focus), self.runners)
        for pane in self._panes():
            pane.display = not alone or pane is current
            pane.framed = layout is not Layout.TINY
        self.side.display = not alone or current is not self.runners
        self.header.display = self.footer.display = layout is not Layout.TINY
