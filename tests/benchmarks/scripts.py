"""What a script pays for `comfytui runners --json`: measured against the shortest program that asks the same.

Run as `python -m tests.benchmarks.scripts`. Both ask a server on this machine for one page, in turn, each time as a
process of its own; the fastest run of each counts, for all that comes on top of that is the machine's. The status is 1
where the ratio is above what is promised.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from comfytui.config.credentials import TOKEN_VARIABLE
from comfytui.config.settings import API_URL_VARIABLE
from tests.support.misbehaving import TOKEN, Limiter, MisbehavingServer

__all__ = ["MOST", "fastest"]

MOST = 1.3
"""How much longer the command may take."""

ROUNDS = 12

_SCRIPT = (sys.executable, str(Path(__file__).with_name("one_page.py")))
_COMMAND = (str(Path(sys.executable).parent / "comfytui"), "runners", "--json", "--page", "1")


def fastest(programs: Sequence[Sequence[str]], environ: Mapping[str, str], rounds: int) -> list[float]:
    """Seconds of the fastest run of each program, all of them run in turn, and once before for what gets cached."""
    took: list[list[float]] = [[] for _ in programs]
    for _ in range(rounds + 1):
        for program, seconds in zip(programs, took, strict=True):
            began = time.perf_counter()
            subprocess.run(program, env=environ, stdout=subprocess.PIPE, check=True)
            seconds.append(time.perf_counter() - began)
    return [min(seconds[1:]) for seconds in took]


def main() -> int:
    """Measure, print, and judge."""
    limiter = Limiter(limit=1000)
    with MisbehavingServer(runners=25, limiter=limiter).in_a_thread() as server, tempfile.TemporaryDirectory() as home:
        environ = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": home,
            API_URL_VARIABLE: server.url,
            TOKEN_VARIABLE: TOKEN,
        }
        script, command = fastest((_SCRIPT, _COMMAND), environ, ROUNDS)
    ratio = command / script
    print(f"one_page.py {1000 * script:.0f} ms, {' '.join(_COMMAND[1:])} {1000 * command:.0f} ms: {ratio:.2f} times")
    return 0 if ratio <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())
