from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from comfytui.api.errors import BadRequestError, ComfyControlError, NotFoundError
from comfytui.cli.client import RetryingClient, RunnerLookupError
from comfytui.cli.lookup import RunnerListing, fetch_all, fetch_for_runner, fetch_page, resolve_runner
from comfytui.cli.progress import Progress
from comfytui.config.settings import SettingsError
from comfytui.engine.protocol import PageKey, RunnerKey
from tests.support.builders import make_page, make_runner
from tests.support.changing import ChangingSource
from tests.support.clock import FakeClock
from tests.support.source import ScriptedSource

if TYPE_CHECKING:
    from comfytui.api.models import RunnerPage

AT = ("GET", "/v1/runner")
UUID = "550e8400-e29b-41d4-a716-446655440000"

RUNNERS = tuple(
    make_runner(runner_id, name=name)
    for runner_id, name in (
        ("abc1", "gpu"),
        ("abd2", "abc1"),
        ("twin1", "twin"),
        ("twin2", "twin"),
        ("x", "abc"),
        ("xy", None),
        ("7F", "seven"),
    )
)


def asker_of(*pages: RunnerPage, per_page: int = 2) -> tuple[RetryingClient, ScriptedSource]:
    clock = FakeClock()
    source = ScriptedSource(clock)
    source.pages = {PageKey(number, per_page): page for number, page in enumerate(pages, 1)}
    return RetryingClient(source, clock, Progress(clock)), source


A, B, C, D = (make_runner(each) for each in "abcd")


@pytest.mark.parametrize(
    ("pages", "found", "asked"),
    [
        ([make_page()], "", 1),
        ([make_page(A, B, total=2)], "ab", 1),
        ([make_page(A, B, total=3), make_page(C, total=3)], "abc", 2),
        ([make_page(A, B, total=4), make_page(B, C, total=4)], "abc", 2),
        ([make_page(A, B, total=9), make_page(C, total=9)], "abc", 3),
        ([make_page(A, B, total=9), make_page(A, B, total=9)], "ab", 2),
        ([make_page(A, B, total=1), make_page(C, D, total=1)], "abcd", 3),
        ([make_page(A, total=3), make_page(B, total=3), make_page(C, total=3)], "abc", 4),
    ],
    ids=[
        "none",
        "one page",
        "two",
        "a runner moved on",
        "fewer than promised",
        "the same again",
        "more than promised",
        "smaller pages than asked for",
    ],
)
async def test_all_pages(pages: list[RunnerPage], found: str, asked: int) -> None:
    asker, source = asker_of(*pages)
    all_there_are = await fetch_all(asker, 2)
    assert "".join(runner.id for runner in all_there_are.runners) == found
    assert len(source.asked) == asked


async def test_all_pages_where_the_api_does_not_say_how_many() -> None:
    unsaid = [page.model_copy(update={"total": None}) for page in (make_page(A, B), make_page(C, D), make_page())]
    asker, source = asker_of(*unsaid)
    assert await fetch_all(asker, 2) == RunnerListing((A, B, C, D), None)
    assert len(source.asked) == 3


async def test_a_page_of_nothing_readable_is_not_the_end_where_more_is_promised() -> None:
    asker, _ = asker_of(make_page(total=3, unreadable=2), make_page(A, total=3))
    assert await fetch_all(asker, 2) == RunnerListing((A,), 3, 2)


async def test_as_many_as_there_are_at_least() -> None:
    asker, _ = asker_of(make_page(A, B, total=1), make_page(C, total=1))
    assert await fetch_all(asker, 2) == RunnerListing((A, B, C), 3)


@pytest.mark.parametrize("error", [BadRequestError(*AT, "no such page", 400), NotFoundError(*AT, "no such page", 404)])
async def test_a_page_that_was_not_promised_may_be_refused(error: ComfyControlError) -> None:
    asker, source = asker_of(make_page(A, B, total=1))
    source.pages[PageKey(2, 2)] = error
    assert await fetch_all(asker, 2) == RunnerListing((A, B), 2)


@pytest.mark.parametrize("pages", [[], [make_page(A, B, total=3)]])
async def test_a_page_that_was_promised_may_not(pages: list[RunnerPage]) -> None:
    asker, source = asker_of(*pages)
    source.pages[PageKey(len(pages) + 1, 2)] = BadRequestError(*AT, "no such page", 400)
    with pytest.raises(BadRequestError):
        await fetch_all(asker, 2)


def become(after: list[str], _before: list[str]) -> list[str]:
    return after


def changing(ids: str, *changes: str) -> tuple[RetryingClient, ChangingSource]:
    """Who asks a list of these runners, and the list: it has those of `changes`, one after another, after each page."""
    clock = FakeClock()
    source = ChangingSource(clock, list(ids))
    source.changes = [partial(become, list(after)) for after in changes]
    return RetryingClient(source, clock, Progress(clock)), source


def numbers(source: ScriptedSource) -> list[int]:
    return [key.page for key in source.asked if isinstance(key, PageKey)]


@pytest.mark.parametrize(
    ("ids", "changes", "found", "asked"),
    [
        ("abcdef", ["bcdef"], "bcdef", [1, 2, 1, 3]),
        ("abcdef", ["abcdef", "bcdef"], "bcdef", [1, 2, 3, 1, 2]),
        ("abcdef", ["cdef"], "cdef", [1, 2, 1]),
        ("abcdef", ["nabcdef"], "nabcdef", [1, 2, 1, 3, 4]),
        ("abcdef", ["bcdef", "bcdef", "nbcdef"], "nbcdef", [1, 2, 1, 3, 1, 2]),
        ("abcdef", ["bcdef", "nbcdef"], "nbcdef", [1, 2, 1, 2, 3]),
        ("abc", ["bc"], "bc", [1, 2, 1]),
        ("ab", [], "ab", [1]),
        ("abcdef", [""], "ab", [1, 2]),
    ],
    ids=[
        "deleted on the first page",
        "deleted later",
        "a page less",
        "added",
        "deleted, then added",
        "deleted, then added at once",
        "last page emptied",
        "nothing changed",
        "all gone",
    ],
)
async def test_list_that_changes_between_pages_is_read_again(
    ids: str, changes: list[str], found: str, asked: list[int]
) -> None:
    asker, source = changing(ids, *changes)
    all_there_are = await fetch_all(asker, 2)
    assert "".join(runner.id for runner in all_there_are.runners) == found
    assert not all_there_are.changed
    assert numbers(source) == asked


async def test_list_that_changes_at_every_page_is_read_to_its_end_and_told_of(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asker, source = changing("abcdefghijkl")
    source.changes = [lambda ids: ids[1:] if len(ids) % 2 == 0 else ["z", *ids] for _ in range(1000)]
    all_there_are = await fetch_all(asker, 2)
    assert all_there_are.changed
    assert all_there_are.runners[-1].id == "l"
    assert len(source.asked) <= 20
    assert "list changed" in capsys.readouterr().err


@pytest.mark.parametrize("error", [BadRequestError(*AT, "no such page", 400), NotFoundError(*AT, "no such page", 404)])
@pytest.mark.parametrize(
    ("changes", "found"), [(["ab"], "ab"), (["abcdef", "ab"], "ab"), (["abcdef", "abc"], "abc"), (["bcde"], "bcde")]
)
async def test_page_that_is_gone_meanwhile_is_the_end(changes: list[str], found: str, error: ComfyControlError) -> None:
    asker, source = changing("abcdef", *changes)
    source.beyond = error
    all_there_are = await fetch_all(asker, 2)
    assert "".join(runner.id for runner in all_there_are.runners) == found
    assert not all_there_are.changed


async def test_single_page_is_listed() -> None:
    asker, source = asker_of(make_page(A, B, total=9), make_page(C, D, total=9, unreadable=1))
    assert await fetch_page(asker, 2, 2, None) == RunnerListing((C, D), 9, 1)
    assert source.asked == [PageKey(2, 2)]


@pytest.mark.parametrize(
    ("text", "runner_id"),
    [
        ("abc1", "abc1"),
        ("abc", "x"),
        ("abd", "abd2"),
        ("x", "x"),
        ("xy", "xy"),
        ("seven", "7F"),
        ("SEVEN", "7F"),
        ("7f", "7F"),
        ("7", "7F"),
        ("TWIN1", "twin1"),
    ],
)
def test_an_id_before_a_name_before_a_beginning(text: str, runner_id: str) -> None:
    assert resolve_runner(RUNNERS, text).id == runner_id


@pytest.mark.parametrize("text", ["nothing", "Sevens", "bc1", "abc12", "", " "])
def test_none_is_meant(text: str) -> None:
    with pytest.raises(RunnerLookupError, match="no runner with that id"):
        resolve_runner(RUNNERS, text)


def test_several_are_meant() -> None:
    with pytest.raises(SettingsError, match=r"any of 2 runners: twin1 \(twin\), twin2 \(twin\)\.$"):
        resolve_runner(RUNNERS, "twin")
    many = [make_runner(f"r{number}") for number in range(6)]
    with pytest.raises(SettingsError, match=r"any of 6 runners: r0 .*, r4 \(Runner r4\), …\.$"):
        resolve_runner(many, "r")


async def test_a_whole_id_is_taken_at_its_word() -> None:
    asker, source = asker_of()
    runner_id, runner = await fetch_for_runner(asker, UUID.upper(), asker.runner)
    assert (runner_id, runner.id) == (UUID, UUID)
    assert source.asked == [RunnerKey(UUID)]


@pytest.mark.parametrize("typed", [UUID, UUID.upper()])
async def test_a_name_may_look_like_an_id(typed: str) -> None:
    asker, source = asker_of()
    source.runners[UUID] = NotFoundError("GET", "/v1/runner", "requested entity not found", 404)
    source.pages[PageKey(1, 100)] = make_page(A, make_runner("b", name=typed))
    assert (await fetch_for_runner(asker, typed, asker.runner))[0] == "b"
    source.pages[PageKey(1, 100)] = make_page(A, make_runner("b", name=typed.swapcase()))
    assert (await fetch_for_runner(asker, typed, asker.runner))[0] == "b"
    source.pages[PageKey(1, 100)] = make_page(A, make_runner("b", name=f"{typed}0"))
    with pytest.raises(RunnerLookupError):
        await fetch_for_runner(asker, typed, asker.runner)


@pytest.mark.parametrize("typed", ["istanbul", "İSTANBUL", "I\u0307stanbul"])
def test_name_in_other_case_or_form_is_found(typed: str) -> None:
    assert resolve_runner([make_runner("a", name="İstanbul"), make_runner("b", name="Ankara")], typed).id == "a"


def test_name_in_exact_case_comes_first() -> None:
    runners = [make_runner("a", name="GPU"), make_runner("b", name="gpu")]
    assert [resolve_runner(runners, "GPU").id, resolve_runner(runners, "gpu").id] == ["a", "b"]
    with pytest.raises(SettingsError, match="any of 2 runners"):
        resolve_runner(runners, "Gpu")


async def test_an_id_of_the_list_that_the_api_does_not_know_is_not_found() -> None:
    asker, source = asker_of()
    source.histories[UUID] = NotFoundError("GET", "/v1/runner", "requested entity not found", 404)
    source.pages[PageKey(1, 100)] = make_page(make_runner(UUID))
    with pytest.raises(NotFoundError) as caught:
        await fetch_for_runner(asker, UUID, asker.history)
    assert caught.value.message == (f"Runner {UUID} is listed, but the API answers 404: requested entity not found")


async def test_anything_else_is_looked_for_on_all_pages() -> None:
    pages = [make_page(*RUNNERS[:4], total=7), make_page(*RUNNERS[4:], total=7)]
    asker, source = asker_of(*pages, per_page=100)
    source.pages = {PageKey(1, 100): make_page(*RUNNERS)}
    assert (await fetch_for_runner(asker, "seven", asker.stats))[0] == "7F"


async def test_lookup_error_includes_the_api_message() -> None:
    asker, source = asker_of()
    source.pages[PageKey(1, 100)] = make_page(A)
    source.runners[UUID] = NotFoundError(*AT, "requested entity not found", 404)
    with pytest.raises(RunnerLookupError, match=r"^requested entity not found: There is no runner"):
        await fetch_for_runner(asker, UUID, asker.runner)


@pytest.mark.parametrize("name", ["⚙\ufe0f gpu", "👩\u200d🔬 lab", "tab\there", "\u202ehidden"])
def test_a_name_is_found_as_it_was_given_and_as_it_is_shown(name: str) -> None:
    runner = make_runner("r", name=name)
    assert runner.name not in (None, name)
    assert resolve_runner([A, runner], name) is resolve_runner([A, runner], runner.name or "") is runner
