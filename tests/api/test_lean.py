from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import os, sys
from comfytui.api.lean import spare_libraries_their_extras
{call}
import httpx
from pydantic import create_model
from pydantic.plugin import _loader
create_model("Made")
print("click" in sys.modules, httpx.Client.__name__, callable(httpx.main), _loader._plugins is None)
"""


@pytest.mark.parametrize(
    ("call", "told"),
    [("spare_libraries_their_extras()", "False Client True True"), ("", "True Client True False")],
)
def test_httpx_comes_without_its_command_and_pydantic_looks_for_no_plugins(call: str, told: str) -> None:
    program = [sys.executable, "-c", CODE.format(call=call)]
    assert subprocess.run(program, capture_output=True, text=True, check=True).stdout == f"{told}\n"
