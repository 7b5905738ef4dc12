from __future__ import annotations

import asyncio
import csv
import json
from typing import TYPE_CHECKING

import pytest

from comfytui.api.errors import (
    ConnectionFailedError,
    NotFoundError,
    RequestTimeoutError,
    ServerError,
    SilentRunnerError,
)
from comfytui.api.statuses import RunnerState, RunnerStatus
from comfytui.cli.client import RetryingClient
from comfytui.cli.commands.runners import ListOptions, list_runners, parse_filter, parse_options
from comfytui.cli.parser import build_parser
from comfytui.cli.progress import Progress
from comfytui.config.settings import SettingsError
from comfytui.engine.protocol import HistoryKey, PageKey, StatsKey
from comfytui.query.filter import parse
from comfytui.query.sorting import Sort
from comfytui.ratelimit.window import Priority
from tests.support.builders import make_page, make_runner, make_workflow
from tests.support.clock import FakeClock
from tests.support.source import ScriptedSource

if TYPE_CHECKING:
    from tests.cli.conftest import Run

RUNNERS = tuple(
    make_runner(runner_id, name=name, status=status)
    for runner_id, name, status in (("r1", "beta", "active"), ("r2", "alpha", "disabled"), ("r3", "gamma", "active"))
)
SILENT = ServerError("GET", "/v1/runner", "silent", 500)
BROKEN = ServerError("GET", "/v1/runner", "broken", 503)


@pytest.fixture
def source() -> ScriptedSource:
    """Three runners: r1 has failed, r2 has no workflows, r3 is busy and silent."""
    source = ScriptedSource(FakeClock())
    for key in (PageKey(1, 100), PageKey(1, 25), PageKey(1, 2)):
        source.pages[key] = make_page(*RUNNERS[: key.per_page], total=3)
    source.pages[PageKey(2, 2)] = make_page(RUNNERS[2], total=3)
    source.histories = {
        "r1": (make_workflow(status="failed", created_at="2026-01-01T00:00:00Z"),),
        "r3": (make_workflow(status="running", created_at="2026-01-02T00:00:00Z"),),
    }
    source.stats["r3"] = SILENT
    return source


async def ids(source: ScriptedSource, wanted: ListOptions, *, in_columns: bool = False) -> tuple[list[str], int]:
    clock = FakeClock()
    # A while that is short: the clock stands still, so what is to be asked again never is.
    found = await list_runners(
        RetryingClient(source, clock, Progress(clock)), wanted, in_columns=in_columns, runner_seconds=0.02
    )
    return [facts.runner.id for facts in found.facts], found.total


@pytest.mark.parametrize(
    ("wanted", "found", "total"),
    [
        (ListOptions(), "r1 r2 r3", 3),
        (ListOptions(page=1), "r1 r2 r3", 3),
        (ListOptions(page=1, per_page=2), "r1 r2", 3),
        (ListOptions(page=2, per_page=2), "r3", 3),
        (ListOptions(page=9, per_page=2), "", 0),
        (ListOptions(per_page=2), "r1 r2 r3", 3),
        (ListOptions(sort=Sort("name")), "r2 r1 r3", 3),
        (ListOptions(sort=Sort("name", descending=True), page=2, per_page=2), "r2", 3),
        (ListOptions(sort=Sort("when", descending=True)), "r3 r1 r2", 3),
        (ListOptions(query=parse("alpha")), "r2", 1),
        (ListOptions(query=parse("last:failed")), "r1", 1),
        (ListOptions(query=parse("is:busy")), "r3", 1),
        (ListOptions(query=parse("is:unreachable")), "r3", 1),
        (ListOptions(query=parse("status:active"), page=2, per_page=1), "r3", 2),
        (ListOptions(query=parse("nothing")), "", 0),
    ],
)
async def test_runners_are_listed(source: ScriptedSource, wanted: ListOptions, found: str, total: int) -> None:
    assert await ids(source, wanted) == (found.split(), total)


async def test_the_status_is_the_apis_to_judge(source: ScriptedSource) -> None:
    source.pages[PageKey(1, 100, RunnerStatus.DISABLED)] = make_page(RUNNERS[1])
    assert await ids(source, ListOptions(status=RunnerStatus.DISABLED)) == (["r2"], 1)


@pytest.mark.parametrize(("page", "per_page", "total"), [(None, 100, 1), (1, 25, 3)])
async def test_an_api_that_does_not_know_the_status_is_helped(
    source: ScriptedSource, page: int | None, per_page: int, total: int
) -> None:
    source.pages[PageKey(1, per_page, RunnerStatus.DISABLED)] = make_page(*RUNNERS, total=3)
    assert await ids(source, ListOptions(status=RunnerStatus.DISABLED, page=page)) == (["r2"], total)


async def test_total_counts_matches_within_the_status(source: ScriptedSource) -> None:
    source.pages[PageKey(1, 100, RunnerStatus.DISABLED)] = make_page(*RUNNERS, total=3)
    wanted = ListOptions(status=RunnerStatus.DISABLED, query=parse("a"))
    assert await ids(source, wanted) == (["r2"], 1)


@pytest.mark.parametrize(
    ("wanted", "in_columns", "asked"),
    [
        (ListOptions(), False, []),
        (ListOptions(columns=("last", "queue")), False, []),
        (ListOptions(columns=("last", "queue")), True, [HistoryKey("r1"), HistoryKey("r2"), HistoryKey("r3")]),
        (ListOptions(query=parse("status:disabled last:none")), False, [HistoryKey("r2")]),
        (ListOptions(query=parse("status:disabled last:none"), columns=("last",)), True, [HistoryKey("r2")]),
        (ListOptions(query=parse("beta"), columns=("reach",)), True, [StatsKey("r1")]),
        (ListOptions(sort=Sort("name"), page=1, per_page=1, columns=("reach",)), True, [StatsKey("r2")]),
    ],
)
async def test_no_more_is_asked_than_it_takes(
    source: ScriptedSource, wanted: ListOptions, in_columns: bool, asked: list[object]
) -> None:
    await ids(source, wanted, in_columns=in_columns)
    assert source.asked[1:] == asked
    assert source.priorities == [Priority.USER] + [Priority.POLL] * len(asked)


@pytest.mark.parametrize(
    "error", [NotFoundError("GET", "/v1/runner", "gone", 404), RequestTimeoutError("GET", "/v1/runner", "late")]
)
async def test_missing_detail_of_a_runner_stays_unknown(source: ScriptedSource, error: Exception) -> None:
    source.stats["r1"] = error
    assert await ids(source, ListOptions(query=parse("is:reachable"))) == (["r2"], 1)
    assert await ids(source, ListOptions(query=parse("!is:reachable"))) == (["r3"], 1)


async def test_an_api_that_is_gone_ends_it(source: ScriptedSource) -> None:
    clock = FakeClock()
    source.histories["r1"] = ConnectionFailedError("GET", "/v1/runner", "refused")
    task = asyncio.create_task(
        list_runners(
            RetryingClient(source, clock, Progress(clock)), ListOptions(query=parse("is:busy")), in_columns=False
        )
    )
    await clock.advance(1.5)
    with pytest.raises(ConnectionFailedError):
        await task


async def test_no_more_than_two_runners_in_a_row_are_waited_for(
    source: ScriptedSource, capsys: pytest.CaptureFixture[str]
) -> None:
    runners = [make_runner(f"r{number}") for number in range(6)]
    source.pages[PageKey(1, 100)] = make_page(*runners, total=6)
    source.hold(*(StatsKey(f"r{number}") for number in (0, 2, 3, 5)))
    assert await ids(source, ListOptions(sort=Sort("reach"), columns=("reach",)), in_columns=True) != ([], 6)
    assert source.asked[1:] == [StatsKey("r0"), StatsKey("r1"), StatsKey("r2"), StatsKey("r3")]
    assert capsys.readouterr().err.count("of the rest it stays unknown") == 1


async def test_plain_servers_are_all_waited_for(source: ScriptedSource) -> None:
    runners = [make_runner(f"r{number}") for number in range(6)]
    source.pages[PageKey(1, 100)] = make_page(*runners, total=6)
    source.hold(*(StatsKey(f"r{number}") for number in (0, 1, 2)))
    clock = FakeClock()
    asker = RetryingClient(source, clock, Progress(clock), timeout=0.02, names={"r0": "gpu"})
    await list_runners(asker, ListOptions(sort=Sort("reach"), columns=("reach",)), in_columns=True)
    assert source.asked[1:] == [StatsKey(f"r{number}") for number in range(6)]


@pytest.mark.parametrize(
    ("state", "found"),
    [
        (RunnerState.SLOW, "r1 r2 r3"),
        (RunnerState.LATE, "r1 r2 r3"),
        (RunnerState.PARTIAL, "r1 r2 r3"),
        (RunnerState.WAITING, "r1 r2"),
        (RunnerState.HANGING, "r1 r2"),
        (RunnerState.UNREACHABLE, "r1 r2"),
    ],
)
async def test_slow_runner_is_reachable(source: ScriptedSource, state: RunnerState, found: str) -> None:
    source.stats["r3"] = SilentRunnerError("GET", "/v1/runner/r3/stats", "gpu: slow", 500, state, "slow")
    clock = FakeClock()
    asker = RetryingClient(source, clock, Progress(clock), timeout=0.0)
    listing = await list_runners(asker, ListOptions(query=parse("is:reachable")), in_columns=False)
    assert " ".join(facts.runner.id for facts in listing.facts) == found


async def test_entries_that_are_no_runners_are_told(source: ScriptedSource, capsys: pytest.CaptureFixture[str]) -> None:
    source.pages[PageKey(1, 100)] = make_page(RUNNERS[0], total=3, unreadable=2)
    await ids(source, ListOptions())
    assert "2 entries of the list are no runners" in capsys.readouterr().err


async def test_cut_answers_are_told_once(source: ScriptedSource, capsys: pytest.CaptureFixture[str]) -> None:
    cut = make_page(RUNNERS[0]).model_copy(update={"is_cut": True})
    source.pages[PageKey(1, 100)] = cut
    await ids(source, ListOptions())
    assert capsys.readouterr().err.count("The API sent more runners than were asked for: the rest is left out.") == 1


def test_list_options_follow_the_command_line() -> None:
    argv = "--demo runners --status active --filter !gpu --page 2 --per-page 7 --sort when:asc --columns name,last"
    assert parse_options(build_parser().parse_args(argv.split())) == ListOptions(
        status=RunnerStatus.ACTIVE,
        query=parse("!gpu"),
        sort=Sort("when"),
        page=2,
        per_page=7,
        columns=("name", "last"),
    )
    assert parse_options(build_parser().parse_args(["runners"])) == ListOptions()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('cfc_sekret"', 11),
        ("sekret:cfc", 1),
        ("gpu colour:cfc_sekret", 5),
        ('gpu !colour:"cfc_sekret', 13),
        ('gpu !colour:"cfc_sekret \n"x', 5),
        ("cfc_sekret !", 12),
        ("is:cfc_sekret", 1),
        ("last: cfc_sekret", 1),
    ],
)
def test_no_filter_and_nothing_of_it_is_repeated(text: str, place: int) -> None:
    with pytest.raises(SettingsError, match=rf"^--filter, character {place}: .+\.$") as raised:
        parse_filter(text)
    assert "sekret" not in str(raised.value)
    assert "cfc" not in str(raised.value)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--filter", "is:happy"], "is: accepts reachable, unreachable, busy, idle"),
        (["--sort", "size"], "--sort: expected one of name, status"),
        (["--columns", "size"], "--columns: expected one or more of id, name"),
    ],
)
def test_wrong_usage_names_what_there_is(run: Run, argv: list[str], words: str) -> None:
    outcome = run("runners", "--demo", *argv)
    assert (outcome.status, outcome.out) == (2, "")
    assert words in outcome.err


@pytest.mark.parametrize("argv", ["--demo --runners 3 runners", "runners --demo --runners 3"])
def test_the_same_in_each_form(run: Run, argv: str) -> None:
    document = json.loads(run(*argv.split(), "--json").out)
    assert (document["schema"], document["total"], len(document["runners"])) == (1, 3, 3)
    lines = run(*argv.split(), "--ndjson").out.splitlines()
    assert [json.loads(line) for line in lines] == document["runners"]
    rows = list(csv.DictReader(run(*argv.split(), "--csv").out.splitlines()))
    assert [(row["id"], row["endpoint"]) for row in rows] == [
        (runner["id"], runner["endpoint"]) for runner in document["runners"]
    ]
    plain = [line.split("\t") for line in run(*argv.split()).out.splitlines()]
    assert plain == [
        [each["id"], each["name"], each["status"], " ".join(each["tags"]), each["endpoint"]]
        for each in document["runners"]
    ]


def test_columns(run: Run) -> None:
    argv = ["runners", "--demo", "--runners", "2", "--columns", "name,queue"]
    lines = run(*argv).out.splitlines()
    assert run(*argv, "--csv").out.splitlines() == ["name,queue", *(line.replace("\t", ",") for line in lines)]
    assert set(json.loads(run(*argv, "--json").out)["runners"][0]) > {"id", "headers", "created_at"}


def test_a_fleet_without_runners(run: Run) -> None:
    argv = ["runners", "--demo", "--runners", "0"]
    assert run(*argv) == run(*argv, "--ndjson") == (0, "", "")
    assert run(*argv, "--csv").out == "id,user_id,name,status,endpoint,tags,headers,created_at,updated_at\n"
    assert run(*argv, "--csv", "--columns", "name,reach").out == "name,reach\n"
    assert json.loads(run(*argv, "--json").out) == {"schema": 1, "runners": [], "total": 0}
