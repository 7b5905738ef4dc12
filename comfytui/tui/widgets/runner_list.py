"""Paginated list of runners."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from comfytui.query.columns import RUNNER_COLUMNS
from comfytui.query.view import ListViewBuilder
from comfytui.render.cells import EMPTY, cell_width
from comfytui.render.chrome import (
    ListSpec,
    compact_status,
    empty_page,
    empty_search,
    list_title,
    lost_selection_notice,
    page_count,
    page_footer,
    removed_notice,
    search_footer,
)
from comfytui.render.freshness import away_text, halt_reason, late_notice, problem_notice, summarize
from comfytui.render.runners import runner_display_name, runner_period, runner_row
from comfytui.tui.widgets.keyed_table import KeyedTable, RowCache
from comfytui.tui.widgets.timers import TICK_S

if TYPE_CHECKING:
    from comfytui.api.models import Runner, RunnerPage
    from comfytui.engine.snapshot import Snapshot
    from comfytui.query.view import ListView
    from comfytui.render.cells import Line
    from comfytui.render.freshness import RenderContext
    from comfytui.render.table import Row
    from comfytui.render.times import Period


class RunnerList(KeyedTable):
    """Page of runners: the API's, or a page of all matching ones in the chosen order.

    While another page is loading the old one stays.

    Attributes:
        pages: Number of pages, or None if unknown.
        view: Matches of all pages, or None if the API's own pages are listed.
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(RUNNER_COLUMNS, id=id)
        self.pages: int | None = None
        self.view: ListView | None = None
        self._viewer = ListViewBuilder()
        self._page: RunnerPage | None = None
        self._listing: ListSpec | None = None
        self._runners: dict[str, Runner] = {}
        self._missed: tuple[str, float] | None = None
        self._sought: str | None = None
        self._to_end = False
        self._making = RowCache()
        self._is_found = False
        self._above: tuple[Line, ...] = ()
        self._said: Line = EMPTY
        self._known: dict[str, tuple[object, ...]] = {}
        self._labelled: tuple[object, ...] = ()

    def update_list(self, listing: ListSpec, snapshot: Snapshot, at: RenderContext) -> None:
        """Show a list, as far as it is loaded."""
        self.view = self.build_view(listing, snapshot)
        feed = snapshot.page if listing.needs_all_pages else snapshot.page_feed(listing.key)
        self._said = self._removed_notice(snapshot, at)
        problem = problem_notice(feed, at, self.body_width) if feed.problem else ()
        self._above = () if self.framed else self._frameless(listing, snapshot, at)
        self._known = _known(snapshot, self._known_ids(listing, snapshot))
        known = [*self._known.values()]
        place = (self.outer_size, self.framed)
        told = (listing, self.view, feed.value, problem, self._above, self._said, known, at.style, at.keys, place)
        if self.inputs_changed(at.now, *told):
            if self.view is not None:
                self._show_view(listing, self.view, snapshot, at, problem)
            else:
                self._show_page(listing, snapshot, at, problem)
            self.set_valid_period(self._making.period)
        self.tick(at)

    def valid_for_s(self, at: RenderContext) -> float:
        """Seconds for which time alone changes nothing here that is not coarse."""
        return TICK_S if self._said or self._above else super().valid_for_s(at)

    def clear(self) -> None:
        """Clear the list."""
        self.pages, self.view, self._viewer = None, None, ListViewBuilder()
        self._page, self._listing, self._runners = None, None, {}
        self._missed = self._sought = None
        self.set_rows(())

    def build_view(self, listing: ListSpec, snapshot: Snapshot) -> ListView | None:
        """Return the matches of a list on all pages, or None if it shows the API's own pages."""
        return self._viewer.build(snapshot, listing.query, listing.sort) if listing.needs_all_pages else None

    def select_when_shown(self, runner_id: str | None) -> None:
        """Move the cursor to a runner once another page is shown, if it has that runner."""
        self._sought = runner_id

    def unresolved_id(self, listing: ListSpec) -> str | None:
        """Return the id under the cursor while the search is incomplete, else None."""
        return self.cursor_id if listing == self._listing and not self._is_found else None

    def move_selection(self, by: int, listing: ListSpec) -> int | None:
        """Move the cursor by this many runners; return the page to turn to if needed, else None.

        Nothing happens while the list is loading.
        """
        left, page = self.rows_left(by), listing.key.page + (1 if by > 0 else -1)
        if listing != self._listing:
            return None
        self.move_cursor(by)
        if abs(by) <= left or not 1 <= page <= (self.pages or 1):
            return None
        self._to_end = by < 0
        return page

    def runner(self, runner_id: str | None) -> Runner | None:
        """Return a runner of the page by its id, or None."""
        return self._runners.get(runner_id or "")

    @property
    def listed(self) -> tuple[Runner, ...]:
        """Listed runners: of this page, or all matches if all pages were searched."""
        return self.view.runners if self.view is not None else tuple(self._runners.values())

    @property
    def search_progress(self) -> tuple[Runner, ...]:
        """Runners that were searched, or empty without a search."""
        return self.view.loaded if self.view is not None else ()

    def _known_ids(self, listing: ListSpec, snapshot: Snapshot) -> list[str]:
        if self.view is not None:
            return [runner.id for runner in _slice(self.view.runners, listing)] or list(self._runners)
        page = snapshot.page_feed(listing.key).value or self._page
        return [runner.id for runner in page.runners] if page else []

    def _show_view(
        self, listing: ListSpec, view: ListView, snapshot: Snapshot, at: RenderContext, problem: Sequence[Line]
    ) -> None:
        self.pages = page_count(len(view.runners), listing.key.per_page)
        runners = _slice(view.runners, listing)
        is_old = not view.searched.pages and bool(self._runners)
        if is_old:
            # Before the first page is searched, the present rows stay.
            runners = tuple(self._runners.values())
        # The number of matches is unknown then.
        foot = (
            partial(page_footer, listing.key, None)
            if is_old
            else partial(search_footer, listing.key, len(runners), view)
        )
        said = () if is_old else problem or empty_search(listing, view, at)
        self._set_content(_ListContent(listing, runners, said, foot, is_old=is_old), snapshot, at)

    def _show_page(self, listing: ListSpec, snapshot: Snapshot, at: RenderContext, problem: Sequence[Line]) -> None:
        feed, before = snapshot.page_feed(listing.key), self._listing
        same_list = before is None or (before.key.status == listing.key.status and not before.needs_all_pages)
        self._page = feed.value or self._page
        page = self._page if feed.value is not None or same_list else None
        self.pages = page_count(self._page.total, listing.key.per_page) if self._page else None
        is_old = feed.value is None and page is not None and before is not None
        said = problem or empty_page(listing, page, at)
        runners, foot = page.runners if page else (), partial(page_footer, listing.key, feed.value)
        self._set_content(_ListContent(listing, runners, said, foot, is_old=is_old), snapshot, at)

    def _build_rows(self, runners: Sequence[Runner], snapshot: Snapshot, at: RenderContext) -> list[Row]:
        by_id = {runner.id: runner for runner in runners}

        def make(runner_id: str) -> tuple[Row, Period]:
            runner, history, health = by_id[runner_id], snapshot.history(runner_id), snapshot.health(runner_id)
            row = runner_row(runner, history, health, at.style, at.now)
            return row, runner_period(runner, history, at.style, at.now)

        known = self._known
        told = {runner_id: (runner, known.get(runner_id), at.style) for runner_id, runner in by_id.items()}
        return self._making.get_rows(told, at.now, make)

    def _frameless(self, listing: ListSpec, snapshot: Snapshot, at: RenderContext) -> tuple[Line, ...]:
        """Return the lines above the rows that replace frame and header."""
        aside = halt_reason(snapshot, at) or late_notice(snapshot.page, at) or away_text(summarize(snapshot))
        return compact_status(listing, self.view, aside, self._said, self.body_width)

    def _removed_notice(self, snapshot: Snapshot, at: RenderContext) -> Line:
        return removed_notice(snapshot.removed, at.monotonic) or lost_selection_notice(self._missed, at.monotonic)

    def _set_content(self, content: _ListContent, snapshot: Snapshot, at: RenderContext) -> None:
        """Show runners, from the top after a page turn."""
        before, pointed_at = self._listing, self.runner(self.cursor_id)
        listing = before if content.is_old and before is not None else content.listing
        self._listing, self._runners = listing, {runner.id: runner for runner in content.runners}
        if pointed_at is not None and pointed_at.id not in self._runners and listing == before:
            self._missed = (runner_display_name(pointed_at), at.monotonic)
        self._said = self._removed_notice(snapshot, at)
        self._set_title_for(content)
        rows = self._build_rows(content.runners, snapshot, at)
        anew = listing != before or not self._is_found
        # Results of a search are shown at once, without freezing the order.
        self._is_found = self.view is None or self.view.searched.is_complete
        self.set_rows(rows, (*self._above, *content.said), at, reset=anew)
        if _is_page_turn(before, listing) or self._sought in self._runners:
            self.select(self._sought)
            if self._to_end:
                self.action_last_row()
        if content.runners and not content.is_old:
            self._sought, self._to_end = None, False

    def _set_title_for(self, content: _ListContent) -> None:
        """Set title and footer, if they changed."""
        width, foot = self.body_width - 2, content.foot
        title = (content.listing, self.view, width, self.sorts_by_hidden)
        if (told := (*title, foot.func, foot.args, self._said, self.pending_moves_text)) == self._labelled:
            return
        self._labelled = told
        # The footer also tells pending moves.
        room = width - (cell_width(self.pending_moves_text) + 2 if self.pending_moves_text else 0)
        self.set_title(
            list_title(content.listing, self.view, width, show_sort=self.sorts_by_hidden), foot(self._said, room)
        )


class _ListContent(NamedTuple):
    """Content of the list.

    Attributes:
        listing: Selection and order.
        runners: Runners of the page.
        said: Lines above them.
        foot: Builds the footer from the removed runner and the width.
        is_old: True if the runners are from before, while the list is loading.
    """

    listing: ListSpec
    runners: Sequence[Runner]
    said: Sequence[Line]
    foot: partial[Line]
    is_old: bool = False


def _known(snapshot: Snapshot, runner_ids: Iterable[str]) -> dict[str, tuple[object, ...]]:
    """Return the data of the rows besides the runners."""
    known = dict[str, tuple[object, ...]]()
    for runner_id in runner_ids:
        history, health = snapshot.history(runner_id), snapshot.health(runner_id)
        known[runner_id] = (history.value, history.problem, health.value, health.problem)
    return known


def _slice(runners: Sequence[Runner], listing: ListSpec) -> tuple[Runner, ...]:
    start = (listing.key.page - 1) * listing.key.per_page
    return tuple(runners[start : start + listing.key.per_page])


def _is_page_turn(before: ListSpec | None, after: ListSpec) -> bool:
    """Return True if the page of the same list changed."""
    if before is None or before.key.page == after.key.page:
        return False
    return (before.key.status, before.query, before.sort) == (after.key.status, after.query, after.sort)
