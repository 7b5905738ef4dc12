"""Filters, orders, pages and columns, as a person finds runners with them."""

from __future__ import annotations

from comfytui.api.errors import ServerError
from comfytui.engine.protocol import HistoryKey, PageKey
from tests.support.builders import make_page, make_runner, make_workflow
from tests.support.pilot import Driven, demo, scripted

RUNNERS = [
    make_runner("r1", name="alpha", tags=["gpu"], created_at="2026-01-03T00:00:00Z"),
    make_runner("r2", name="beta", tags=["cpu"], created_at="2026-01-02T00:00:00Z", status="disabled"),
    make_runner("r3", name="gamma", tags=["gpu", "big"], created_at="2026-01-01T00:00:00Z"),
]
NAMES = ("alpha", "beta", "gamma")


async def type_in(driven: Driven, text: str) -> None:
    for char in text:
        await driven.pilot.press(
            {" ": "space", "!": "exclamation_mark", ":": "colon", '"': "quotation_mark"}.get(char, char)
        )
    await driven.settled()


def listed(driven: Driven) -> list[str]:
    """The names in the list, from the top."""
    rows = [line.split("││")[0] for line in driven.lines]
    found = [(row, name) for row in rows for name in NAMES if f"  {name} " in row]
    return [name for _, name in found]


def wholes() -> dict[PageKey, object]:
    return {PageKey(1, 100): make_page(*RUNNERS)}


async def test_a_filter_narrows_the_list_while_it_is_typed() -> None:
    async with scripted(make_page(*RUNNERS)) as (driven, source):
        source.pages[PageKey(1, 100)] = make_page(*RUNNERS)
        await driven.press("slash")
        await type_in(driven, "gpu")
        await driven.sees("/gpu", "2 of 3  all pages searched", "page 1/1  1–2 of 2 (3 loaded)")
        assert listed(driven) == ["alpha", "gamma"]
        await type_in(driven, " !tag:big")
        await driven.sees("1 of 3")
        assert listed(driven) == ["alpha"]
        await driven.press("enter")
        assert driven.app.screen.focused is not None
        assert driven.app.screen.focused.id == "list"
        await driven.sees("Runners  /gpu !tag:big", "? help")
        await driven.press("escape")
        assert listed(driven) == ["alpha", "beta", "gamma"]


async def test_escape_in_the_box_goes_back_to_the_filter_before() -> None:
    async with scripted(make_page(*RUNNERS)) as (driven, source):
        source.pages[PageKey(1, 100)] = make_page(*RUNNERS)
        await driven.press("slash")
        await type_in(driven, "cpu")
        await driven.press("enter", "slash")
        await type_in(driven, "nothing")
        await driven.sees("No runner matches /cpunothing")
        await driven.press("escape")
        await driven.sees("Runners  /cpu")
        assert listed(driven) == ["beta"]


async def test_invalid_filter_is_explained_and_ignored() -> None:
    async with scripted(make_page(*RUNNERS)) as (driven, source):
        source.pages[PageKey(1, 100)] = make_page(*RUNNERS)
        await driven.press("slash")
        await type_in(driven, "gpu")
        await type_in(driven, ' "')
        await driven.sees("close the quotes")
        assert listed(driven) == ["alpha", "gamma"]
        await driven.press("enter")
        await driven.sees("close the quotes")
        await type_in(driven, 'x"')
        await driven.sees("0 of 3")


async def test_a_question_mark_in_the_box_explains_it() -> None:
    async with demo((80, 24)) as driven:
        await driven.press("slash", "question_mark")
        await driven.sees("Filter syntax", "last:failed", "!tag:cpu")
        await driven.press("escape")
        await type_in(driven, "gpu")
        await driven.sees("/gpu", "110 of 120")


async def test_pages_that_are_still_to_come_are_counted() -> None:
    many = [make_runner(f"r{number}", name=f"n{number}") for number in range(250)]
    async with scripted(make_page(*many[:25], total=250)) as (driven, source):
        await driven.passes(30.0)
        keys = [PageKey(number, 100) for number in (1, 2, 3)]
        for place, key in enumerate(keys):
            source.pages[key] = make_page(*many[place * 100 : place * 100 + 100], total=250)
        source.hold(*keys[1:])
        await driven.press("slash")
        await type_in(driven, "n24")
        await driven.until(lambda: "1/3 pages" in driven.text)
        source.release(*keys[1:])
        await driven.passes(1.0)
        await driven.passes(1.0)
        await driven.sees("11 of 250  all pages searched")


async def test_the_cursor_stays_with_its_runner_while_pages_still_come_whatever_is_pressed() -> None:
    many = [make_runner(f"r{number:03}", name=f"n{250 - number:03}") for number in range(250)]
    async with scripted(make_page(*many[:25], total=250)) as (driven, source):
        await driven.passes(30.0)
        keys = [PageKey(number, 100) for number in (1, 2, 3)]
        for place, key in enumerate(keys):
            source.pages[key] = make_page(*many[place * 100 : place * 100 + 100], total=250)
        source.hold(*keys[1:])
        await driven.pilot.press("o")
        await driven.sees("1/3 pages", "page 4/4")
        await driven.pilot.press("up", "enter")
        pointed_at = driven.app.snapshot.viewport.runner_id
        source.release(*keys[1:])
        await driven.passes(1.0)
        await driven.passes(1.0)
        await driven.sees("all pages searched", "page 10/10  226–250 of 250")
        assert "no longer" not in driven.text
        assert (driven.app.snapshot.viewport.runner_id, pointed_at) == ("r001", "r001")
        await driven.sees("runners / n249")


async def test_while_nothing_is_searched_yet_the_foot_counts_nothing() -> None:
    async with scripted(make_page(*RUNNERS)) as (driven, source):
        source.pages[PageKey(1, 100)] = make_page(*RUNNERS)
        source.hold(PageKey(1, 100))
        await driven.pilot.press("o")
        await driven.sees("0/1 pages", "─ page 1 … ─")
        assert listed(driven) == ["alpha", "beta", "gamma"]
        source.release(PageKey(1, 100))
        await driven.sees("page 1/1  1–3 of 3 (3 loaded)")


async def test_a_page_that_fails_is_said_and_the_others_are_searched() -> None:
    many = [make_runner(f"r{number}", name=f"n{number}") for number in range(150)]
    async with scripted(make_page(*many[:25], total=150)) as (driven, source):
        await driven.passes(30.0)
        source.pages[PageKey(1, 100)] = make_page(*many[:100], total=150)
        source.pages[PageKey(2, 100)] = ServerError("GET", "/v1/runner", "out of order", 503)
        await driven.press("slash")
        await type_in(driven, "n1")
        await driven.passes(1.0)
        await driven.sees("1/2 pages", "out of order")
        source.pages[PageKey(2, 100)] = make_page(*many[100:], total=150)
        await driven.passes(10.0)
        await driven.sees("61 of 150  all pages searched")


async def test_sorting_goes_through_the_columns_and_round_again() -> None:
    async with scripted(make_page(*RUNNERS)) as (driven, source):
        source.pages[PageKey(1, 100)] = make_page(*RUNNERS)
        await driven.press("o")
        await driven.sees("name▲")
        assert listed(driven) == ["alpha", "beta", "gamma"]
        await driven.press("O")
        await driven.sees("name▼")
        assert listed(driven) == ["gamma", "beta", "alpha"]
        await driven.press("o")
        await driven.sees("by status ▲")
        assert listed(driven) == ["alpha", "gamma", "beta"]
        await driven.press("o")
        await driven.sees("by reach ▲", "known for")
        await driven.press("o")
        await driven.sees("last▲", "known for")
        await driven.press(*"oooooo")
        await driven.sees("by updated ▼")
        await driven.press("o")
        assert listed(driven) == ["alpha", "beta", "gamma"]
        assert "▲" not in driven.text
        assert "▼" not in driven.text


async def test_the_cursor_stays_with_its_runner_through_sorting_and_filtering() -> None:
    async with scripted(make_page(*RUNNERS)) as (driven, source):
        source.pages[PageKey(1, 100)] = make_page(*RUNNERS)
        await driven.press("down", "down")
        await driven.press("o", "O")
        assert driven.app.snapshot.viewport.runner_id == "r3"
        await driven.press("slash")
        await type_in(driven, "gpu")
        await driven.press("enter")
        assert driven.app.snapshot.viewport.runner_id == "r3"


async def test_the_history_sorts_too() -> None:
    history = tuple(
        make_workflow(f"w{number}", name=name, created_at=f"2026-01-0{9 - number}T00:00:00Z")
        for number, name in enumerate(("zulu", "yankee", "xray"))
    )
    async with scripted(make_page(RUNNERS[0]), history) as (driven, _):
        await driven.press("enter", "o")
        await driven.sees("name▲")
        order = [name for line in driven.lines for name in ("zulu", "yankee", "xray") if name in line]
        assert order == ["xray", "yankee", "zulu"]
        assert "Runners  by" not in driven.text


async def test_a_page_by_its_number() -> None:
    async with demo() as driven:
        await driven.press("P")
        await driven.sees("of 5")
        await type_in(driven, "9")
        await driven.press("enter")
        await driven.sees("there are pages 1 to 5")
        await driven.press("backspace")
        await type_in(driven, "4")
        await driven.press("enter")
        await driven.sees("page 4/5  76–100 of 120")
        await driven.press("P", "escape")
        await driven.sees("page 4/5", "? help")


async def test_pages_of_what_matches_are_turned_without_asking() -> None:
    async with demo() as driven:
        await driven.press("slash")
        await type_in(driven, "gpu")
        await driven.press("enter")
        await driven.sees("page 1/5  1–25 of 110")
        await driven.press("n")
        await driven.sees("page 2/5  26–50 of 110")
        await driven.press("P")
        await type_in(driven, "5")
        await driven.press("enter")
        await driven.sees("page 5/5  101–110 of 110")


async def test_columns_are_chosen_and_ordered() -> None:
    async with scripted(make_page(*RUNNERS)) as (driven, _):
        await driven.press("c")
        await driven.sees("[x] the usual ones", "[x] name  always", "[x] endpoint")
        await driven.press("down", *("down", "space") * 3, "down", "J", "J", "escape")
        titles = driven.lines[2].split("││")[0].split()
        assert titles == ["│", "name", "queue", "tags", "when"]


async def test_the_palette_goes_to_a_runner_on_another_page() -> None:
    async with demo() as driven:
        await driven.press("n")
        await driven.sees("page 2/5")
        name = next(line for line in driven.lines if line.startswith(("│ ●", "│ ○"))).split()[2]
        await driven.press("p")
        await driven.sees("page 1/5")
        await driven.press("ctrl+p")
        await type_in(driven, name)
        await driven.until(lambda: driven.text.count(name) > 1)
        await driven.pilot.press("enter")
        await driven.sees("page 2/5", name)
        await driven.settled()
        assert driven.app.snapshot.find_runner(driven.app.snapshot.viewport.runner_id or "") is not None
        runner = driven.app.snapshot.find_runner(driven.app.snapshot.viewport.runner_id or "")
        assert runner is not None
        assert runner.name == name


async def test_a_filter_by_the_last_workflow_learns_of_more_and_more_runners() -> None:
    async with scripted(make_page(RUNNERS[0], total=3)) as (driven, source):
        source.pages[PageKey(1, 100)] = make_page(*RUNNERS)
        source.hold(HistoryKey("r3"))
        source.histories["r3"] = (make_workflow("w1", status="failed"),)
        await driven.press("slash")
        await type_in(driven, "last:fail")
        await driven.until(lambda: "No match yet for /last:fail" in driven.text)
        source.release(HistoryKey("r3"))
        await driven.press("enter")
        for _ in range(6):
            await driven.passes(2.0)
        await driven.sees("known for 3", "1–1 of 1 (3 loaded)", "gamma")


async def test_the_history_says_by_what_hidden_column_it_is_sorted() -> None:
    history = (make_workflow("w1"), make_workflow("w2"))
    async with scripted(make_page(RUNNERS[0]), history) as (driven, _):
        await driven.press("enter", *"oooooo")
        await driven.sees("by tags ▲")
