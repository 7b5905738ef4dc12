"""The paginated list of runners."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfytui.tui.present.listing import departed, empty_list, list_foot, list_title, missed
from comfytui.tui.present.problems import notice
from comfytui.tui.present.runners import RUNNER_COLUMNS, runner_name, runner_row
from comfytui.tui.widgets.keyed_table import KeyedTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comfytui.api.models import Runner, RunnerPage
    from comfytui.engine.resources import PageKey
    from comfytui.engine.snapshot import Snapshot
    from comfytui.tui.present.cells import Line
    from comfytui.tui.present.now import Now

__all__ = ["RunnerList"]


class RunnerList(KeyedTable):
    """One page of runners; while another page is on its way the old one stays."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(RUNNER_COLUMNS, id=id)
        self._page: RunnerPage | None = None
        self._key: PageKey | None = None
        self._missed: tuple[str, float] | None = None

    def show_page(self, key: PageKey, snapshot: Snapshot, at: Now) -> None:
        """Show the page, or the one before it until it has come."""
        feed = snapshot.page_at(key)
        shown = feed.value or self._page
        histories = [(known.value, known.problem) for known in map(snapshot.history, _ids(shown))]
        gone = departed(snapshot.departed, at.wall) or missed(self._missed, at.monotonic)
        problem = notice(feed, at, self.body_width)
        if self.is_news(key, feed.value, problem, histories, gone, at.style, at.age_step):
            self._show(key, snapshot, at, problem)

    def _show(self, key: PageKey, snapshot: Snapshot, at: Now, problem: Sequence[Line]) -> None:
        feed = snapshot.page_at(key)
        turned = feed.value is not None and key != self._key
        same_list = self._key is None or key.status == self._key.status
        pointed_at = None if turned else self.runner(self.cursor_id)
        if feed.value is not None:
            self._page, self._key = feed.value, key
        page = self._page if feed.value is not None or same_list else None
        runners = page.runners if page else ()
        if pointed_at is not None and self.runner(pointed_at.id) is None:
            self._missed = (runner_name(pointed_at), at.monotonic)
        rows = [runner_row(runner, snapshot.history(runner.id), at.style, at.wall) for runner in runners]
        gone = departed(snapshot.departed, at.wall) or missed(self._missed, at.monotonic)
        self.label(list_title(key), (*list_foot(key, feed.value), *gone))
        self.show(rows, problem or empty_list(key, page))
        if turned and same_list:
            self.move_to(None)

    @property
    def total(self) -> int | None:
        """How many runners the list has over all pages, as far as is known."""
        return self._page.total if self._page else None

    def runner(self, runner_id: str | None) -> Runner | None:
        """A runner of the page by its id."""
        if self._page is None or runner_id is None:
            return None
        return next((runner for runner in self._page.runners if runner.id == runner_id), None)


def _ids(page: RunnerPage | None) -> list[str]:
    return [runner.id for runner in page.runners] if page else []
