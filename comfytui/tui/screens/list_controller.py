"""Finding runners: pages, filters, orders and columns of the list, and of the history beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from textual import on

from comfytui.api.statuses import RunnerStatus
from comfytui.config.state import ViewState
from comfytui.engine.protocol import PageKey
from comfytui.query.filter import Query, QueryError, Requirement, parse
from comfytui.query.sorting import RUNNER_KEYS, WORKFLOW_KEYS, Sort, default_order, requirements
from comfytui.render.cells import Role, Span
from comfytui.render.chrome import ListSpec, count_text
from comfytui.render.runners import RUNNER_COLUMNS
from comfytui.render.table import visible_columns
from comfytui.render.workflows import HISTORY_COLUMNS
from comfytui.tui.keys.typed_text import clean_typed
from comfytui.tui.screens.base import FollowingScreen
from comfytui.tui.screens.messages import Rearranged
from comfytui.tui.widgets.history_table import HistoryTable
from comfytui.tui.widgets.inputs import MAX_LENGTH, Dropped, Edited, Given, Puzzled
from comfytui.tui.widgets.runner_list import RunnerList

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from comfytui.api.models import Runner
    from comfytui.clock import Clock
    from comfytui.engine.snapshot import Snapshot
    from comfytui.query.view import ListView
    from comfytui.tui.widgets.inputs import Prompt


_LEARNED_AT_ONCE = 4


class ListingScreen(FollowingScreen):
    """What lists runners and the history of one, in a way the person arranges.

    Attributes:
        listing: Which runners are listed, and how.
        prompt: What is typed into, None while nothing is.
    """

    def __init__(self, clock: Clock, view: ViewState, per_page: int) -> None:
        super().__init__(clock)
        self.runners = RunnerList(id="list")
        self.history = HistoryTable(id="history")
        self.prompt: Prompt | None = None
        self._flaw = ""
        self._kept_id: str | None = None
        self.arrange_as(view, per_page)

    def arrange_as(self, view: ViewState, per_page: int) -> None:
        """List runners and history as remembered; the filter is text of a file that a user can edit."""
        view = view._replace(filter=clean_typed(view.filter)[:MAX_LENGTH])
        self.listing = self._listing_before = listing_of(view, per_page)
        self.history.sort = history_sort_of(view)
        self._columns, self._history_columns = view.columns, view.history_columns
        self._arrange_columns(self.listing.sort)

    def relist(self, listing: ListSpec) -> None:
        """List these from now on; another order or filter stays with the runner under the cursor."""
        is_same = (listing.query, listing.sort) == (self.listing.query, self.listing.sort)
        self._kept_id = None if is_same else self.runners.cursor_id
        self.listing = listing
        self._remember()

    def stay_with_runner(self, snapshot: Snapshot) -> None:
        """Turn to the page that has the runner to stay with, until all pages are searched for it.

        That is the one that was pointed at when something else was asked for, and from the next key on whichever is
        pointed at: what is still found moves it from page to page.
        """
        kept_id = self._kept_id or self.runners.unsettled_id(self.listing)
        if kept_id is None:
            return
        view = self.runners.find(self.listing, snapshot)
        found = listing_with(snapshot, self.listing, view, kept_id)
        if found is not None and found.whole == self.listing.whole and found.key != self.listing.key:
            self.runners.seek(kept_id)
            self.listing = self.listing._replace(key=found.key)
        if view is None or view.searched.is_complete:
            self._kept_id = None

    def unknown_ids(self, snapshot: Snapshot) -> tuple[str, ...]:
        """The next runners whose unknown history filter or order ask for: they are asked as if in view."""
        return self._unknown(Requirement.HISTORY, snapshot.histories, self.runners.ids_in_view)

    def unchecked_ids(self, snapshot: Snapshot) -> tuple[str, ...]:
        """The next runners of which filter or order ask whether they answer, and nobody knows."""
        return self._unknown(Requirement.REACHABILITY, snapshot.stats, ())

    def pressed(self) -> None:
        """A key was pressed, which may lead elsewhere."""
        self._kept_id = None

    def enter_list(self) -> None:
        """Put the keys into the list."""
        raise NotImplementedError

    def go_to_runner(self, runner_id: str) -> None:
        """Point at this runner, on whatever page it is, as far as that is known."""
        if self.snapshot is None:
            return
        listing = listing_with(self.snapshot, self.listing, self.runners.view, runner_id)
        if listing is None:
            return
        if self.runners.runner(runner_id) is not None:
            self.runners.move_to(runner_id)
        else:
            self.runners.seek(runner_id)
            self.relist(listing)
        self.enter_list()

    def action_next_page(self, times: int = 1) -> None:
        """Turn to the next page, if there is one, as often as said."""
        page, last = self.listing.key.page, self.runners.pages
        if last is None or page < last:
            self.turn_to(page + 1 if last is None else min(page + times, last))

    def action_previous_page(self, times: int = 1) -> None:
        """Turn to the page before, if there is one, as often as said."""
        if self.listing.key.page > 1:
            self.turn_to(max(1, self.listing.key.page - times))

    def action_go_to_page(self) -> None:
        """Ask for the number of a page."""
        self._open(filters=False)

    def action_filter(self) -> None:
        """Ask for a filter."""
        self._listing_before = self.listing
        self._open(filters=True)

    def action_cycle_status(self, times: int = 1) -> None:
        """List all runners, the active ones, or the disabled ones, from the first page on."""
        key = self.listing.key
        following = STATUSES[(STATUSES.index(key.status) + times) % len(STATUSES)]
        self.runners.seek(self.runners.cursor_id)
        self.relist(self.listing._replace(key=replace(key, page=1, status=following)))

    def action_sort_column(self, times: int = 1) -> None:
        """Sort by the next column: the history where the keys go there, else the list."""
        if self.history.has_focus:
            self.history.sort = following_sort(WORKFLOW_KEYS, self.history.sort, times)
            self._rearranged()
        else:
            self._sort(following_sort(RUNNER_KEYS, self.listing.sort, times))

    def action_sort_direction(self, times: int = 1) -> None:
        """Sort the other way round."""
        if not times % 2:
            return
        if self.history.has_focus:
            self.history.sort = (self.history.sort or API_ORDER).flipped
            self._rearranged()
        else:
            self._sort((self.listing.sort or API_ORDER).flipped)

    def action_choose_columns(self) -> None:
        """Choose the columns of the history where the keys go there, else of the list."""
        from comfytui.tui.screens.column_chooser import ColumnsScreen

        if self.history.has_focus:
            self.open_screen(ColumnsScreen(HISTORY_COLUMNS, self._history_columns), self._history_columns_chosen)
        else:
            self.open_screen(ColumnsScreen(RUNNER_COLUMNS, self._columns), self._columns_chosen)

    def clear_filter(self) -> None:
        """List without the filter, and without that of the status once there is no other."""
        key = replace(self.listing.key, page=1)
        if self.listing.query:
            self.relist(self.listing._replace(key=key, query=parse("")))
        elif key.status is not None:
            self.runners.seek(self.runners.cursor_id)
            self.relist(self.listing._replace(key=replace(key, status=None)))

    def turn_to(self, page: int) -> None:
        """List the runners of this page."""
        self.relist(self.listing._replace(key=replace(self.listing.key, page=page)))

    def close_prompt(self) -> None:
        """Take away what is typed into; what it did stays."""
        if self.prompt is not None:
            self.prompt.remove()
            self.prompt = None
            self.footer.display = True
            self.show_hints()

    def say_in_prompt(self) -> None:
        """Say beside what is typed what it finds."""
        if (prompt := self.prompt) is None:
            return
        pages = (Span(f"of {self.runners.pages or '?'}", Role.MUTED),)
        found = count_text(self.runners.view, prompt.room) if self.runners.view else ()
        prompt.say((Span(self._flaw, Role.BAD),) if self._flaw else found if prompt.FILTERS else pages)

    @on(Edited)
    def _typed(self, event: Edited) -> None:
        self._flaw = ""
        if event.prompt is not self.prompt or not event.prompt.FILTERS:
            return
        query = self._understood(event.text)
        if query is not None and query.text != self.listing.query.text:
            self.relist(self.listing._replace(key=replace(self.listing.key, page=1), query=query))
        self.say_in_prompt()

    @on(Given)
    def _given(self, event: Given) -> None:
        if event.prompt is not self.prompt:
            return
        if event.prompt.FILTERS:
            self._understood(event.text)
        elif event.text and not self._turned(int(event.text)):
            self._flaw = f"there are pages 1 to {self.runners.pages or '?'}"
        if self._flaw:
            self.say_in_prompt()
        else:
            self.enter_list()

    @on(Puzzled)
    def _explain(self) -> None:
        from comfytui.tui.screens.help import GrammarScreen

        self.open_screen(GrammarScreen())

    @on(Dropped)
    def _dropped(self, event: Dropped) -> None:
        if event.prompt is self.prompt and event.prompt.FILTERS:
            self.relist(self._listing_before)
        self.enter_list()

    def _unknown(self, need: Requirement, known: Container[str], asked: Iterable[str]) -> tuple[str, ...]:
        """The first few of the runners searched that are neither among the known nor among those asked anyway."""
        needed = self.listing.query.needs | (requirements(self.listing.sort) if self.listing.sort else frozenset())
        if need not in needed:
            return ()
        left_out = set(asked)
        ids = (runner.id for runner in self.runners.searched)
        return tuple(islice((each for each in ids if each not in left_out and each not in known), _LEARNED_AT_ONCE))

    def _open(self, *, filters: bool) -> None:
        from comfytui.tui.widgets.inputs import FilterBox, PageBox

        self.close_prompt()
        self.prompt, self._flaw = FilterBox(self.listing.query.text) if filters else PageBox(), ""
        self.mount(self.prompt, before=self.footer)
        self.footer.display = False
        self.say_in_prompt()

    def _understood(self, text: str) -> Query | None:
        """The filter that was typed; None where it makes no sense, which is said beside it."""
        try:
            return parse(text)
        except QueryError as error:
            self._flaw = str(error)
            return None

    def _turned(self, page: int) -> bool:
        """Turn to a page, if there may be one of this number."""
        exists = page >= 1 and (self.runners.pages is None or page <= self.runners.pages)
        if exists:
            self.turn_to(page)
        return exists

    def _sort(self, sort: Sort | None) -> None:
        self._arrange_columns(sort)
        self.relist(self.listing._replace(sort=sort))

    def _columns_chosen(self, chosen: tuple[str, ...] | None) -> None:
        if chosen is not None:
            self._columns = chosen
            self._rearranged()

    def _history_columns_chosen(self, chosen: tuple[str, ...] | None) -> None:
        if chosen is not None:
            self._history_columns = chosen
            self._rearranged()

    def _rearranged(self) -> None:
        self._arrange_columns(self.listing.sort)
        self.follow_again()
        self._remember()

    def _arrange_columns(self, sort: Sort | None) -> None:
        self.runners.have_columns(visible_columns(RUNNER_COLUMNS, self._columns), sort)
        self.history.have_columns(visible_columns(HISTORY_COLUMNS, self._history_columns), self.history.sort)

    def _remember(self) -> None:
        arranged_so = (self.listing, self._columns, self.history.sort, self._history_columns)
        self.post_message(Rearranged(view_of(*arranged_so)))


API_ORDER = Sort("created", descending=True)
"""The order in which the API lists runners and workflows (pages list-runners and get-runner-history)."""

STATUSES = (None, RunnerStatus.ACTIVE, RunnerStatus.DISABLED)
"""What runners can be filtered by where the API does it, in the order of the key that changes it."""


def following_sort(keys: Sequence[str], sort: Sort | None, times: int = 1) -> Sort | None:
    """Return the sort by a later column, each in its natural direction; behind the last comes the API's order.

    Args:
        keys: The columns in order.
        sort: The present sort, None for the API's order.
        times: Columns to go on by.
    """
    indexes = {key: index for index, key in enumerate(keys)}
    present = len(keys) if sort is None else indexes.get(sort.key, len(keys))
    following = (present + times) % (len(keys) + 1)
    return default_order(keys[following]) if following < len(keys) else None


def listing_with(snapshot: Snapshot, listing: ListSpec, view: ListView | None, runner_id: str) -> ListSpec | None:
    """The listing that has this runner, as near to the present one as there is; None where it is on no page loaded."""
    if view is not None and (place := _place(view.runners, runner_id)) is not None:
        return listing._replace(key=replace(listing.key, page=place // listing.key.per_page + 1))
    # The list in view before others, and the very page before one that only tells where it would be.
    pages = sorted(snapshot.pages, key=lambda key: (key.status != listing.key.status, key.per_page))
    for key in pages:
        page = snapshot.pages[key].value
        if page is not None and (place := _place(page.runners, runner_id)) is not None:
            before = (key.page - 1) * key.per_page + place
            return ListSpec(PageKey(before // listing.key.per_page + 1, listing.key.per_page, key.status))
    return None


def listing_of(view: ViewState, per_page: int) -> ListSpec:
    """The listing that was remembered; what makes no sense any more is left out."""
    status = next((each for each in STATUSES if each == view.status), None)
    sort = Sort(view.sort, descending=view.descending) if view.sort in RUNNER_KEYS and view.sort else None
    return ListSpec(PageKey(per_page=per_page, status=status), _query(view.filter), sort)


def history_sort_of(view: ViewState) -> Sort | None:
    """The order of the history that was remembered."""
    key = view.history_sort
    return Sort(key, descending=view.history_descending) if key and key in WORKFLOW_KEYS else None


def view_of(
    listing: ListSpec, columns: tuple[str, ...], history_sort: Sort | None, history_columns: tuple[str, ...]
) -> ViewState:
    """What is to be remembered of a view."""
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


def _query(text: str) -> Query:
    try:
        return parse(text)
    except QueryError:
        return Query()


def _place(runners: Sequence[Runner], runner_id: str) -> int | None:
    return next((place for place, runner in enumerate(runners) if runner.id == runner_id), None)
