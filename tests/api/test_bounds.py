from __future__ import annotations

import pytest

from comfytui.api.bounds import MAX_ANSWER_TEXT, MAX_ENTRIES, MAX_ITEM_TEXT
from comfytui.api.histories import MAX_HISTORY, CutHistory
from comfytui.api.models import Runner, RunnerPage, parse_history, parse_stats, read_runner
from comfytui.text import MAX_TEXT
from tests.support.hostile import Json, decent_history, decent_runner

CUT = f"… more than {MAX_ENTRIES}"


def page_of(*runners: Json, most: int = 100) -> RunnerPage:
    return RunnerPage.parse({"runners": [*runners], "total": len(runners)}, most)


def test_decent_runner_and_history_are_kept_whole() -> None:
    runner = decent_runner(1)
    assert read_runner(runner) == Runner.model_validate(runner) == page_of(runner).runners[0]
    history = parse_history(decent_history(runner))
    assert type(history) is tuple
    assert len(history) == MAX_HISTORY


def test_page_with_more_runners_than_asked_for_is_cut_and_says_so() -> None:
    runners = [decent_runner(number) for number in range(30)]
    page = page_of(*runners, most=25)
    assert ([runner.id for runner in page.runners], page.is_cut) == ([each["id"] for each in runners[:25]], True)
    assert not page_of(*runners[:25], most=25).is_cut
    trimmed = RunnerPage.parse({"runners": [*runners[:20], "…"]}, 25)
    assert (len(trimmed.runners), trimmed.is_cut, trimmed.invalid_count) == (20, True, 0)


def test_history_with_more_than_ten_workflows_is_cut_and_says_so() -> None:
    history = parse_history(decent_history(decent_runner(1), 11))
    assert isinstance(history, CutHistory)
    assert history == parse_history(decent_history(decent_runner(1), 10))


def test_tags_headers_and_further_fields_are_cut_and_say_so() -> None:
    many = {f"n{number}": "x" for number in range(3_000)}
    runner = read_runner({"id": "r", "tags": [*many], "headers": many, **many, "name": "last"})
    assert (len(runner.tags), runner.tags[-1]) == (MAX_ENTRIES + 1, CUT)
    assert (len(runner.headers), [*runner.headers][-1]) == (MAX_ENTRIES + 1, CUT)
    assert (len(runner.extras), runner.extras[-1]) == (MAX_ENTRIES + 1, (CUT, "fields"))
    assert runner.name == "last"


@pytest.mark.parametrize("sign", ["a", "\x9b", "\u0301", "\u200b", "\ud800", "a\n", "//"])
def test_giant_text_is_cut_before_it_is_cleaned(sign: str) -> None:
    text = sign * 2_000_000
    runner = Runner.model_validate({"id": "r", "name": text, "endpoint": text, "tags": [text], "more": [text]})
    for shown in (runner.name, runner.endpoint, runner.tags[0], runner.extras[0][1]):
        assert shown is not None
        assert len(shown) <= MAX_TEXT + 8
        assert "…" in shown or "•" in shown


def test_texts_of_one_runner_and_of_one_page_are_bounded() -> None:
    def size(runner: Runner) -> int:
        return sum(map(len, (*runner.tags, *(text for pair in runner.extras for text in pair))))

    greedy = {"tags": ["x" * MAX_TEXT] * 60, "more": {"a": ["y" * MAX_TEXT] * 60}}
    page = page_of(*({"id": f"r{number}", **greedy} for number in range(100)))
    assert len(page.runners) == 100
    assert max(map(size, page.runners)) < MAX_ITEM_TEXT + 1_000
    assert sum(map(size, page.runners)) < MAX_ANSWER_TEXT + 100_000


def test_nested_values_are_bounded() -> None:
    deep: object = "bottom"
    for _ in range(900):
        deep = [deep]
    runner = read_runner({"id": "r", "deep": deep, "wide": [[1] * 60] * 60})
    assert "bottom" not in runner.extras[0][1]
    assert runner.extras[0][1].count("[") < 12
    assert runner.extras[1][1].count("1") < 400


def test_extensions_and_devices_are_bounded() -> None:
    stats = parse_stats({"devices": [{"name": "cpu"}] * 100_000, "extensions": ["x"] * 100_000})
    assert len(stats.devices) == 256
    assert (len(stats.extensions), stats.extensions[-1]) == (257, "… more than 256")


@pytest.mark.parametrize("total", [10**4299, 10**19, -1, 1e400, True, "9" * 5000])
def test_total_that_no_list_has_is_not_known(total: object) -> None:
    assert RunnerPage.parse({"runners": [], "total": total}).total is None
