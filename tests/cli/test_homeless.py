"""Commands of a user without HOME and without an entry in the password database, as containers run them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from comfytui.files import HOMELESS

HOMELESS_MAIN = """
import pwd, sys
def getpwuid(uid): raise KeyError(uid)
pwd.getpwuid = getpwuid
from comfytui.cli.main import main
sys.exit(int(main(sys.argv[1:])))
"""
NO_HOME = "no home directory is known"


def run_homeless(*args: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name == "PATH"}
    argv = [sys.executable, "-c", HOMELESS_MAIN, *args]
    environ = {**kept, "PYTHONWARNINGS": "error"}
    return subprocess.run(argv, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        ("doctor --demo", 0, f"warn  config       {NO_HOME}: nothing is read or kept there  -> set HOME"),
        ("runners --demo --page 1", 0, "production"),
        ("runners", 3, "No token"),
        ("config path", 0, NO_HOME),
        ("config check", 0, "config ok"),
        ("config print", 0, "default"),
        ("config init", 2, NO_HOME),
    ],
)
def test_homeless_command_works_or_says_why(command: str, status: int, words: str) -> None:
    done = run_homeless(*command.split())
    assert words in done.stdout + done.stderr
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert not HOMELESS.exists()
