from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfytui.query.columns import Requirement
from comfytui.query.filter import SYNTAX_EXAMPLES, Query, QueryError, RunnerData, parse
from tests.support.builders import make_runner, make_workflow

GPU = RunnerData(
    make_runner("r1", name="Größe GPU 07", tags=["gpu-a100", "two words"], endpoint="http://box:8188", status="active"),
    history=(make_workflow("w2", status="failed"), make_workflow("w1", status="completed")),
    reachable=True,
)
UNKNOWN = RunnerData(make_runner("r2", name="CPU", status=None))
IDLE = UNKNOWN._replace(history=())


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("  \t ", True),
        ("gpu", True),
        ("GRÖSSE", True),
        ("r1", False),
        ("a100", True),
        ("box:8188", True),
        ("http://box", True),
        ("HTTP://BOX:8188", True),
        ("https://box", False),
        ("gpu 07 box", True),
        ("gpu 08", False),
        ('"gpu 07"', True),
        ('gpu" 0"7', True),
        ('"07 gpu"', False),
        ("!gpu", False),
        ("!cpu", True),
        ("gpu !cpu", True),
        ('!"two words"', False),
        ("tag:A100", True),
        ("TAG:gpu", True),
        ("tag:07", False),
        ('tag:"o w"', True),
        ('"tag:gpu"', False),
        ("!tag:cpu", True),
        ("tag:http://x", False),
        ("status:act", True),
        ("status:ACTIVE", True),
        ("status:tive", False),
        ("!status:disabled", True),
        ("last:fail", True),
        ("last:Failed", True),
        ("last:completed", False),
        ("last:none", False),
        ("is:reachable", True),
        ("is:unreachable", False),
        ("!is:unreachable", True),
        ("is:idle", True),
        ("is:Busy", False),
        ("wow!", False),
        ("!!gpu", True),
    ],
)
def test_filter_matches(text: str, matches: bool) -> None:
    query = parse(text)
    assert query.text == text
    assert query.matches(GPU) is matches
    assert query.is_decidable(GPU)


@pytest.mark.parametrize("text", ["last:none", "last:failed", "is:busy", "is:idle", "is:reachable", "status:active"])
def test_unknown_value_matches_neither_term_nor_negation(text: str) -> None:
    assert not parse(text).matches(UNKNOWN)
    assert not parse(f"!{text}").matches(UNKNOWN)


@pytest.mark.parametrize(
    ("text", "matches"), [("last:none", True), ("!last:none", False), ("!last:failed", True), ("is:idle", True)]
)
def test_an_empty_history_is_known(text: str, matches: bool) -> None:
    assert parse(text).matches(IDLE) is matches


def test_workflow_that_waits_is_not_the_last_if_another_ended() -> None:
    waiting = tuple(make_workflow(f"w{number}", status="queued") for number in range(9))
    facts = IDLE._replace(history=(*waiting, make_workflow("w9", status="failed")))
    assert parse("last:failed").matches(facts)
    assert parse("last:queued").matches(IDLE._replace(history=waiting))


def test_runner_is_busy_as_the_api_tells_its_queue() -> None:
    assert parse("is:busy").matches(RunnerData(make_runner(queue_running=0, queue_pending=4)))
    assert parse("is:idle").matches(RunnerData(make_runner(queue_running=0, queue_pending=0), (make_workflow(),)))


def test_a_newest_workflow_without_a_status_is_unknown() -> None:
    facts = IDLE._replace(history=(make_workflow(status=None),))
    assert not parse("last:failed").matches(facts)
    assert not parse("!last:failed").matches(facts)


@pytest.mark.parametrize(
    ("status", "busy"),
    [("accepted", True), ("uploaded", True), ("queued", True), ("running", True), ("completed", False), ("?", False)],
)
def test_busy_is_who_has_any_workflow_under_way(status: str, busy: bool) -> None:
    facts = IDLE._replace(history=(make_workflow("w2", status="failed"), make_workflow("w1", status=status)))
    assert parse("is:busy").matches(facts) is busy
    assert parse("is:idle").matches(facts) is not busy


@pytest.mark.parametrize(("name", "word"), [(None, "r9"), ("", "r9"), (" ", "r9")])
def test_without_a_name_the_id_is_looked_at(name: str | None, word: str) -> None:
    runner = make_runner("r9", name=name, endpoint=None)
    assert parse(word).matches(RunnerData(runner))
    assert not parse(word).matches(RunnerData(make_runner("r9", name="other")))


def test_unknown_status_is_found_by_its_word() -> None:
    assert parse("status:drain").matches(RunnerData(make_runner(status="Draining")))


def test_a_port_after_a_field_is_a_value_and_after_anything_else_a_port() -> None:
    assert parse("tag:4090").matches(RunnerData(make_runner(tags=["rtx-4090"])))
    assert parse("localhost:8188").matches(RunnerData(make_runner(endpoint="http://localhost:8188")))


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("gpu tag:x status:y", set()),
        ("last:x", {Requirement.HISTORY}),
        ("gpu !is:busy", {Requirement.HISTORY}),
        ("is:unreachable", {Requirement.REACHABILITY}),
        ("is:unreachable last:x", {Requirement.HISTORY, Requirement.REACHABILITY}),
    ],
)
def test_requirements(text: str, needs: set[Requirement]) -> None:
    query = parse(text)
    assert query.requirements == needs
    assert query.is_decidable(UNKNOWN) is not bool(needs)
    assert query.is_decidable(IDLE) is (Requirement.REACHABILITY not in needs)


def test_a_query_is_true_where_it_has_terms() -> None:
    assert parse("gpu")
    assert not parse(" ")
    assert not Query()


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("gpu foo:bar", 4, "use tag, status, last or is"),
        ("foo:", 0, "use tag, status, last or is"),
        ("gpu tag:", 4, "tag:a100"),
        ('tag:""', 0, "tag:a100"),
        ("!last:", 0, "last:failed"),
        ('gpu "two words', 4, "close the quotes"),
        ('"a" tag:"b', 8, "close the quotes"),
        ("gpu ! x", 4, "!tag:cpu"),
        ("!", 0, "!tag:cpu"),
        ("is:re", 0, "reachable, unreachable, busy, idle"),
        ("x is:nice", 2, "reachable, unreachable, busy, idle"),
        ('x ""', 2, "a text between the quotes"),
    ],
)
def test_invalid_filters_are_refused(text: str, place: int, words: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert words in str(caught.value)
    assert caught.value.index == place


@pytest.mark.parametrize("example", [example for example, _ in SYNTAX_EXAMPLES])
def test_every_example_of_the_grammar_is_a_query(example: str) -> None:
    assert parse(example)


def test_the_grammar_explains_every_state() -> None:
    told = " ".join(f"{example} {meaning}" for example, meaning in SYNTAX_EXAMPLES)
    for word in ("is:busy", "is:idle", "is:reachable", "is:unreachable", "tag:", "status:", "last:", "none", "!", '"'):
        assert word in told


@pytest.mark.parametrize("text", ["⚙\ufe0f", '"⚙\ufe0f gpu"', "tag:👩\u200d🔬", "!tag:⚙\ufe0f", "⚙"])
def test_invisible_characters_of_a_copied_filter_are_ignored(text: str) -> None:
    assert parse(text).matches(RunnerData(make_runner(name="⚙\ufe0f gpu", tags=["👩\u200d🔬"])))


@given(
    st.text() | st.lists(st.sampled_from(['"', "!", ":", "tag:", "is:busy", "last:", "x", " ", "8", "//"])).map("".join)
)
def test_whatever_is_typed_is_a_query_or_explained(text: str) -> None:
    outcome = read(text)
    if isinstance(outcome, QueryError):
        assert 0 <= outcome.index < len(text)
        assert str(outcome)
    else:
        assert [outcome.matches(facts) for facts in (GPU, UNKNOWN, IDLE)] == 3 * [True] or outcome


def read(text: str) -> Query | QueryError:
    try:
        return parse(text)
    except QueryError as error:
        return error


@pytest.mark.parametrize("typed", ["istanbul", "İSTANBUL", "caf\u00e9", "cafe\u0301", "tag:\u00dcbung"])
def test_text_is_compared_in_one_normal_form(typed: str) -> None:
    runner = make_runner("r3", name="İstanbul Cafe\u0301", tags=["u\u0308bung"])
    assert parse(typed).matches(RunnerData(runner))
