"""Revisions on the wire, read tolerantly."""

from __future__ import annotations

import json

import pytest

from comfytui.api.events import MAX_RUNNERS_PER_EVENT, RunnerRevisions, parse_revisions, revisions_body

REVISIONS = RunnerRevisions("r1", runner=3, history=8, stats=0, is_live=True)
BODY = {"id": "r1", "revision": 8, "runner": 3, "history": 8, "stats": 0, "live": True}


def test_revisions_survive_the_wire() -> None:
    assert revisions_body(REVISIONS) == BODY
    assert parse_revisions(json.dumps([BODY])) == (REVISIONS,)


@pytest.mark.parametrize(
    "change",
    [
        {"id": 7},
        {"id": ""},
        {"id": "x" * 300},
        {"id": "a\nb"},
        {"runner": "3"},
        {"history": True},
        {"stats": -1},
        {"stats": 2**63},
        {"history": None},
    ],
)
def test_entry_of_another_form_is_left_out(change: dict[str, object]) -> None:
    assert parse_revisions(json.dumps([BODY | change, BODY, "nothing", None])) == (REVISIONS,)


@pytest.mark.parametrize("live", [None, 1, "true", False])
def test_only_true_is_live(live: object) -> None:
    (parsed,) = parse_revisions(json.dumps([BODY | {"live": live}]))
    assert not parsed.is_live


@pytest.mark.parametrize("data", ["", "{}", "<html>", "null", "7", "[" * 100_000])
def test_data_that_is_no_list_is_refused(data: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_revisions(data)


def test_more_runners_than_an_event_holds_are_refused() -> None:
    with pytest.raises(ValueError, match="at most"):
        parse_revisions(json.dumps([BODY] * (MAX_RUNNERS_PER_EVENT + 1)))
