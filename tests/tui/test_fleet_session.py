"""One fleet at a time: its view is kept, its clock believed, and another one begins from scratch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual.events import AppFocus

from comfytui.config.settings import SettingsError
from comfytui.config.state import InMemoryStateStore, State, ViewState
from comfytui.engine.engine import Engine
from comfytui.engine.protocol import PageKey, SetInterval, Viewport
from comfytui.engine.snapshot import Snapshot
from comfytui.login import NoAuthentication
from comfytui.ratelimit.local import LocalRateLimiter
from comfytui.render.times import TimeStyle
from comfytui.tui.services import AppServices, FleetResources, OpenFleet
from comfytui.tui.widgets.inputs import MAX_LENGTH, TextInput
from comfytui.tui.widgets.timers import CoalescingDelay
from tests.support.builders import make_page, make_runner
from tests.support.clock import FakeClock
from tests.support.pilot import demo, scripted
from tests.support.source import ScriptedSource

if TYPE_CHECKING:
    from tests.support.pilot import Driven


def remembering(state: State) -> AppServices:
    memory = InMemoryStateStore()
    memory.save(state)
    return AppServices(state_store=memory)


class Other:
    """Has one fleet more, and one that cannot be opened."""

    def __init__(self) -> None:
        self.closed = 0
        self.source = ScriptedSource(FakeClock())
        self.source.pages[PageKey()] = make_page(make_runner("o1", name="other runner"))

    @property
    def profiles(self) -> tuple[str, ...]:
        return ("staging", "broken")

    def open(self, profile: str) -> OpenFleet:
        if profile == "broken":
            raise SettingsError("The profile [broken] is.")
        clock = FakeClock()

        async def connect() -> ScriptedSource:
            return self.source

        def watch(viewport: Viewport) -> FleetResources:
            engine = Engine(connect, clock, viewport=viewport, interval=5.0, rate_limiter=LocalRateLimiter(clock))
            return FleetResources(engine, NoAuthentication("staging.test"), self._close)

        return OpenFleet(profile, "staging.test", Snapshot(), watch, profile, "red")

    def _close(self) -> None:
        self.closed += 1


async def choose(driven: Driven, words: str) -> None:
    """Choose something in the palette."""
    await driven.press("ctrl+p")
    for char in words:
        await driven.pilot.press("space" if char == " " else char)
    await driven.sees(f"> {words}")
    await driven.pilot.pause(0.2)
    await driven.pilot.press("enter")


async def test_another_fleet_begins_from_scratch() -> None:
    fleets = Other()
    page = make_page(make_runner("r1", name="first runner"))
    async with scripted(page, services=AppServices(InMemoryStateStore(), fleets=fleets)) as (driven, source):
        await driven.press("enter", "H")
        await choose(driven, "profile staging")
        await driven.sees("staging · staging.test", "other runner", "No workflows on this runner yet")
        assert "first runner" not in driven.text
        assert source.closed == 1
        assert driven.app.session.state.profile == "staging"
        await driven.settled()
        assert driven.app.snapshot.viewport.runner_id == "o1"
        assert driven.app.screen.focused is not None
        assert driven.app.screen.focused.id == "list"
    assert fleets.closed == 1


async def test_a_fleet_that_cannot_be_opened_is_said_and_the_old_one_goes_on() -> None:
    page = make_page(make_runner("r1", name="first runner"))
    async with scripted(page, services=AppServices(InMemoryStateStore(), fleets=Other())) as (driven, source):
        await choose(driven, "profile broken")
        await driven.sees("The profile [broken] is.", "first runner")
        assert source.closed == 0


async def test_the_view_is_kept_and_found_again() -> None:
    services = AppServices(InMemoryStateStore())
    async with demo(services=services) as driven:
        await driven.press("s", "o", "O", "slash", *"gpu", "enter", "u", "t")
        await driven.press("c", "down", "down", "space", "escape", "enter", "o", "escape")
    kept = services.state_store.state
    assert kept.views["demo"] == ViewState(
        filter="gpu",
        status="active",
        sort="name",
        descending=True,
        columns=("name", "reach", "last", "when", "queue", "tags", "endpoint", "created", "updated"),
        history_sort="name",
        per_page=25,
    )
    assert (kept.time_style, kept.theme) == ("local", "light")
    async with demo(services=services) as driven:
        await driven.sees("Runners  active  /gpu", "name▼", "all pages searched")
        assert driven.app.theme == "light"
        assert driven.app.time_style is TimeStyle.LOCAL


async def test_invalid_saved_view_values_are_ignored() -> None:
    view = ViewState(filter='"', status="gone", sort="mood", columns=("mood",), history_sort="mood", per_page=-1)
    state = State(time_style="sundial", theme="beige", views={"scripted": view})
    async with scripted(make_page(make_runner("r1")), services=remembering(state)) as (driven, _):
        await driven.sees("Runner r1", "page 1/1")
        assert driven.app.theme == "dark"
        assert driven.app.time_style is TimeStyle.RELATIVE


async def test_restored_filter_is_cleaned_and_cut_as_a_typed_one_is() -> None:
    view = ViewState(filter="gpu\u202e\u2066\u200b\ufe0f" + "x" * 5000 + "\u2028gone")
    async with scripted(make_page(make_runner("r1")), services=remembering(State(views={"scripted": view}))) as (
        driven,
        _,
    ):
        await driven.sees("No runner matches /gpu")
        await driven.press("slash")
        typed = driven.app.screen.query_one(TextInput).value
        assert typed == "gpu" + "x" * (MAX_LENGTH - 3)
        assert not set("\u202e\u2066\u200b\ufe0f\u2028") & set(driven.text)


async def test_times_begin_in_the_style_that_was_asked_for() -> None:
    services = AppServices(state_store=remembering(State(time_style="local")).state_store, time_style=TimeStyle.UTC)
    async with demo(services=services) as driven:
        assert driven.app.time_style is TimeStyle.UTC


async def test_a_note_about_what_was_kept_is_told() -> None:
    memory = InMemoryStateStore()
    memory.warning = "The last view cannot be restored: [it] is broken."
    async with demo(services=AppServices(state_store=memory)) as driven:
        await driven.sees("The last view cannot be restored: [it] is broken.")


@pytest.mark.parametrize(
    ("ahead", "words"),
    [(3720.0, "The API's clock is 1h02 ahead of this machine's"), (-75.0, "The API's clock is 1m15 behind")],
)
async def test_a_clock_that_is_off_is_told_once_and_believed(ahead: float, words: str) -> None:
    runner = make_runner("r1", created_at="2026-11-21T13:00:00Z")
    async with scripted(make_page(runner)) as (driven, source):
        await driven.sees("1h ago")
        source.clock_skew = ahead
        await driven.press("r")
        await driven.passes(5.0)
        await driven.sees(words)
        await driven.sees("2h ago" if ahead > 0 else "58m ago")
        told = [entry for entry in driven.app.session.requests.entries if "clock" in getattr(entry, "text", "")]
        await driven.press("r")
        await driven.passes(5.0)
        again = [entry for entry in driven.app.session.requests.entries if "clock" in getattr(entry, "text", "")]
        assert len(told) == len(again) == 1


async def test_burst_of_responses_is_drawn_once() -> None:
    async with scripted(make_page(make_runner("r1"))) as (driven, _):
        await driven.passes(5.0)
        engine, app = driven.app.session.fleet.engine, driven.app
        app.session.coalescing.flush()
        app.session.coalescing = CoalescingDelay(3600.0)
        for seconds in (7.0, 8.0, 9.0):
            engine.perform(SetInterval(seconds))
            await driven.pilot.pause()
        assert app.snapshot.interval == 5.0, "it waits for what else comes"
        await driven.pilot.press("j")
        await driven.sees("every 9 s")
        engine.perform(SetInterval(11.0))
        await driven.sees("every 11 s")
        engine.perform(SetInterval(12.0))
        await driven.sees("every 12 s")


async def test_at_a_start_nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comfytui.tui.fleet_session.COALESCE_S", 3600.0)
    async with scripted(make_page(make_runner("r1"))) as (driven, _):
        await driven.sees("Runner r1", "No workflows on this runner yet")


async def test_a_terminal_that_is_in_front_again_waits_for_nothing() -> None:
    async with scripted(make_page(make_runner("r1"))) as (driven, _):
        await driven.passes(5.0)
        driven.app.session.coalescing.flush()
        driven.app.session.coalescing = CoalescingDelay(3600.0)
        driven.app.session.fleet.engine.perform(SetInterval(7.0))
        await driven.pilot.pause()
        assert driven.app.snapshot.interval == 5.0
        driven.app.post_message(AppFocus())
        await driven.sees("every 7 s")
        driven.app.session.fleet.engine.perform(SetInterval(9.0))
        await driven.sees("every 9 s")


async def test_clocks_of_runners_that_are_off_are_told_once_each() -> None:
    skewed = [make_runner(f"r{number}", name=f"gpu{number}", clock_skew=300) for number in range(2)]
    async with scripted(make_page(*skewed, make_runner("fine"))) as (driven, source):
        await driven.sees("The clock of gpu0 is 5m00 ahead of comfytui's")
        source.pages[PageKey()] = make_page(*skewed, make_runner("fine"), make_runner("behind", clock_skew=-43))
        await driven.press("r")
        await driven.passes(5.0)
        await driven.sees("The clock of Runner behind is 43s behind comfytui's")
        notes = [entry for entry in driven.app.session.requests.entries if "clock" in getattr(entry, "text", "")]
        assert len(notes) == 3
