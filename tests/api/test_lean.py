from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import sys
from comfytui.api.lean import spare_httpx_its_command
{call}
import httpx
print("click" in sys.modules, httpx.Client.__name__, callable(httpx.main))
"""


@pytest.mark.parametrize(("call", "has_click"), [("spare_httpx_its_command()", False), ("", True)])
def test_httpx_comes_without_its_command(call: str, has_click: bool) -> None:
    program = [sys.executable, "-c", CODE.format(call=call)]
    told = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    assert told == f"{has_click} Client True\n"
