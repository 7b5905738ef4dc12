"""The palette: the commands that can be given where it was opened, the profiles, and every runner that is loaded."""

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

from comfytui.query.collation import natural_key, reducer
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

# What is done comes before what is looked at, where both match as well.
_COMMAND_BONUS = 0.01


class _HasProfiles(Protocol):
    @property
    def profiles(self) -> tuple[str, ...]: ...


class _HasFleets(Protocol):
    @property
    def fleets(self) -> _HasProfiles: ...


@runtime_checkable
class _HasSnapshot(Protocol):
    """What the palette has to know of the app: what is loaded, and which profiles one can switch to."""

    snapshot: Snapshot

    @property
    def services(self) -> _HasFleets: ...


class PaletteEntry(NamedTuple):
    """A line of the palette.

    Attributes:
        title: What it is found by.
        beside: What stands behind it: keys, or an id.
        run: What it does; a coroutine is awaited.
    """

    title: str
    hint: str
    run: Callable[[], object]


class EntryProvider(Provider):
    """Offers lines, all of them before anything is typed."""

    @abstractmethod
    def entries(self) -> Iterable[PaletteEntry]:
        """The lines, the first ones first where they match as well."""

    async def discover(self) -> AsyncIterator[DiscoveryHit]:
        """All of them."""
        for offer in self.entries():
            yield DiscoveryHit(_display_text(offer), offer.run, text=offer.title)

    async def search(self, query: str) -> AsyncIterator[Hit]:
        """Those that match what is typed."""
        for offer in self.entries():
            if (found := fuzzy_match(query, offer.title)) is not None:
                yield _hit(offer, found, self.match_style, _COMMAND_BONUS)


class ProfileProvider(EntryProvider):
    """Offers the profiles one can switch to."""

    def entries(self) -> Iterator[PaletteEntry]:
        """Each profile; none where there are no profiles."""
        for name in self.app.services.fleets.profiles if isinstance(self.app, _HasSnapshot) else ():
            yield PaletteEntry(
                f"Switch to profile {name}", "", partial(self.screen.post_message, ProfileSelected(name))
            )


class CommandProvider(EntryProvider):
    """Offers every command that works where the palette was opened, with its keys."""

    def entries(self) -> Iterator[PaletteEntry]:
        """The commands in the order of their declaration, the profiles in place of the one that switches to them."""
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
    """Offers every runner that is loaded, by name; none before anything is typed, as they are many."""

    async def search(self, query: str) -> AsyncIterator[Hit]:
        """The best of those that match what is typed."""
        runners = _loaded(self.app.snapshot) if isinstance(self.app, _HasSnapshot) else ()
        named = ((display_name(runner.name, runner.id), runner.id) for runner in runners)
        matching = ((found, name, each) for name, each in named if (found := fuzzy_match(query, name)) is not None)
        for found, name, each in nsmallest(_MAX_RUNNERS, matching, key=_best_first):
            offer = PaletteEntry(name, each, partial(self.screen.post_message, RunnerRequested(each)))
            yield _hit(offer, found, self.match_style)


PROVIDERS = (CommandProvider, RunnerProvider)
"""What the palette offers."""


class CommandLines(CommandList):
    """Textual's list of commands, in which a click on a line that is gone by now does nothing."""

    @on(events.Click)
    def _skip_line_that_is_gone(self, event: events.Click) -> None:
        if event.style.meta.get("option", 0) >= self.option_count:
            event.prevent_default()


class PaletteScreen(CommandPalette, OwnScreen[None]):
    """Textual's palette with keys from the keymap, and with nothing that moves by itself.

    Enter behind what is typed waits for what that finds, and the frame says so where not all runners are loaded.
    """

    # Specific enough to come before Textual's, which draws edges that not every terminal can; without colours it
    # would have the line under the cursor reversed, which its lists cannot draw.
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
    PaletteScreen #--input, Palette #--input.--list-visible {
        height: 3;
        border: round $frame-focused;
        border-subtitle-color: $role-muted;
        background: $bar-background;
    }
    PaletteScreen #--input SearchIcon {
        margin: 0 0 0 1;
        color: $role-accent;
    }
    PaletteScreen #--input CommandInput, Palette #--input CommandInput:focus {
        height: 1;
        border: none;
        padding: 0;
    }
    PaletteScreen #--results CommandList, Palette #--results CommandList.--populating {
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
        """Lay out Textual's box over a list of our own."""
        with Vertical(id="--container"):
            with Horizontal(id="--input"):
                yield SearchIcon()
                yield CommandInput(placeholder=self._placeholder, select_on_focus=False)
            with Vertical(id="--results"):
                yield CommandLines()
                yield LoadingIndicator()

    @property
    def is_deciding(self) -> bool:
        """True if Enter waits for what is being searched, so that it is not known yet where it leads."""
        return self._given_early

    def on_mount(self) -> None:
        """Have the cursor stand still, and a sign that every terminal draws as wide as it is."""
        box = self.query_one(CommandInput)
        box.cursor_blink, box.max_length = False, _MAX_TYPED
        self.query_one(SearchIcon).icon = ">"
        if self._finds_runners and isinstance(self.app, _HasSnapshot):
            self.query_one("#--input", Horizontal).border_subtitle = _loaded_text(self.app.snapshot)

    def on_screen_suspend(self) -> None:
        """Search no more, for what would show the result may be gone by then."""
        self._cancel_gather_commands()
        self._stop_busy_countdown()
        self._stop_no_matches_countdown()

    @on(Input.Changed)
    def _query(self) -> None:
        self._given_early = False

    @on(Input.Submitted)
    def _on_submitted(self, event: Input.Submitted) -> None:
        # Until then the list is what fewer letters found, and its first line something else.
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
        """True if what was typed is still being searched: the app's workers include those of palettes closed before."""
        return any(
            worker.node is self
            and worker.group == self._GATHER_COMMANDS_GROUP
            and not (worker.is_finished or worker.is_cancelled)
            for worker in self.workers
        )

    def action_palette_up(self, times: int = 1) -> None:
        """To the line before, as often as said."""
        for _ in range(min(times, _MAX_LINES)):
            self._action_command_list("cursor_up")

    def action_palette_down(self, times: int = 1) -> None:
        """To the next line, as often as said."""
        for _ in range(min(times, _MAX_LINES)):
            self._action_cursor_down()

    def _action_command_list(self, action: str) -> None:
        """Move in the list, once it has a place on the screen: before that it does not know where its lines are."""
        if action == "select" or (self._list_visible and self.query_one(CommandList).size):
            super()._action_command_list(action)

    def action_close_palette(self) -> None:
        """Close it, and do nothing."""
        self._action_escape()


def _best_first(matching: tuple[FuzzyMatch, str, str]) -> tuple[float, str, str]:
    """Return the sort key of a match: the score of the best first, then name and id."""
    found, name, runner_id = matching
    return -found.score, natural_key(name), runner_id


def _loaded(snapshot: Snapshot) -> Iterable[Runner]:
    """Every runner of the pages that were answered, once, as the newest answer has it."""
    answered = sorted(snapshot.pages.values(), key=lambda feed: feed.fetched_monotonic or 0.0)
    return {runner.id: runner for feed in answered if feed.value for runner in feed.value.runners}.values()


def _loaded_text(snapshot: Snapshot) -> str:
    """How many of the runners can be found by name; nothing where all of them can."""
    loaded, total = len([*_loaded(snapshot)]), snapshot.total
    return f"{loaded} of {total} runners loaded" if total is not None and loaded < total else ""


def _hit(offer: PaletteEntry, found: FuzzyMatch, style: Style | None, bonus: float = 0.0) -> Hit:
    return Hit(found.score + bonus, _display_text(offer, found.indices, style), offer.run, text=offer.title)


def _display_text(offer: PaletteEntry, places: Iterable[int] = (), style: Style | None = None) -> Content:
    """The line as text that is never read as markup."""
    title = Content(offer.title)
    for place in places:
        title = title.stylize(style or "", place, place + 1)
    return Content.assemble(title, (f"  {offer.hint}", "dim")) if offer.hint else title


_MAX_CANDIDATE = 200
"""Of a longer text only this many characters are looked at."""


class FuzzyMatch(NamedTuple):
    """How well a text matches, and by which of its characters.

    Attributes:
        score: Greater than 0 and at most 2: above 1 where what was typed stands in the text as it is.
        places: Offsets of the characters in the text, ascending.
    """

    score: float
    indices: tuple[int, ...]


def fuzzy_match(query: str, text: str) -> FuzzyMatch | None:
    """Where the letters typed stand in the text in this order, whatever their case; None where they do not.

    What stands in one piece, at the begin of a word, in a short text comes first. It takes a time proportional to
    the text, whatever either of them is: names come from the API.
    """
    wanted, (candidate, origins) = reducer(query.strip()), _fold(text[:_MAX_CANDIDATE])
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
        return reducer(text), [range(index, index + 1) for index in range(len(text))]
    folded: list[str] = []
    origins: list[range] = []
    for origin in _clusters(text):
        part = reducer(text[origin.start : origin.stop])
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
    """Where it stands as it is: at the begin of a word if there is such a place, else the first place."""
    first = start = candidate.find(wanted)
    while start > 0 and candidate[start - 1].isalnum():
        start = candidate.find(wanted, start + 1)
    return start if start >= 0 else first if first >= 0 else None


def _match_subsequence(wanted: str, candidate: str) -> tuple[int, ...]:
    """Places of the letters in this order, close together: the first end there is, then back from there."""
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
