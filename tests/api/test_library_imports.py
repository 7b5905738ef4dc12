from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import sys
from comfytui.api.library_imports import trim_library_imports
{call}
import httpx
from pydantic import create_model
from pydantic.plugin import _loader
create_model("Made")
found = ["sniffio" in sys.modules, "click" in sys.modules, _loader._plugins is None]
print(*found, httpx.Client.__name__, callable(httpx.main))
"""


@pytest.mark.parametrize(
    ("call", "told"),
    [("trim_library_imports()", "True False True Client True"), ("", "False True False Client True")],
)
def test_optional_imports_are_skipped_without_a_search(call: str, told: str) -> None:
    program = [sys.executable, "-c", CODE.format(call=call)]
    assert subprocess.run(program, capture_output=True, text=True, check=True).stdout == f"{told}\n"
