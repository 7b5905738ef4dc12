"""Sessions before a program, each of which measures one thing: what the figures are made of."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.processes import cpu_seconds, resident_bytes
from tests.benchmarks.stopwatch import Press, Stopwatch
from tests.support.installed import FIRST, PROGRAM, client_environ, served
from tests.support.misbehaving import MisbehavingServer

__all__ = [
    "OURS",
    "POLLING",
    "TABLE",
    "Program",
    "Start",
    "Whole",
    "bytes_of_keys",
    "gateway",
    "idle",
    "keys_beside",
    "on_the_wire",
    "running",
    "start",
    "whole_list",
]

_HERE = Path(__file__).parent

# Seconds without output after which a start is over, and by when it is over anyway.
_SETTLED = 0.5
_SETTLED_BY = 4.0
# Pauses within what is written at once are shorter.
_BURST = 0.06
# Enough to begin with keys.
_CALM = 0.2
# Longer than it takes until the detail follows the cursor and the answer about the runner is there.
_FOLLOWED = 0.4
# Rows that the cursor goes down before it goes up again.
_SPAN = 8
# How often a key is pressed until one has moved the cursor: the other way, and that once more.
_ATTEMPTS = 3
# Parts of a second: keys come at no rhythm that the program's own timers could share.
_UNEVEN = 0.618
# Until then all runners in view have told their histories.
_SETTLED_FOR_GOOD = 25.0
_LOADED = "all pages searched"
_LOADED_BY = 240.0


@dataclass(frozen=True, slots=True)
class Program:
    """A program that is measured.

    Attributes:
        command: It and its arguments.
        frame: What its first frame shows.
        content: What it shows once it shows anything of what it is for.
    """

    command: tuple[str, ...]
    frame: tuple[str, ...]
    content: str


OURS = Program((PROGRAM, "--fresh"), ("─ Runners ", "─ Recent workflows "), FIRST)
"""The dashboard: its panes, then the newest runner."""

POLLING = Program((sys.executable, str(_HERE / "floor_polling.py")), (FIRST,), FIRST)
"""The floor of what polls."""

TABLE = Program((sys.executable, str(_HERE / "floor_table.py")), ("row-000",), "row-000")
"""The floor of what shows anything."""


@contextmanager
def gateway(runners: int) -> Iterator[Mapping[str, str]]:
    """`comfytui serve --demo` with so many runners, as the environment of who asks it."""
    with served("--runners", str(runners), "--port", "0", environ=client_environ("")) as server:
        yield client_environ(server.url)


@dataclass(frozen=True, slots=True)
class Start:
    """A start and an end: all in seconds since the program was started, but `resident`, which is in bytes.

    Attributes:
        frame: When the first frame was there.
        content: When the first content was there.
        cpu: Processor time until nothing was written for a while.
        resident: Memory at that moment.
        quit: How long it took to end.
    """

    frame: float
    content: float
    cpu: float
    resident: float
    quit: float


def start(program: Program, environ: Mapping[str, str]) -> Start:
    """Start a program, let it settle, and quit it."""
    with Stopwatch(program.command, environ) as watch:
        watch.wait_written(program.content)
        watch.rest(_SETTLED, _SETTLED_BY)
        cpu, resident = cpu_seconds(watch.pid), resident_bytes(watch.pid)
        quit_in = watch.quit_timed()
        return Start(watch.until_shown(*program.frame), watch.until_shown(program.content), cpu, resident, quit_in)


@contextmanager
def running(environ: Mapping[str, str], *programs: Program) -> Iterator[list[Stopwatch]]:
    """These programs, one beside the other, with something in each."""
    with ExitStack() as stack:
        watches = [stack.enter_context(Stopwatch(program.command, environ)) for program in programs]
        for watch, program in zip(watches, programs, strict=True):
            watch.wait_written(program.content)
            watch.rest(_CALM, _SETTLED_BY)
        yield watches


def keys_beside(watches: Sequence[Stopwatch], count: int) -> list[list[float]]:
    """Move the cursor so many times in each of these in turn; seconds to the first byte, of each press.

    A busy moment of the machine is shared by neighbours in time, so a ratio of two such lists is fair.
    """
    took: list[list[float]] = [[] for _ in watches]
    for number in range(-2, count):
        for watch, seconds in zip(watches, took, strict=True):
            watch.listen(0.1 * (_UNEVEN * number % 1))
            press = _move_surely(watch, number)
            # The first of each key pays for what is done once.
            seconds.extend([press.first] * (number >= 0))
    return took


def _move_surely(watch: Stopwatch, number: int) -> Press:
    """Move the cursor as `_move` does; a key that moved nothing was not answered by what was written all the same."""
    for attempt in range(_ATTEMPTS):
        before = watch.cursor
        press = _move(watch, number + attempt * _SPAN)
        if watch.cursor != before:
            return press
    raise AssertionError(f"the cursor cannot be moved:\n{watch.screen}")


def _cursor_debounce(watch: Stopwatch, count: int, quiet: float) -> list[Press]:
    """Move the cursor so many times, each time until nothing was written for `quiet` seconds."""
    return [_move(watch, number, quiet) for number in range(-2, count)][2:]


def _move(watch: Stopwatch, number: int, quiet: float = _BURST) -> Press:
    """Move the cursor down some rows and up again; the other way where it is at an end of a list that is being loaded.

    Raises:
        AssertionError: There is no way.
    """
    ways = ("down", "up") if number % (2 * _SPAN) < _SPAN else ("up", "down")
    press = next((press for way in ways if (press := watch.press_timed(way, quiet)) is not None), None)
    assert press is not None, f"the cursor cannot be moved:\n{watch.screen}"
    return press


def bytes_of_keys(watch: Stopwatch, count: int) -> tuple[list[int], list[int]]:
    """Bytes of each press in the list, where the detail follows; and in the history of one runner."""
    listed = [press.written for press in _cursor_debounce(watch, count, _FOLLOWED)]
    watch.press("g", "enter")
    watch.rest(_FOLLOWED, _SETTLED_BY)
    return listed, [press.written for press in _cursor_debounce(watch, count, _CALM)]


def idle(environ: Mapping[str, str], seconds: float) -> list[float]:
    """Processor time that the dashboard, polling every 5 s, and the floor, every 2 s, take a second when left alone.

    Both at once, each read by a thread: what they take is next to nothing.
    """
    with running(environ, OURS, POLLING) as watches, ThreadPoolExecutor(len(watches)) as readers:

        def spent(watch: Stopwatch) -> float:
            watch.listen(_SETTLED_FOR_GOOD)
            before, began = cpu_seconds(watch.pid), watch.moment
            watch.listen(seconds)
            return (cpu_seconds(watch.pid) - before) / (watch.moment - began)

        return list(readers.map(spent, watches))


def on_the_wire() -> tuple[int, int]:
    """Bytes that polls cost which bring nothing new, and one that brings another cell."""
    with MisbehavingServer(runners=3).in_a_thread() as server:
        server.be_still()
        command = (*OURS.command, "--interval", "2")
        with Stopwatch(command, client_environ(server.url, server.token)) as watch:
            watch.until_shown("● live", "Recent workflows  ", "not checked")
            # Until the other runners have told their histories, one after another.
            watch.wait_quiet(4.0)
            unchanged = len(watch.listen(4.4))
            before = len(watch.raw)
            server.fleet[2]["tags"] = ["changed"]
            watch.until_shown("∆")
            return unchanged, len(watch.raw) - before


@dataclass(frozen=True, slots=True)
class Whole:
    """All pages, loaded for an order that the API does not know.

    Attributes:
        took: Seconds from the key to the last page.
        requests: How many requests were sent meanwhile, for whatever.
        meanwhile: Seconds to the first byte of keys meanwhile, ours and the floor's.
        loaded: The same once all is loaded.
        resident: Bytes of memory then.
    """

    took: float
    requests: int
    meanwhile: list[list[float]]
    loaded: list[list[float]]
    resident: int


def whole_list(environ: Mapping[str, str], keys: int, keys_meanwhile: int = 0) -> Whole:
    """Sort the list by name, and press keys while it is loaded and after that, in the floor as well."""
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "requests.log"
        ours = Program((*OURS.command, "--log", str(log)), OURS.frame, OURS.content)
        with running(environ, ours, POLLING) as watches:
            watch, sent, pressed = watches[0], _requests(log), watches[0].moment
            # From the first row, for there has to be one to go down to.
            watch.press("o", "g")
            meanwhile = keys_beside(watches, keys_meanwhile)
            took = watch.until_shown(_LOADED, patience=_LOADED_BY) - pressed
            sent = _requests(log) - sent
            watch.rest(_SETTLED, _SETTLED_BY)
            watch.press("g")
            resident = resident_bytes(watch.pid)
            return Whole(took, sent, meanwhile, keys_beside(watches, keys), resident)


def _requests(log: Path) -> int:
    return log.read_text().count(" GET ")
