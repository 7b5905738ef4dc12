"""Random sessions with the installed program: `python -m tests.monkey [--runs 1000] [--seed 0] [--seconds 1.5]`.

Each types, clicks, pastes and resizes in packets of up to eight; none may end the program. Afterwards it has to draw
its screen at a key, and to be no larger than before but for a little. The first seed that fails is told.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from tests.support.installed import dashboard
from tests.support.monkey import SIZES, packet

if TYPE_CHECKING:
    from tests.support.terminal import Terminal

SOON = 0.5
"""Seconds within which Ctrl+L is answered afterwards."""

MOST_MB = 110.0


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process in MB, or 0 where the system does not tell."""
    status = Path(f"/proc/{pid}/status")
    found = re.search(r"VmRSS:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) / 1024 if found else 0.0


def answer_seconds(terminal: Terminal, key: bytes = b"\x0c") -> float:
    """Return how long it takes until a key, Ctrl+L unless told otherwise, is answered."""
    terminal.wait_quiet(0.1)
    begun, before = time.monotonic(), len(terminal.raw)
    terminal.send(key)
    terminal.wait_until(lambda: len(terminal.raw) > before, "to see an answer")
    return time.monotonic() - begun


def run(seed: int, seconds: float, pause: float) -> str:
    """Run a session; return what was wrong, or an empty text."""
    random = Random(seed)
    size = random.choice(SIZES)
    with dashboard("--demo", size=size, environ={"COMFYTUI_INTERVAL": "1"}) as terminal:
        terminal.wait_until(lambda: b"\x1b[?1049h" in terminal.raw, "to begin")
        terminal.listen(random.choice((0.0, 0.3, 0.8)))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            sent, new = packet(random, size)
            if new is not None:
                size = new
                terminal.resize(*size)
            terminal.send(sent)
            if (ended := terminal.ends_within(random.choice((0.0, pause / 4, pause)))) is not None:
                if ended == 0:
                    # It was told to quit, by a click on that command in the palette.
                    return "" if not terminal.unrestored else f"left {terminal.unrestored}"
                reports = [path.read_text() for path in terminal.home.rglob("crash-*.txt")]
                return "\n".join([f"ended with {ended} after {sent!r}", terminal.screen, *reports])
        took, memory = answer_seconds(terminal), rss_mb(terminal.pid)
        if took > SOON or memory > MOST_MB:
            return f"Ctrl+L after {took:.2f} s, {memory:.0f} MB"
        terminal.send(b"\x03")
        status = terminal.wait_exit()
        return "" if status == 0 else f"ended with {status} at Ctrl+C\n{terminal.screen}"


def main() -> int:
    """Run sessions until one fails, and return how the last one went."""
    parser = argparse.ArgumentParser(description="Random sessions with the installed program.")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="of the first run")
    parser.add_argument("--seconds", type=float, default=1.5, help="of each run")
    parser.add_argument("--pause", type=float, default=0.03, help="most seconds between two packets")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at the first that fails")
    chosen = parser.parse_args()
    failed = 0
    # It saves views wherever it is.
    os.chdir(tempfile.mkdtemp())
    for seed in range(chosen.seed, chosen.seed + chosen.runs):
        try:
            wrong = run(seed, chosen.seconds, chosen.pause)
        except AssertionError as error:
            wrong = str(error)
        if wrong:
            failed += 1
            sys.stdout.write(f"seed {seed}: {wrong}\n")
            sys.stdout.flush()
            if not chosen.keep_going:
                return 1
    sys.stdout.write(f"{chosen.runs - failed} of {chosen.runs} sessions went well\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
