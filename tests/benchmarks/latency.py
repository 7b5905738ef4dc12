"""Seconds from a ComfyUI server's event to the screen, and its cost: `python -m tests.benchmarks.latency [EVENTS]`.

Scripted servers answer like the real one; the dashboard runs in a pseudo terminal, once with the gateway in its own
process and once over `comfytui serve`. Jobs begin and end on one server after another, a few seconds apart. Requests
are counted over the same time: those of the dashboard from its log, those of the servers as they arrive.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from comfytui.config.credentials import TOKEN_VARIABLE
from comfytui.config.settings import API_URL_VARIABLE
from comfytui.gateway.demo.workflows import SeededRandom
from tests.benchmarks.boxes import TOKEN, gateway
from tests.support.comfyui import ScriptedComfyUI, job
from tests.support.terminal import Terminal

BOXES = 3
EVENTS = 30
SETTLED_SECONDS = 15.0
APART_SECONDS = (1.5, 4.5)
WORDS = {"in_progress": "▶ run", "failed": "✖ fail", "completed": "✔ done"}


@contextlib.asynccontextmanager
async def scripted_boxes() -> AsyncIterator[list[ScriptedComfyUI]]:
    """Servers that have nothing to do, and had nothing to do before."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(ScriptedComfyUI()) for _ in range(BOXES)]


@contextlib.contextmanager
def dashboard(boxes: Sequence[ScriptedComfyUI], log: Path, *, is_served: bool) -> Iterator[Terminal]:
    """The dashboard of these servers in a pseudo terminal."""
    command = [sys.executable, "-m", "comfytui", "--log", str(log)]
    with contextlib.ExitStack() as stack:
        if is_served:
            _, url = stack.enter_context(gateway(*boxes))
            environ = {API_URL_VARIABLE: url, TOKEN_VARIABLE: TOKEN.get_secret_value()}
        else:
            command += ["--comfyui", ",".join(box.url for box in boxes)]
            environ = {}
        yield stack.enter_context(Terminal(command, environ, (160, 40)))


async def seconds_to_screen(terminal: Terminal, box: ScriptedComfyUI, number: int, state: str) -> float:
    """Let a job of this server change its state, and return the seconds until the screen shows that."""
    box.put(job(f"job-{number}", state, number=number, created=int(time.time() * 1000)))
    name, word = box.url.removeprefix("http://"), WORDS[state]
    begun = time.monotonic()
    await box.changed()

    def is_shown() -> bool:
        return any(name in line and word in line[:80] for line in terminal.lines[2:])

    await asyncio.to_thread(terminal.wait_until, is_shown, f"to see {word} of {name}")
    return time.monotonic() - begun


async def measure(*, is_served: bool, events: int) -> None:
    """Print one row of the table."""
    dice, taken = SeededRandom("latency"), []
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "requests.log"
        async with scripted_boxes() as boxes:
            with contextlib.closing(_Opened(boxes, log, is_served=is_served)) as opened:
                terminal = await asyncio.to_thread(opened.open)
                await asyncio.to_thread(terminal.listen, SETTLED_SECONDS)
                asked, begun = len(_lines(log)), time.monotonic()
                for box in boxes:
                    box.requests.clear()
                for number in range(events):
                    await asyncio.to_thread(terminal.listen, dice.uniform(*APART_SECONDS))
                    state = "in_progress" if number // BOXES % 2 == 0 else dice.choice(["failed", "completed"])
                    taken.append(await seconds_to_screen(terminal, boxes[number % BOXES], number // BOXES // 2, state))
                minutes = (time.monotonic() - begun) / 60
                to_gateway = (len(_lines(log)) - asked) / minutes
                to_boxes = sum(len(box.requests) for box in boxes) / minutes / BOXES
    name = "over comfytui serve" if is_served else "in-process"
    print(
        f"{name:20} p50 {statistics.median(taken):.2f} s  max {max(taken):.2f} s  "
        f"{to_gateway:.0f} requests/min of the dashboard, {to_boxes:.0f} to each server"
    )


class _Opened:
    """A dashboard that is opened on a thread: starting `comfytui serve` blocks."""

    def __init__(self, boxes: Sequence[ScriptedComfyUI], log: Path, *, is_served: bool) -> None:
        self._stack = contextlib.ExitStack()
        self._dashboard = dashboard(boxes, log, is_served=is_served)

    def open(self) -> Terminal:
        terminal = self._stack.enter_context(self._dashboard)
        terminal.wait_for("● live", "page 1/1")
        return terminal

    def close(self) -> None:
        self._stack.close()


def _lines(log: Path) -> list[str]:
    return log.read_text().splitlines()


async def main() -> None:
    """Print the table."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    for is_served in (False, True):
        await measure(is_served=is_served, events=events)


if __name__ == "__main__":
    asyncio.run(main())
