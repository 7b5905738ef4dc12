"""The dashboard over a server that changes at random: the cursor belongs to a runner, and Enter opens that runner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from comfytui.api.statuses import RunnerStatus
from comfytui.engine.protocol import PageKey
from comfytui.render.table import ORDER_FREEZE_S
from comfytui.tui.screens.dashboard import DashboardScreen
from tests.support.builders import make_page, make_runner, make_workflow
from tests.support.pilot import Driven, scripted

if TYPE_CHECKING:
    from comfytui.api.models import Runner
    from tests.support.source import ScriptedSource


Fleet: TypeAlias = list[tuple[int, str]]
"""Runners by number, in the server's order, each with a tag."""

TAGS = ("gpu", "cpu")
FLEETS = st.lists(st.tuples(st.integers(0, 9), st.sampled_from(TAGS)), unique_by=lambda each: each[0], min_size=1)


@dataclass(frozen=True)
class Resized:
    """The terminal has another size."""

    columns: int
    rows: int


MOVES = ("down", "up", "G", "g")

STEPS = st.lists(
    st.one_of(
        FLEETS,
        st.sampled_from([*MOVES, "o", "O", "s", "escape", "r"]),
        st.builds(Resized, st.sampled_from([50, 90, 130]), st.sampled_from([12, 30])),
    ),
    min_size=3,
    max_size=9,
)


def runner(number: int, tag: str) -> Runner:
    # Their times are the other way round than their names, so that orders differ.
    return make_runner(
        f"r{number}", name=f"runner-{number}", tags=[tag], created_at=f"2026-01-{20 - number:02}T00:00:00Z"
    )


def serve(source: ScriptedSource, fleet: Fleet) -> None:
    runners = [runner(*each) for each in fleet]
    active = RunnerStatus.ACTIVE
    for key in (PageKey(), PageKey(1, 100), PageKey(status=active), PageKey(1, 100, active)):
        source.pages[key] = make_page(*runners)
    source.runners.update((each.id, each) for each in runners)


def dashboard(driven: Driven) -> DashboardScreen:
    screen = driven.app.screen_stack[0]
    assert isinstance(screen, DashboardScreen)
    return screen


def expected(screen: DashboardScreen, fleet: Fleet) -> list[str]:
    """The ids that the list should have, in order, once nothing is held."""
    if screen.list.listing.key.status == "disabled":
        return []
    sort = screen.list.listing.sort
    if sort is None:
        return [f"r{number}" for number, _ in fleet]
    keyed = {
        "name": lambda each: each[0],
        "tags": lambda each: TAGS[::-1].index(each[1]),
        "created": lambda each: -each[0],
    }
    key = keyed.get(sort.key)
    by_name = sorted(fleet)
    if key is not None:
        by_name = sorted(by_name, key=key, reverse=sort.descending)
    return [f"r{number}" for number, _ in by_name]


@settings(max_examples=4, deadline=None, phases=[Phase.generate])
@given(FLEETS, STEPS)
async def test_cursor_stays_on_its_runner(first: Fleet, steps: list[Fleet | str | Resized]) -> None:
    async with scripted(make_page()) as (driven, source):
        fleet = first
        serve(source, fleet)
        await driven.passes(10.0)
        screen = dashboard(driven)
        for step in steps:
            before = screen.runners.cursor_id
            match step:
                case list():
                    fleet = step
                    serve(source, fleet)
                    await driven.passes(10.0)
                case str():
                    await driven.pilot.press(step)
                    await driven.granted()
                    await driven.passes(ORDER_FREEZE_S)
                case Resized(columns, rows):
                    await driven.pilot.resize_terminal(columns, rows)
                    await driven.settled()
            ids = [row.id for row in screen.runners.rows]
            assert ids == expected(screen, fleet)
            if before in ids and step not in MOVES:
                assert screen.runners.cursor_id == before
            assert (screen.runners.cursor_id in ids) == bool(ids)
            assert screen.runners.cursor_id in screen.runners.visible_ids or not ids
        await opens_what_is_under_the_cursor(driven, screen)


async def opens_what_is_under_the_cursor(driven: Driven, screen: DashboardScreen) -> None:
    pointed_at = screen.runners.cursor_id
    await driven.press("enter")
    assert screen.history.runner_id == pointed_at


async def test_enter_opens_what_was_under_the_cursor_although_the_list_moves() -> None:
    async with scripted(make_page(runner(1, "gpu"), runner(2, "gpu"), runner(3, "cpu"))) as (driven, source):
        await driven.press("down")
        serve(source, [(9, "gpu"), (3, "cpu"), (2, "gpu")])
        await driven.press("r")
        await driven.until(lambda: "moves held" in driven.text)
        screen = dashboard(driven)
        assert [row.id for row in screen.runners.rows] == ["r1", "r2", "r3"]
        await opens_what_is_under_the_cursor(driven, screen)
        assert screen.history.runner_id == "r2"
        await driven.passes(ORDER_FREEZE_S)
        assert [row.id for row in screen.runners.rows] == ["r9", "r3", "r2"]
        assert screen.runners.cursor_id == "r2"


async def test_a_runner_that_goes_gives_the_cursor_to_its_neighbour_and_that_is_said() -> None:
    async with scripted(make_page(runner(1, "gpu"), runner(2, "gpu"), runner(3, "cpu"))) as (driven, source):
        await driven.press("down")
        serve(source, [(1, "gpu"), (3, "cpu")])
        await driven.passes(6.0)
        await driven.sees("runner-2 is no longer on this page")
        assert dashboard(driven).runners.cursor_id == "r3"


async def test_a_changed_runner_is_marked_for_one_tick() -> None:
    async with scripted(make_page(runner(1, "gpu"), runner(2, "gpu"))) as (driven, source):
        await driven.passes(10.0)
        assert "∆" not in driven.text
        serve(source, [(1, "gpu"), (2, "cpu")])
        await driven.passes(5.0)
        (line,) = (line for line in driven.lines if "∆" in line)
        assert "runner-2" in line
        await driven.passes(5.0)
        await driven.passes(0.5)
        assert "∆" not in driven.text


async def test_a_runner_that_goes_while_one_is_in_its_history_leads_back_to_the_list() -> None:
    async with scripted(make_page(runner(1, "gpu"), runner(2, "gpu")), size=(60, 20)) as (driven, source):
        await driven.press("enter")
        assert dashboard(driven).history.has_focus
        serve(source, [(2, "gpu")])
        await driven.passes(10.0)
        assert dashboard(driven).runners.has_focus
        await driven.sees("runner-1 is no longer on this page", "runner-2")


async def test_a_workflow_that_is_pushed_out_gives_the_cursor_to_its_neighbour_and_that_is_said() -> None:
    upscale, portrait, sketch = (make_workflow(name, name=name) for name in ("upscale", "portrait", "sketch"))
    async with scripted(make_page(runner(1, "gpu")), (upscale, portrait)) as (driven, source):
        await driven.press("enter", "down")
        source.histories["r1"] = (sketch, upscale)
        await driven.passes(6.0)
        await driven.sees("portrait is no longer among the newest")
        assert dashboard(driven).history.cursor_id == "upscale"
        await driven.passes(20.0)
        assert "no longer" not in driven.text


async def test_a_workflow_that_goes_while_no_cursor_points_at_it_is_not_missed() -> None:
    upscale, portrait = (make_workflow(name, name=name) for name in ("upscale", "portrait"))
    async with scripted(make_page(runner(1, "gpu")), (upscale, portrait)) as (driven, source):
        source.histories["r1"] = (portrait,)
        await driven.passes(6.0)
        await driven.press("enter")
        await driven.sees("portrait")
        assert "no longer" not in driven.text
