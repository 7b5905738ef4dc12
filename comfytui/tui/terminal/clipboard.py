"""Copying through tmux, the terminal or a file, whichever works first."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from comfytui.config.credentials import child_env
from comfytui.config.paths import display_path
from comfytui.files import os_error_message, write_atomic

MAX_ENCODED = 74_000
"""Bytes of base64 in an OSC 52 sequence; some terminals drop or draw longer ones."""

TMUX_TIMEOUT_S = 2.0
"""Seconds that tmux may take."""

_FILE = "clipboard.txt"


class ClipboardRoute(StrEnum):
    """Way to copy a text."""

    TMUX = "tmux"
    OSC52 = "osc52"
    FILE = "file"


class CopyResult(NamedTuple):
    """Route that was used, or None if all failed, and a message for the user."""

    route: ClipboardRoute | None
    message: str


def available_routes(environ: Mapping[str, str], size: int) -> tuple[ClipboardRoute, ...]:
    """Return the routes to try, in order.

    Args:
        environ: Environment of this process.
        size: Size of the text in bytes.
    """
    found = [ClipboardRoute.TMUX] if environ.get("TMUX") else []
    # GNU screen drops the sequence, and consoles draw it.
    passes = not environ.get("STY") and environ.get("TERM", "") not in {"linux", "dumb", ""}
    if passes and _encoded_size(size) <= MAX_ENCODED:
        found.append(ClipboardRoute.OSC52)
    return (*found, ClipboardRoute.FILE)


async def copy_text(
    text: str,
    environ: Mapping[str, str],
    write: Callable[[str], None],
    directory: Path,
    timeout_s: float = TMUX_TIMEOUT_S,
) -> CopyResult:
    """Copy a text by the first route that works.

    Args:
        text: Text without secrets.
        environ: Environment of this process.
        write: Function that writes to the terminal.
        directory: Directory of the file that is written as a last resort.
        timeout_s: Seconds that tmux may take.
    """
    data = text.encode(errors="replace")
    for route in available_routes(environ, len(data)):
        if route is ClipboardRoute.TMUX and await _copy_with_tmux(data, environ, timeout_s):
            return CopyResult(route, "copied with tmux")
        if route is ClipboardRoute.OSC52:
            write(f"\x1b]52;c;{base64.b64encode(data).decode()}\x07")
            return CopyResult(route, "sent to the terminal (OSC 52)")
    return await asyncio.to_thread(_save, data, directory)


def _encoded_size(size: int) -> int:
    return -(-size // 3) * 4


async def _copy_with_tmux(data: bytes, environ: Mapping[str, str], timeout_s: float) -> bool:
    """Return True if tmux copied the text, to its own buffer and to its terminal (`-w`, tmux 3.2)."""
    program = shutil.which("tmux", path=environ.get("PATH"))
    if program is None:
        return False
    try:
        process = await asyncio.create_subprocess_exec(
            *(program, "load-buffer", "-w", "-"), stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, env=child_env(environ)
        )
    except OSError:
        return False
    try:
        async with asyncio.timeout(timeout_s):
            await process.communicate(data)
    except TimeoutError:
        return False
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return process.returncode == 0


def _save(data: bytes, directory: Path) -> CopyResult:
    """Write the text to a file that only this user can read."""
    path = directory / _FILE
    try:
        write_atomic(path, data.decode())
    except OSError as error:
        return CopyResult(None, f"not copied: {display_path(path)} cannot be written: {os_error_message(error)}")
    return CopyResult(ClipboardRoute.FILE, f"saved in {display_path(path)}")
