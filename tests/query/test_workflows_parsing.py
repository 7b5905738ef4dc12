from __future__ import annotations

import pytest

from comfytui.query.workflows import display_name


@pytest.mark.parametrize(("name", "called"), [("GPU", "GPU"), (None, "r1"), ("", "r1"), ("  ", "r1")])
def test_unnamed_workflow_is_shown_by_id(name: str | None, called: str) -> None:
    assert display_name(name, "r1") == called
