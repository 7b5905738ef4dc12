from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfytui.api.statuses import RunnerStatus, WorkflowStatus


def test_the_words_of_the_documentation() -> None:
    assert [str(status) for status in RunnerStatus] == ["active", "disabled"]
    assert " ".join(WorkflowStatus) == "accepted uploaded queued running completed cancelled invalid failed"


@pytest.mark.parametrize("status", [*RunnerStatus, *WorkflowStatus])
def test_a_known_word_is_its_member(status: RunnerStatus | WorkflowStatus) -> None:
    assert type(status)(str(status)) is status
    assert status.is_known


@given(st.text().filter(lambda word: word not in list(RunnerStatus)))
def test_an_unknown_word_is_kept(word: str) -> None:
    status = RunnerStatus(word)
    assert status == word
    assert status == RunnerStatus(word)
    assert hash(status) == hash(RunnerStatus(word))
    assert str(status) == word
    assert not status.is_known
    assert status not in list(RunnerStatus)


@pytest.mark.parametrize("value", [7, None, ["active"]])
def test_status_must_be_text(value: Any) -> None:
    with pytest.raises(ValueError, match="is not a valid RunnerStatus"):
        RunnerStatus(value)
