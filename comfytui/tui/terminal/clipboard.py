"""Copying: through tmux, through the terminal, or into a file, whichever is the first that works here."""

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
"""Bytes of base64 in an OSC 52: some terminals take no more, and drop or draw what is longer."""

TMUX_SECONDS = 2.0

_FILE = "clipboard.txt"


class ClipboardRoute(StrEnum):
    """A way to a clipboard."""

    TMUX = "tmux"
    OSC52 = "osc52"
    FILE = "file"


class CopyResult(NamedTuple):
    """Which way a text went, None where there was none, and what to tell the person."""

    route: ClipboardRoute | None
    words: str


def available_routes(environ: Mapping[str, str], size: int) -> tuple[ClipboardRoute, ...]:
    """The ways to try, in order.

    Args:
        environ: The environment of this process.
        size: Bytes of the text.
    """
    found = [ClipboardRoute.TMUX] if environ.get("TMUX") else []
    # GNU screen swallows the sequence, and consoles draw it.
    passes = not environ.get("STY") and environ.get("TERM", "") not in {"linux", "dumb", ""}
    if passes and _encoded_size(size) <= MAX_ENCODED:
        found.append(ClipboardRoute.OSC52)
    return (*found, ClipboardRoute.FILE)


async def copy_text(
    text: str,
    environ: Mapping[str, str],
    write: Callable[[str], None],
    directory: Path,
    patience: float = TMUX_SECONDS,
) -> CopyResult:
    """Copy a text, and say which way was taken.

    Args:
        text: The text; no secret.
        environ: The environment of this process.
        write: Writes to the terminal.
        directory: Where the file is put if there is no other way.
        patience: Seconds that tmux may take.
    """
    data = text.encode(errors="replace")
    for route in available_routes(environ, len(data)):
        if route is ClipboardRoute.TMUX and await _load_buffer(data, environ, patience):
            return CopyResult(route, "copied with tmux")
        if route is ClipboardRoute.OSC52:
            write(f"\x1b]52;c;{base64.b64encode(data).decode()}\x07")
            return CopyResult(route, "sent to the terminal (OSC 52)")
    return await asyncio.to_thread(_save, data, directory)


def _encoded_size(size: int) -> int:
    return -(-size // 3) * 4


async def _load_buffer(data: bytes, environ: Mapping[str, str], patience: float) -> bool:
    """Whether tmux has taken it, for its own buffer and for the terminal it runs in (`-w`, tmux 3.2)."""
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
        async with asyncio.timeout(patience):
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
    """Put it into a file that is this user's alone from its first byte."""
    path = directory / _FILE
    try:
        write_atomic(path, data.decode())
    except OSError as error:
        return CopyResult(None, f"not copied: {display_path(path)} cannot be written: {os_error_message(error)}")
    return CopyResult(ClipboardRoute.FILE, f"saved in {display_path(path)}")
