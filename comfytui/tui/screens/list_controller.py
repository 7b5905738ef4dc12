"""List of runners and history beside it: pages, filters, orders, columns, and the prompt they are typed into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from comfytui.api.statuses import RunnerStatus
from comfytui.config.state import ViewState
from comfytui.engine.protocol import PageKey
from comfytui.query.columns import RUNNER_COLUMNS, WORKFLOW_COLUMNS, Requirement
from comfytui.query.filter import Query, QueryError, parse
from comfytui.query.sorting import RUNNER_KEYS, WORKFLOW_KEYS, Sort, default_order, requirements
from comfytui.render.cells import Role, Span
from comfytui.render.chrome import ListSpec, match_count_text
from comfytui.render.table import visible_columns
from comfytui.tui.keys.typed_text import clean_typed
from comfytui.tui.screen_stack import open_screen
from comfytui.tui.screens.messages import ListViewChanged
from comfytui.tui.widgets.history_table import HistoryTable
from comfytui.tui.widgets.inputs import MAX_LENGTH
from comfytui.tui.widgets.runner_list import RunnerList

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from comfytui.api.models import Runner
    from comfytui.engine.snapshot import Snapshot
    from comfytui.query.view import ListView
    from comfytui.tui.screens.base import SnapshotScreen
    from comfytui.tui.widgets.inputs import Prompt, PromptCancelled, PromptChanged, PromptSubmitted


_MAX_BACKGROUND_IDS = 4
"""Runners out of view that are requested at a time for a filter or an order."""


class ListController:
    """Selection, order and columns of the runner list and of the history.

    Attributes:
        runners: The list of runners.
        history: The history of the runner under the cursor.
        listing: Selection and order of the list.
        prompt: The open prompt, or None if there is none.

    Args:
        screen: The screen that shows the list.
        view: The saved view to start with.
        per_page: Runners per page.
        on_list_changed: Called after each change of `listing`.
        focus_list: Moves the focus to the list.
    """

    def __init__(
        self,
        screen: SnapshotScreen,
        view: ViewState,
        per_page: int,
        *,
        on_list_changed: Callable[[], None],
        focus_list: Callable[[], None],
    ) -> None:
        self.runners = RunnerList(id="list")
        self.history = HistoryTable(id="history")
        self.prompt: Prompt | None = None
        self._screen = screen
        self._on_list_changed = on_list_changed
        self._focus_list = focus_list
        self._filter_error = ""
        self._followed_id: str | None = None
        self.restore(view, per_page)

    def restore(self, view: ViewState, per_page: int) -> None:
        """Apply a saved view; its filter comes from a file that a user can edit."""
        view = view._replace(filter=clean_typed(view.filter)[:MAX_LENGTH])
        self.listing = self._listing_before = spec_from_state(view, per_page)
        self.history.sort = history_sort_from_state(view)
        self._columns, self._history_columns = view.columns, view.history_columns
        self._apply_columns(self.listing.sort)

    def set_list_spec(self, spec: ListSpec) -> None:
        """Show another list; another order or filter follows the runner under the cursor."""
        is_same = (spec.query, spec.sort) == (self.listing.query, self.listing.sort)
        self._followed_id = None if is_same else self.runners.cursor_id
        self.listing = spec
        self._save()
        self._on_list_changed()

    def follow_runner(self, snapshot: Snapshot) -> None:
        """Turn to the page of the followed runner until all pages are searched for it.

        The followed runner is the one under the cursor when the list was changed, or after the next key press the one
        under the cursor then: pages that are still being loaded move it from page to page.
        """
        followed_id = self._followed_id or self.runners.unresolved_id(self.listing)
        if followed_id is None:
            return
        view = self.runners.build_view(self.listing, snapshot)
        found = locate_runner(snapshot, self.listing, view, followed_id)
        if (
            found is not None
            and found.needs_all_pages == self.listing.needs_all_pages
            and found.key != self.listing.key
        ):
            self.runners.select_when_shown(followed_id)
            self.listing = self.listing._replace(key=found.key)
        if view is None or view.searched.is_complete:
            self._followed_id = None

    def stop_following(self) -> None:
        """Follow no runner any more, because the user moves on."""
        self._followed_id = None

    def ids_missing_history(self, snapshot: Snapshot) -> tuple[str, ...]:
        """Return the next runners whose unknown history the filter or the order requires."""
        return self._ids_missing(Requirement.HISTORY, snapshot.histories, self.runners.visible_ids)

    def ids_missing_health(self, snapshot: Snapshot) -> tuple[str, ...]:
        """Return the next runners whose unknown health the filter or the order requires."""
        return self._ids_missing(Requirement.REACHABILITY, snapshot.stats, ())

    def go_to_runner(self, runner_id: str) -> None:
        """Move the cursor to this runner, on whatever page it is, if it is loaded."""
        if (snapshot := self._screen.snapshot) is None:
            return
        listing = locate_runner(snapshot, self.listing, self.runners.view, runner_id)
        if listing is None:
            return
        if self.runners.runner(runner_id) is not None:
            self.runners.select(runner_id)
        else:
            self.runners.select_when_shown(runner_id)
            self.set_list_spec(listing)
        self._focus_list()

    def turn_page(self, by: int) -> None:
        """Turn by this many pages, as far as there are any; by one only while their number is unknown."""
        page, last = self.listing.key.page, self.runners.pages
        if by < 0 and page > 1:
            self.go_to_page(max(1, page + by))
        elif by > 0 and (last is None or page < last):
            self.go_to_page(page + 1 if last is None else min(page + by, last))

    def go_to_page(self, page: int) -> None:
        """Show the runners of this page."""
        self.set_list_spec(self.listing._replace(key=replace(self.listing.key, page=page)))

    def cycle_status(self, times: int) -> None:
        """List all, active or disabled runners, `times` steps on, from the first page."""
        key = self.listing.key
        following = STATUSES[(STATUSES.index(key.status) + times) % len(STATUSES)]
        self.runners.select_when_shown(self.runners.cursor_id)
        self.set_list_spec(self.listing._replace(key=replace(key, page=1, status=following)))

    def cycle_sort(self, times: int) -> None:
        """Sort the history, if it has the focus, or else the list by another column, `times` steps on."""
        if self.history.has_focus:
            self.history.sort = next_sort(WORKFLOW_KEYS, self.history.sort, times)
            self._on_columns_changed()
        else:
            self._sort(next_sort(RUNNER_KEYS, self.listing.sort, times))

    def reverse_sort(self) -> None:
        """Sort the history, if it has the focus, or else the list the other way round."""
        if self.history.has_focus:
            self.history.sort = (self.history.sort or API_ORDER).reversed
            self._on_columns_changed()
        else:
            self._sort((self.listing.sort or API_ORDER).reversed)

    def choose_columns(self) -> None:
        """Open the column chooser of the history, if it has the focus, or else of the list."""
        from comfytui.tui.screens.column_chooser import ColumnChooserScreen

        if self.history.has_focus:
            chooser = ColumnChooserScreen(WORKFLOW_COLUMNS, self._history_columns)
            open_screen(self._screen.app, chooser, self._history_columns_chosen)
        else:
            open_screen(self._screen.app, ColumnChooserScreen(RUNNER_COLUMNS, self._columns), self._columns_chosen)

    def clear_filter(self) -> None:
        """Remove the filter, or if there is none, the selection by status."""
        key = replace(self.listing.key, page=1)
        if self.listing.query:
            self.set_list_spec(self.listing._replace(key=key, query=parse("")))
        elif key.status is not None:
            self.runners.select_when_shown(self.runners.cursor_id)
            self.set_list_spec(self.listing._replace(key=replace(key, status=None)))

    def open_filter_prompt(self) -> None:
        """Open the prompt for a filter."""
        from comfytui.tui.widgets.inputs import FilterPrompt

        self._listing_before = self.listing
        self._open(FilterPrompt(self.listing.query.text))

    def open_page_prompt(self) -> None:
        """Open the prompt for a page number."""
        from comfytui.tui.widgets.inputs import PagePrompt

        self._open(PagePrompt())

    def close_prompt(self) -> None:
        """Close the prompt; its effect on the list stays."""
        if self.prompt is not None:
            self.prompt.remove()
            self.prompt = None
            self._screen.footer.display = True
            self._screen.show_hints()

    def update_prompt_hint(self) -> None:
        """Show beside the typed text how much it finds, or what is wrong with it."""
        if (prompt := self.prompt) is None:
            return
        pages = (Span(f"of {self.runners.pages or '?'}", Role.MUTED),)
        found = match_count_text(self.runners.view, prompt.hint_width) if self.runners.view else ()
        error = (Span(self._filter_error, Role.BAD),) if self._filter_error else None
        prompt.set_hint(error or (found if prompt.FILTERS else pages))

    def prompt_changed(self, event: PromptChanged) -> None:
        """Filter by the text typed so far."""
        self._filter_error = ""
        if event.prompt is not self.prompt or not event.prompt.FILTERS:
            return
        query = self._parse(event.text)
        if query is not None and query.text != self.listing.query.text:
            self.set_list_spec(self.listing._replace(key=replace(self.listing.key, page=1), query=query))
        self.update_prompt_hint()

    def prompt_submitted(self, event: PromptSubmitted) -> None:
        """Accept the filter or go to the page, or show what is wrong with it."""
        if event.prompt is not self.prompt:
            return
        if event.prompt.FILTERS:
            self._parse(event.text)
        elif event.text:
            self._go_to_typed_page(int(event.text))
        if self._filter_error:
            self.update_prompt_hint()
        else:
            self._focus_list()

    def prompt_cancelled(self, event: PromptCancelled) -> None:
        """Restore the list from before the prompt was opened."""
        if event.prompt is self.prompt and event.prompt.FILTERS:
            self.set_list_spec(self._listing_before)
        self._focus_list()

    def show_filter_help(self) -> None:
        """Show the syntax of filters."""
        from comfytui.tui.screens.help import FilterHelpScreen

        open_screen(self._screen.app, FilterHelpScreen())

    def _ids_missing(self, need: Requirement, known: Container[str], requested: Iterable[str]) -> tuple[str, ...]:
        """Return the first searched runners that are neither known nor requested anyway."""
        needed = self.listing.query.requirements | (
            requirements(self.listing.sort) if self.listing.sort else frozenset()
        )
        if need not in needed:
            return ()
        left_out = set(requested)
        ids = (runner.id for runner in self.runners.search_progress)
        missing = (runner_id for runner_id in ids if runner_id not in left_out and runner_id not in known)
        return tuple(islice(missing, _MAX_BACKGROUND_IDS))

    def _open(self, prompt: Prompt) -> None:
        self.close_prompt()
        self.prompt, self._filter_error = prompt, ""
        self._screen.mount(prompt, before=self._screen.footer)
        self._screen.footer.display = False
        self.update_prompt_hint()

    def _parse(self, text: str) -> Query | None:
        """Return the typed filter, or None if it is invalid; the error is shown beside it."""
        try:
            return parse(text)
        except QueryError as error:
            self._filter_error = str(error)
            return None

    def _go_to_typed_page(self, page: int) -> None:
        if page >= 1 and (self.runners.pages is None or page <= self.runners.pages):
            self.go_to_page(page)
        else:
            self._filter_error = f"there are pages 1 to {self.runners.pages or '?'}"

    def _sort(self, sort: Sort | None) -> None:
        self._apply_columns(sort)
        self.set_list_spec(self.listing._replace(sort=sort))

    def _columns_chosen(self, chosen: tuple[str, ...] | None) -> None:
        if chosen is not None:
            self._columns = chosen
            self._on_columns_changed()

    def _history_columns_chosen(self, chosen: tuple[str, ...] | None) -> None:
        if chosen is not None:
            self._history_columns = chosen
            self._on_columns_changed()

    def _on_columns_changed(self) -> None:
        self._apply_columns(self.listing.sort)
        self._screen.refresh_view()
        self._save()

    def _apply_columns(self, sort: Sort | None) -> None:
        self.runners.set_columns(visible_columns(RUNNER_COLUMNS, self._columns), sort)
        self.history.set_columns(visible_columns(WORKFLOW_COLUMNS, self._history_columns), self.history.sort)

    def _save(self) -> None:
        view = state_from_spec(self.listing, self._columns, self.history.sort, self._history_columns)
        self._screen.post_message(ListViewChanged(view))


API_ORDER = Sort("created", descending=True)
"""The order in which the API lists runners and workflows (pages list-runners and get-runner-history)."""

STATUSES = (None, RunnerStatus.ACTIVE, RunnerStatus.DISABLED)
"""Filters by status that the API supports, in the order of the key that cycles them."""


def next_sort(keys: Sequence[str], sort: Sort | None, times: int = 1) -> Sort | None:
    """Return the sort by a later column, in its default direction; after the last one comes the API's order.

    Args:
        keys: The columns in order.
        sort: The present sort, or None for the API's order.
        times: Columns to advance by.
    """
    indexes = {key: index for index, key in enumerate(keys)}
    present = len(keys) if sort is None else indexes.get(sort.key, len(keys))
    following = (present + times) % (len(keys) + 1)
    return default_order(keys[following]) if following < len(keys) else None


def locate_runner(snapshot: Snapshot, listing: ListSpec, view: ListView | None, runner_id: str) -> ListSpec | None:
    """Return the list that has this runner and is nearest to the present one, or None if it is on no loaded page."""
    if view is not None and (index := _index(view.runners, runner_id)) is not None:
        return listing._replace(key=replace(listing.key, page=index // listing.key.per_page + 1))
    # The list in view comes before others, and a page of the same size before one that only implies the position.
    pages = sorted(snapshot.pages, key=lambda key: (key.status != listing.key.status, key.per_page))
    for key in pages:
        page = snapshot.pages[key].value
        if page is not None and (index := _index(page.runners, runner_id)) is not None:
            before = (key.page - 1) * key.per_page + index
            return ListSpec(PageKey(before // listing.key.per_page + 1, listing.key.per_page, key.status))
    return None


def spec_from_state(view: ViewState, per_page: int) -> ListSpec:
    """Return the list of a saved view; values that are no longer valid are left out."""
    status = next((status for status in STATUSES if status == view.status), None)
    sort = Sort(view.sort, descending=view.descending) if view.sort in RUNNER_KEYS and view.sort else None
    return ListSpec(PageKey(per_page=per_page, status=status), _parse_or_none(view.filter), sort)


def history_sort_from_state(view: ViewState) -> Sort | None:
    """Return the order of the history in a saved view, or None for the API's order."""
    key = view.history_sort
    return Sort(key, descending=view.history_descending) if key and key in WORKFLOW_KEYS else None


def state_from_spec(
    listing: ListSpec, columns: tuple[str, ...], history_sort: Sort | None, history_columns: tuple[str, ...]
) -> ViewState:
    """Return the view to save."""
    return ViewState(
        filter=listing.query.text,
        status=listing.key.status,
        sort=listing.sort.key if listing.sort else None,
        descending=listing.sort.descending if listing.sort else False,
        columns=columns,
        history_sort=history_sort.key if history_sort else None,
        history_descending=history_sort.descending if history_sort else False,
        history_columns=history_columns,
        per_page=listing.key.per_page,
    )


def _parse_or_none(text: str) -> Query:
    try:
        return parse(text)
    except QueryError:
        return Query()


def _index(runners: Sequence[Runner], runner_id: str) -> int | None:
    return next((index for index, runner in enumerate(runners) if runner.id == runner_id), None)
