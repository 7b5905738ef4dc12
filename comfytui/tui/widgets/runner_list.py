"""The paginated list of runners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from comfytui.engine.view import Viewer
from comfytui.tui.present.cells import beside, width_of
from comfytui.tui.present.columns import GAP
from comfytui.tui.present.listing import (
    Listing,
    departed,
    empty_list,
    list_foot,
    list_title,
    missed,
    no_match,
    page_count,
    whole_foot,
)
from comfytui.tui.present.problems import notice
from comfytui.tui.present.runners import RUNNER_COLUMNS, runner_name, runner_row
from comfytui.tui.widgets.keyed_table import KeyedTable

if TYPE_CHECKING:
    from comfytui.api.models import Runner, RunnerPage
    from comfytui.engine.snapshot import Snapshot
    from comfytui.engine.view import View
    from comfytui.tui.present.cells import Line
    from comfytui.tui.present.now import Now

__all__ = ["RunnerList"]


class RunnerList(KeyedTable):
    """One page of runners: the API's, or one of all those that match, in the order wished for.

    While another page is on its way the old one stays.

    Attributes:
        pages: How many pages there are of what is listed, None where that is not known.
        view: What was found in all pages, None where the API's own pages are listed.
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(RUNNER_COLUMNS, id=id)
        self.pages: int | None = None
        self.view: View | None = None
        self._viewer = Viewer()
        self._page: RunnerPage | None = None
        self._listing: Listing | None = None
        self._runners: dict[str, Runner] = {}
        self._missed: tuple[str, float] | None = None
        self._sought: str | None = None

    def show_list(self, listing: Listing, snapshot: Snapshot, at: Now) -> None:
        """Show what is to be listed, as far as it is known."""
        self.view = self._viewer.view(snapshot, listing.query, listing.sort) if listing.whole else None
        feed = snapshot.page if listing.whole else snapshot.page_at(listing.key)
        gone = departed(snapshot.departed, at.monotonic) or missed(self._missed, at.monotonic)
        problem = notice(feed, at, self.body_width)
        histories = [(known.value, known.problem) for known in map(snapshot.history, self._ids(listing, snapshot))]
        if self.is_news(listing, self.view, feed.value, problem, histories, gone, at.style, at.age_step, at.keys):
            if self.view is not None:
                self._show_view(listing, self.view, snapshot, at, problem)
            else:
                self._show_page(listing, snapshot, at, problem)
        self.elapse(at)

    def forget(self) -> None:
        """Nothing is known any more of what was listed."""
        self.pages, self.view, self._viewer = None, None, Viewer()
        self._page, self._listing, self._runners = None, None, {}
        self._missed = self._sought = None
        self.show(())

    def seek(self, runner_id: str | None) -> None:
        """Put the cursor on this runner as soon as another page is shown."""
        self._sought = runner_id

    def runner(self, runner_id: str | None) -> Runner | None:
        """A runner of the page by its id."""
        return self._runners.get(runner_id or "")

    @property
    def listed(self) -> tuple[Runner, ...]:
        """All runners that are listed: of this page, or all that match where all pages were searched."""
        return self.view.runners if self.view is not None else tuple(self._runners.values())

    def _ids(self, listing: Listing, snapshot: Snapshot) -> list[str]:
        if self.view is not None:
            return [runner.id for runner in _slice(self.view.runners, listing)]
        page = snapshot.page_at(listing.key).value or self._page
        return [runner.id for runner in page.runners] if page else []

    def _show_view(self, listing: Listing, view: View, snapshot: Snapshot, at: Now, problem: Sequence[Line]) -> None:
        self.pages = page_count(len(view.runners), listing.key.per_page)
        runners = _slice(view.runners, listing)
        if not view.searched.pages and self._runners:
            # Nothing was searched yet: what is on the screen is better than nothing.
            runners = tuple(self._runners.values())
        foot = whole_foot(listing.key, len(runners), view, self.body_width - 2 - width_of(self.held))
        self._put(_Content(listing, runners, problem or no_match(listing, view, at), foot), snapshot, at)

    def _show_page(self, listing: Listing, snapshot: Snapshot, at: Now, problem: Sequence[Line]) -> None:
        feed, before = snapshot.page_at(listing.key), self._listing
        same_list = before is None or (before.key.status == listing.key.status and not before.whole)
        self._page = feed.value or self._page
        page = self._page if feed.value is not None or same_list else None
        self.pages = page_count(self._page.total, listing.key.per_page) if self._page else None
        shown = before if feed.value is None and page is not None and before is not None else listing
        said = problem or empty_list(shown, page, at)
        runners = page.runners if page else ()
        self._put(_Content(shown, runners, said, list_foot(listing.key, feed.value)), snapshot, at)

    def _put(self, content: _Content, snapshot: Snapshot, at: Now) -> None:
        """Show these runners; at the top where another page of the same list was turned to."""
        listing, before, pointed_at = content.listing, self._listing, self.runner(self.cursor_id)
        self._listing, self._runners = listing, {runner.id: runner for runner in content.runners}
        if pointed_at is not None and pointed_at.id not in self._runners and listing == before:
            self._missed = (runner_name(pointed_at), at.monotonic)
        gone = departed(snapshot.departed, at.monotonic) or missed(self._missed, at.monotonic)
        self.label(list_title(listing, by_hidden=self.sorts_by_hidden), beside((content.foot, gone), GAP))
        rows = [runner_row(runner, snapshot.history(runner.id), at.style, at.wall) for runner in content.runners]
        self.show(rows, content.said, at, anew=listing != before)
        if _is_turned(before, listing) or self._sought in self._runners:
            self.move_to(self._sought)
            self._sought = None


@dataclass(frozen=True, slots=True)
class _Content:
    """Runners to show, as what, and what is said above and below them."""

    listing: Listing
    runners: Sequence[Runner]
    said: Sequence[Line]
    foot: Line


def _slice(runners: Sequence[Runner], listing: Listing) -> tuple[Runner, ...]:
    start = (listing.key.page - 1) * listing.key.per_page
    return tuple(runners[start : start + listing.key.per_page])


def _is_turned(before: Listing | None, after: Listing) -> bool:
    """Whether it is another page of the same list."""
    if before is None or before.key.page == after.key.page:
        return False
    return (before.key.status, before.query, before.sort) == (after.key.status, after.query, after.sort)
