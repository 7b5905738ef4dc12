"""Palette of commands, profiles and loaded runners."""

from __future__ import annotations

import unicodedata
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from functools import partial
from heapq import nsmallest
from itertools import chain
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol, runtime_checkable

from textual import events, on
from textual.command import CommandInput, CommandList, CommandPalette, DiscoveryHit, Hit, Provider, SearchIcon
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, LoadingIndicator
from textual.worker import Worker, WorkerState

from comfytui.query.collation import fold_case, natural_key
from comfytui.query.workflows import display_name
from comfytui.tui.keys.bindings import active_keys, bindings_for
from comfytui.tui.keys.commands import COMMANDS, Scope
from comfytui.tui.screen_stack import OwnScreen
from comfytui.tui.screens.messages import ProfileSelected, RunnerRequested

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from textual.app import ComposeResult
    from textual.binding import ActiveBinding, BindingType
    from textual.style import Style

    from comfytui.api.models import Runner
    from comfytui.engine.snapshot import Snapshot


_MAX_RUNNERS = 50
_MAX_LINES = 100
_MAX_TYPED = 200

# Commands come before runners that match as well.
_COMMAND_BONUS = 0.01


class _HasProfiles(Protocol):
    @property
    def profiles(self) -> tuple[str, ...]: ...


class _HasFleets(Protocol):
    @property
    def fleets(self) -> _HasProfiles: ...


@runtime_checkable
class _HasSnapshot(Protocol):
    """App that has a snapshot and profiles."""

    snapshot: Snapshot

    @property
    def services(self) -> _HasFleets: ...


class PaletteEntry(NamedTuple):
    """Entry of the palette.

    Attributes:
        title: Text that is searched.
        hint: Text beside it: keys, or an id.
        run: Called when chosen; a coroutine is awaited.
    """

    title: str
    hint: str
    run: Callable[[], object]


class EntryProvider(Provider):
    """Provider of entries, all of which are shown before anything is typed."""

    @abstractmethod
    def entries(self) -> Iterable[PaletteEntry]:
        """Return the entries; earlier ones come first if they match as well."""

    async def discover(self) -> AsyncIterator[DiscoveryHit]:
        """Yield all entries."""
        for offer in self.entries():
            yield DiscoveryHit(_display_text(offer), offer.run, text=offer.title)

    async def search(self, query: str) -> AsyncIterator[Hit]:
        """Yield the entries that match the query."""
        for offer in self.entries():
            if (found := fuzzy_match(query, offer.title)) is not None:
                yield _hit(offer, found, self.match_style, _COMMAND_BONUS)


class ProfileProvider(EntryProvider):
    """Provider of the profiles."""

    def entries(self) -> Iterator[PaletteEntry]:
        """Yield an entry per profile."""
        for name in self.app.services.fleets.profiles if isinstance(self.app, _HasSnapshot) else ():
            yield PaletteEntry(
                f"Switch to profile {name}", "", partial(self.screen.post_message, ProfileSelected(name))
            )


class CommandProvider(EntryProvider):
    """Provider of the commands of the screen below the palette, with their keys."""

    def entries(self) -> Iterator[PaletteEntry]:
        """Yield the commands in the order of their declaration, with the profiles in place of their command."""
        active: dict[str | None, ActiveBinding] = {}
        for each in self.screen.active_bindings.values():
            active.setdefault(each.binding.id, each)
        keys = active_keys(self.screen)
        for declared in COMMANDS:
            if declared.id == "switch_profile":
                yield from ProfileProvider(self.screen).entries()
            elif declared.in_palette and (found := active.get(declared.id)) is not None:
                run = partial(self.app.run_action, found.binding.action, found.node)
                yield PaletteEntry(declared.help, " ".join(keys[declared.id]), run)


class RunnerProvider(Provider):
    """Provider of all loaded runners by name; none before anything is typed, as they are many."""

    async def search(self, query: str) -> AsyncIterator[Hit]:
        """Yield the best matches of the query."""
        runners = _loaded(self.app.snapshot) if isinstance(self.app, _HasSnapshot) else ()
        named = ((display_name(runner.name, runner.id), runner.id) for runner in runners)
        matching = ((found, name, each) for name, each in named if (found := fuzzy_match(query, name)) is not None)
        for found, name, each in nsmallest(_MAX_RUNNERS, matching, key=_best_first):
            offer = PaletteEntry(name, each, partial(self.screen.post_message, RunnerRequested(each)))
            yield _hit(offer, found, self.match_style)


PROVIDERS = (CommandProvider, RunnerProvider)
"""Providers of the palette."""


class CommandLines(CommandList):
    """Textual's command list, in which a click on a removed line does nothing."""

    @on(events.Click)
    def _skip_line_that_is_gone(self, event: events.Click) -> None:
        if event.style.meta.get("option", 0) >= self.option_count:
            event.prevent_default()


class PaletteScreen(CommandPalette, OwnScreen[None]):
    """Textual's palette with the keys of the keymap and without animations.

    Enter waits for the search, and the frame tells if not all runners are loaded.
    """

    # Specific enough to precede Textual's styles, whose edges not every terminal can draw; without colors they would
    # reverse the line under the cursor, which its lists cannot draw.
    DEFAULT_CSS: ClassVar[str] = """
    PaletteScreen {
        background: transparent;
    }
    PaletteScreen > Vertical {
        margin-top: 0;
        width: 80;
        max-width: 100%;
        background: $bar-background;
    }
    PaletteScreen #--input, PaletteScreen #--input.--list-visible {
        height: 3;
        border: round $frame-focused;
        border-subtitle-color: $role-muted;
        background: $bar-background;
    }
    PaletteScreen #--input SearchIcon {
        margin: 0 0 0 1;
        color: $role-accent;
    }
    PaletteScreen #--input CommandInput, PaletteScreen #--input CommandInput:focus {
        height: 1;
        border: none;
        padding: 0;
    }
    PaletteScreen #--results CommandList, PaletteScreen #--results CommandList.--populating {
        max-height: 70vh;
        scrollbar-size-vertical: 0;
        border: round $frame;
        background: $bar-background;
    }
    PaletteScreen #--results CommandList > .option-list--option {
        padding: 0 1;
        text-style: none;
    }
    PaletteScreen #--results CommandList > .option-list--option-highlighted {
        text-style: bold;
    }
    PaletteScreen #--results CommandList:nocolor > .option-list--option-highlighted {
        text-style: bold underline;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.PALETTE)]

    def __init__(self, providers: Sequence[type[Provider]] = PROVIDERS) -> None:
        super().__init__(providers, placeholder="A command, or a runner's name")
        self._finds_runners = RunnerProvider in providers
        self._given_early = False

    def compose(self) -> ComposeResult:
        """Compose Textual's input over our own list."""
        with Vertical(id="--container"):
            with Horizontal(id="--input"):
                yield SearchIcon()
                yield CommandInput(placeholder=self._placeholder, select_on_focus=False)
            with Vertical(id="--results"):
                yield CommandLines()
                yield LoadingIndicator()

    @property
    def is_deciding(self) -> bool:
        """True while Enter waits for the search."""
        return self._given_early

    def on_mount(self) -> None:
        """Stop the blinking cursor, and use an icon of width 1 in every terminal."""
        box = self.query_one(CommandInput)
        box.cursor_blink, box.max_length = False, _MAX_TYPED
        self.query_one(SearchIcon).icon = ">"
        if self._finds_runners and isinstance(self.app, _HasSnapshot):
            self.query_one("#--input", Horizontal).border_subtitle = _loaded_text(self.app.snapshot)

    def on_screen_suspend(self) -> None:
        """Cancel the search, for its list may be removed before it ends."""
        self._cancel_gather_commands()
        self._stop_busy_countdown()
        self._stop_no_matches_countdown()

    @on(Input.Changed)
    def _query(self) -> None:
        self._given_early = False

    @on(Input.Submitted)
    def _on_submitted(self, event: Input.Submitted) -> None:
        # Until then the list belongs to a shorter query.
        if self._is_searching:
            event.prevent_default()
            event.stop()
            self._given_early = True

    @on(Worker.StateChanged)
    def _on_search_ended(self, event: Worker.StateChanged) -> None:
        if self._given_early and not self._is_searching:
            self._given_early = False
            if event.state is WorkerState.SUCCESS:
                self._select_or_command()

    @property
    def _is_searching(self) -> bool:
        """True while this palette is searching; the app's workers include those of closed palettes."""
        return any(
            worker.node is self
            and worker.group == self._GATHER_COMMANDS_GROUP
            and not (worker.is_finished or worker.is_cancelled)
            for worker in self.workers
        )

    def action_palette_up(self, times: int = 1) -> None:
        """Move the cursor up by `times` lines."""
        for _ in range(min(times, _MAX_LINES)):
            self._action_command_list("cursor_up")

    def action_palette_down(self, times: int = 1) -> None:
        """Move the cursor down by `times` lines."""
        for _ in range(min(times, _MAX_LINES)):
            self._action_cursor_down()

    def _action_command_list(self, action: str) -> None:
        """Move in the list once it is laid out, for before that it has no lines."""
        if action == "select" or (self._list_visible and self.query_one(CommandList).size):
            super()._action_command_list(action)

    def action_close_palette(self) -> None:
        """Close the palette."""
        self._action_escape()


def _best_first(matching: tuple[FuzzyMatch, str, str]) -> tuple[float, str, str]:
    """Return the sort key of a match: the score of the best first, then name and id."""
    found, name, runner_id = matching
    return -found.score, natural_key(name), runner_id


def _loaded(snapshot: Snapshot) -> Iterable[Runner]:
    """Return every loaded runner once, as the newest response has it."""
    answered = sorted(snapshot.pages.values(), key=lambda feed: feed.fetched_monotonic or 0.0)
    return {runner.id: runner for feed in answered if feed.value for runner in feed.value.runners}.values()


def _loaded_text(snapshot: Snapshot) -> str:
    """Return a text about how many runners are loaded, or empty if all are."""
    loaded, total = len([*_loaded(snapshot)]), snapshot.total
    return f"{loaded} of {total} runners loaded" if total is not None and loaded < total else ""


def _hit(offer: PaletteEntry, found: FuzzyMatch, style: Style | None, bonus: float = 0.0) -> Hit:
    return Hit(found.score + bonus, _display_text(offer, found.indices, style), offer.run, text=offer.title)


def _display_text(offer: PaletteEntry, places: Iterable[int] = (), style: Style | None = None) -> Content:
    """Return the entry as text that is never parsed as markup."""
    title = Content(offer.title)
    for place in places:
        title = title.stylize(style or "", place, place + 1)
    return Content.assemble(title, (f"  {offer.hint}", "dim")) if offer.hint else title


_MAX_CANDIDATE = 200
"""Most characters of a text that are searched."""


class FuzzyMatch(NamedTuple):
    """Match of a query in a text.

    Attributes:
        score: Greater than 0 and at most 2: above 1 if the text contains the query as it is.
        indices: Offsets of the matching characters in the text, ascending.
    """

    score: float
    indices: tuple[int, ...]


def fuzzy_match(query: str, text: str) -> FuzzyMatch | None:
    """Return the match of a query whose letters the text contains in order, in any case, or None.

    Whole words and short texts score higher. The time is linear in the text, for names come from the API.
    """
    wanted, (candidate, origins) = fold_case(query.strip()), _fold(text[:_MAX_CANDIDATE])
    if not wanted:
        return None
    if (start := _match_substring(wanted, candidate)) is not None:
        whole_word = 0.5 if start == 0 or not candidate[start - 1].isalnum() else 0.0
        places = _original_indices(range(start, start + len(wanted)), origins)
        return FuzzyMatch(1.0 + whole_word + 0.5 * len(wanted) / len(candidate), places)
    found = _match_subsequence("".join(wanted.split()), candidate)
    return FuzzyMatch(len(found) / (found[-1] - found[0] + 1), _original_indices(found, origins)) if found else None


def _fold(text: str) -> tuple[str, list[range]]:
    """Return the folded text, and for each of its characters the offsets in `text` that it comes from."""
    if text.isascii():
        return fold_case(text), [range(index, index + 1) for index in range(len(text))]
    folded: list[str] = []
    origins: list[range] = []
    for origin in _clusters(text):
        part = fold_case(text[origin.start : origin.stop])
        folded.append(part)
        origins.extend([origin] * len(part))
    return "".join(folded), origins


def _clusters(text: str) -> list[range]:
    """Return the offsets of each character together with the combining marks behind it."""
    starts = [index for index, character in enumerate(text) if not index or not unicodedata.combining(character)]
    return [range(start, stop) for start, stop in zip(starts, [*starts[1:], len(text)], strict=True)]


def _original_indices(found: Iterable[int], origins: Sequence[range]) -> tuple[int, ...]:
    """Return the offsets in the text that these characters of the folded text come from, each once."""
    return tuple(dict.fromkeys(chain.from_iterable(origins[index] for index in found)))


def _match_substring(wanted: str, candidate: str) -> int | None:
    """Return the index of a substring, at the beginning of a word if possible, or None."""
    first = start = candidate.find(wanted)
    while start > 0 and candidate[start - 1].isalnum():
        start = candidate.find(wanted, start + 1)
    return start if start >= 0 else first if first >= 0 else None


def _match_subsequence(wanted: str, candidate: str) -> tuple[int, ...]:
    """Return the indices of the letters in order, close together: the first possible end, then backwards."""
    place = -1
    for letter in wanted:
        if (place := candidate.find(letter, place + 1)) < 0:
            return ()
    places: list[int] = []
    place += 1
    for letter in reversed(wanted):
        place = candidate.rfind(letter, 0, place)
        places.append(place)
    return tuple(reversed(places))
