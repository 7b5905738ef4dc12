"""The figures, each made of sessions that alternate between the dashboard and its floor."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from comfytui.config.credentials import child_env
from comfytui.ratelimit.window import RESERVED_FOR_USER, SHARED_LIMIT, WINDOW_S
from tests.benchmarks import sessions
from tests.benchmarks.figures import Figure, Unit, median, p95
from tests.benchmarks.sessions import OURS, POLLING, TABLE, Start, Whole

__all__ = ["Starts", "again_if_far_off", "allowed_seconds", "full", "keys", "of_starts", "short"]

USUAL, MANY, MOST = 250, 1_000, 10_000
"""Runners."""

_PRESSES = 30
_FEW_PRESSES = 10
_PRESSES_COUNTED = 16
_IDLE_SECONDS = 30.0


def full(runs: int) -> Iterator[Figure]:
    """All of them, as they come; what takes long is done a third as often.

    Raises:
        AssertionError: A program did not do what it is measured at; the text says what was on its screen.
    """
    seldom = max(1, runs // 3)
    with sessions.gateway(USUAL) as environ:
        yield from of_starts(_starts(environ, runs))
        yield keys("key to first byte, p95", 1.3, [_keys(environ, _PRESSES) for _ in range(runs)])
        yield from _presses(environ, _PRESSES_COUNTED)
        yield _idle(environ, seldom)
        usual = [sessions.whole_list(environ, 0) for _ in range(seldom)]
    yield from _on_the_wire()
    with sessions.gateway(MANY) as environ:
        many = [sessions.whole_list(environ, _PRESSES) for _ in range(seldom)]
    yield keys(f"key to first byte, p95, {MANY:,} rows loaded", 1.5, [each.loaded for each in many])
    with sessions.gateway(MOST) as environ:
        most = [sessions.whole_list(environ, _PRESSES, _PRESSES) for _ in range(seldom)]
    yield from _of_most(most, usual)
    yield Figure("memory that a day adds (17,280 polls)", Unit.MEGABYTES, _growth(), 2e6)


def short() -> Iterator[Figure]:
    """Those that tell soonest that something is broken, from as few runs as that takes.

    Raises:
        AssertionError: A program did not do what it is measured at; the text says what was on its screen.
    """
    with sessions.gateway(USUAL) as environ, ThreadPoolExecutor(1) as aside:
        yield from again_if_far_off(lambda: of_starts(_starts(environ, 2))[:3])
        # Most of that is waiting, and bytes are the same on a busy machine.
        on_the_wire = aside.submit(again_if_far_off, lambda: _on_the_wire()[:1])
        yield from _presses(environ, 4)
        yield from again_if_far_off(
            lambda: [keys("key to first byte, p95", 1.3, [_keys(environ, _FEW_PRESSES) for _ in range(3)])]
        )
        yield from on_the_wire.result()


def again_if_far_off(take: Callable[[], list[Figure]]) -> list[Figure]:
    """The figures, taken a second time if one is far off: a machine that was busy for a moment is none of them."""
    figures = take()
    return take() if any(each.is_far_off for each in figures) else figures


class Starts(NamedTuple):
    """A start of each program, one after another."""

    ours: Start
    polling: Start
    table: Start


def _starts(environ: Mapping[str, str], runs: int) -> list[Starts]:
    return [Starts(*(sessions.start(each, environ) for each in (OURS, POLLING, TABLE))) for _ in range(runs)]


def of_starts(starts: Sequence[Starts]) -> list[Figure]:
    """First frame, first content, processor time, memory, and end."""
    ours, polling, table = (_medians(each) for each in zip(*starts, strict=True))
    return [
        Figure("first frame", Unit.MILLISECONDS, ours.frame, 1.1, table.content),
        Figure("first content", Unit.MILLISECONDS, ours.content, 1.1, polling.content),
        Figure("CPU until settled", Unit.MILLISECONDS, ours.cpu, 1.25, polling.cpu),
        Figure("memory", Unit.MEGABYTES, ours.resident, 1.15, polling.resident),
        Figure("quit", Unit.MILLISECONDS, ours.quit, 1.0, table.quit),
    ]


def _medians(starts: Iterable[Start]) -> Start:
    """What is usual of each."""
    columns = zip(*((each.frame, each.content, each.cpu, each.resident, each.quit) for each in starts), strict=True)
    return Start(*(median(column) for column in columns))


def keys(name: str, target: float, taken: Iterable[Sequence[Sequence[float]]]) -> Figure:
    """The figure of sessions in which keys were pressed in ours and in the floor: the usual p95 of each."""
    ours, floor = zip(*((p95(ours), p95(floor)) for ours, floor in taken), strict=True)
    return Figure(name, Unit.FINE_MILLISECONDS, median(ours), target, median(floor))


def _keys(environ: Mapping[str, str], count: int) -> list[list[float]]:
    with sessions.running(environ, OURS, POLLING) as watches:
        return sessions.keys_beside(watches, count)


def _presses(environ: Mapping[str, str], count: int) -> list[Figure]:
    with sessions.running(environ, OURS) as (watch,):
        listed, within = sessions.bytes_of_keys(watch, count)
    return [
        Figure("bytes per key, the detail following", Unit.BYTES, median(listed), 2500),
        Figure("bytes per key, within the history", Unit.BYTES, median(within), 1000),
    ]


def _idle(environ: Mapping[str, str], runs: int) -> Figure:
    ours, floor = zip(*(sessions.idle(environ, _IDLE_SECONDS) for _ in range(runs)), strict=True)
    return Figure("idle CPU, polling every 5 s (floor: 2 s)", Unit.PERCENT, median(ours), 1.5, median(floor))


def _on_the_wire() -> list[Figure]:
    unchanged, touched = sessions.on_the_wire()
    return [
        Figure("bytes for polls that bring nothing new", Unit.BYTES, unchanged, 0),
        Figure("bytes for one touched cell", Unit.BYTES, touched, 320),
    ]


def _of_most(most: Sequence[Whole], usual: Sequence[Whole]) -> list[Figure]:
    more = median(each.resident for each in most) - median(each.resident for each in usual)
    took, allowed = median(each.took for each in most), median(allowed_seconds(each.requests) for each in most)
    return [
        keys(f"key to first byte, p95, {MOST:,} rows loaded", 2.0, [each.loaded for each in most]),
        keys("key to first byte, p95, while they are loaded", 2.0, [each.meanwhile for each in most]),
        Figure("memory a runner loaded", Unit.KILOBYTES, more / (MOST - USUAL), 2e3),
        Figure(f"all pages of {MOST:,} (floor: the budget)", Unit.SECONDS, took, 1.1, allowed),
    ]


def allowed_seconds(requests: int) -> float:
    """Seconds in which the budget allows so many requests, all but those that are kept for key presses."""
    return requests * WINDOW_S / (SHARED_LIMIT - RESERVED_FOR_USER)


def _growth() -> int:
    """In a process of its own, which holds nothing but that day."""
    command = (sys.executable, "-m", "tests.benchmarks.a_day")
    return int(subprocess.run(command, env=child_env(os.environ), stdout=subprocess.PIPE, check=True).stdout)
