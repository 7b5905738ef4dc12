"""The terminal: what the dashboard can draw on it, and how it copies."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from comfytui.cli.checks.check import Check, fail, ok, warn
from comfytui.config.credentials import child_environ
from comfytui.tui.terminal.capabilities import Colours, surroundings
from comfytui.tui.terminal.clipboard import Route, routes
from comfytui.tui.terminal.job_control import USUAL_SIZE, size_of

_LEAST = (40, 10)
"""Columns and lines below which each runner is one line."""

_SINCE = (3, 2)
"""The first tmux that hands what it copies on to the terminal."""

_NUMBERS = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Terminal:
    """What can be known of a terminal without asking it.

    Attributes:
        is_there: Whether standard input and standard error are one.
        size: Columns and lines, None where that cannot be told.
        encoding: What is written to it is encoded so.
    """

    is_there: bool
    size: tuple[int, int] | None
    encoding: str


class Tmux(NamedTuple):
    """What the tmux around us says: its version, and its option set-clipboard; empty where it does not answer."""

    version: str
    set_clipboard: str


def this_terminal() -> Terminal:
    """The one that the dashboard would use."""
    streams = (sys.stdin, sys.stderr)
    is_there = all(stream is not None and stream.isatty() for stream in streams)
    encoding = "ascii" if sys.stderr is None else sys.stderr.encoding
    if not is_there:
        return Terminal(False, None, encoding)
    return Terminal(True, size_of(sys.stderr.fileno()), encoding)


def look_at_terminal(terminal: Terminal, environ: Mapping[str, str], color: str, only_ascii: bool) -> Check:
    """What the dashboard would draw, and what stands in its way.

    Args:
        terminal: What is known of it.
        environ: The environment.
        color: As `--color` says.
        only_ascii: Whether nothing else is wished for.
    """
    term = environ.get("TERM", "")
    around = surroundings(environ, color, only_ascii, terminal.encoding)
    facts = [
        term or "TERM is not set",
        "no colours" if around.colours is Colours.NONE else f"{_COLOURS[around.colours]} colours",
        ("" if terminal.size else "size unknown, so ") + "{}x{}".format(*(terminal.size or USUAL_SIZE)),
        f"mouse {'on' if around.mouse else 'off, for it is over SSH'}",
        "ASCII" if around.ascii else "Unicode",
    ]
    delay = around.variables.get("ESCDELAY", environ.get("ESCDELAY"))
    if delay:
        facts.append(f"Escape waits {delay} ms")
    return _judged(terminal, ", ".join(facts), is_dumb=term in {"", "dumb"}, loses=around.ascii and not only_ascii)


async def look_at_clipboard(environ: Mapping[str, str], seconds: float) -> Check:
    """Which way a copied text would go; asks tmux if that is around us."""
    return clipboard(environ, await ask_tmux(environ, seconds) if environ.get("TMUX") else None)


def clipboard(environ: Mapping[str, str], tmux: Tmux | None) -> Check:
    """Which way a copied text would go.

    Args:
        environ: The environment.
        tmux: What the tmux around us says, None where there is none.
    """
    if tmux is not None:
        return _by_tmux(tmux)
    if Route.OSC52 in routes(environ, 0):
        return ok("clipboard", "by the terminal (OSC 52), if it takes that")
    return warn("clipboard", "into a file: this terminal passes nothing on to a clipboard", "use tmux, not screen")


async def ask_tmux(environ: Mapping[str, str], seconds: float) -> Tmux:
    """Ask the tmux around us, within so many seconds."""
    version, option = await asyncio.gather(
        _output(environ, seconds, "-V"), _output(environ, seconds, "show-options", "-gv", "set-clipboard")
    )
    return Tmux(version.removeprefix("tmux "), option)


_COLOURS = {Colours.TRUECOLOR: "16 million", Colours.COLOURS_256: "256", Colours.COLOURS_16: "16"}


def _judged(terminal: Terminal, found: str, *, is_dumb: bool, loses: bool) -> Check:
    if not terminal.is_there:
        return warn(
            "terminal", f"none here: the dashboard needs one; {found}", "ask again in the terminal it is to run in"
        )
    if is_dumb:
        return fail("terminal", found, "set TERM to what the terminal is, such as xterm-256color")
    if terminal.size is not None and any(has < least for has, least in zip(terminal.size, _LEAST, strict=True)):
        return warn("terminal", found, f"{_LEAST[0]}x{_LEAST[1]} or more shows more than names")
    if loses:
        return warn("terminal", f"{found}, for it is written to as {terminal.encoding}", "LANG=C.UTF-8, or another")
    return ok("terminal", found)


def _by_tmux(tmux: Tmux) -> Check:
    numbers = _NUMBERS.search(tmux.version)
    found = f"by tmux {tmux.version}, set-clipboard {tmux.set_clipboard}"
    if not tmux.set_clipboard:
        return warn("clipboard", "inside tmux, which does not answer", "is TMUX that of a tmux which still runs?")
    if numbers and (int(numbers[1]), int(numbers[2])) < _SINCE:
        return warn("clipboard", f"{found}: too old to pass it on to the terminal", "tmux 3.2 or newer")
    if tmux.set_clipboard == "off":
        return warn("clipboard", f"{found}: it stays inside tmux", "tmux set -s set-clipboard external")
    return ok("clipboard", found)


async def _output(environ: Mapping[str, str], seconds: float, *words: str) -> str:
    """What tmux prints when it is told so; empty where it fails or takes longer."""
    program = shutil.which("tmux", path=environ.get("PATH"))
    if program is None:
        return ""
    try:
        process = await asyncio.create_subprocess_exec(
            program, *words, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, env=child_environ(environ)
        )
    except OSError:
        return ""
    try:
        async with asyncio.timeout(seconds):
            output, _ = await process.communicate()
    except TimeoutError:
        return ""
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return output.decode(errors="replace").strip()
