from __future__ import annotations

import pytest

from comfytui.query.workflows import name_or_id


@pytest.mark.parametrize(("name", "called"), [("GPU", "GPU"), (None, "r1"), ("", "r1"), ("  ", "r1")])
def test_what_has_no_name_goes_by_its_id(name: str | None, called: str) -> None:
    assert name_or_id(name, "r1") == called
