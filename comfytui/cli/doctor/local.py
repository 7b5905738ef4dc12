"""Checks of this machine: versions, configuration, permissions, terminal and clipboard."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import re
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from comfytui.cli.doctor.check import Check, fail, ok, warn
from comfytui.cli.doctor.network import unreadable_ca_source
from comfytui.config.credentials import child_env, permission_warnings
from comfytui.config.paths import display_path, is_homeless, permission_warning, state_dir
from comfytui.tui.terminal.capabilities import ColorDepth, detect_capabilities
from comfytui.tui.terminal.clipboard import ClipboardRoute, available_routes
from comfytui.tui.terminal.job_control import DEFAULT_SIZE, terminal_size

if TYPE_CHECKING:
    from comfytui.config.file import KeyPath
    from comfytui.config.precedence import ConfigFile, ConfigSources, Profile
    from comfytui.config.settings import Settings, TokenSources

PACKAGES = ("comfytui", "textual", "httpx", "pydantic")
"""Packages whose versions are printed."""

_MIN_SIZE = (40, 10)
"""Columns and lines below which only the names of runners are shown."""

_MIN_TMUX = (3, 2)
"""First version of tmux that passes copied text on to the terminal."""

_VERSION = re.compile(r"(\d+)\.(\d+)")
_COLORS = {
    ColorDepth.TRUECOLOR: "16 million colors",
    ColorDepth.COLORS_256: "256 colors",
    ColorDepth.COLORS_16: "16 colors",
    ColorDepth.NONE: "no colors",
}


@dataclass(frozen=True, slots=True)
class TerminalInfo:
    """Properties of a terminal that are known without a query.

    Attributes:
        is_terminal: True if standard input and standard error are a terminal.
        size: Columns and lines, or None if unknown.
        encoding: Encoding of the text written to it.
    """

    is_terminal: bool
    size: tuple[int, int] | None
    encoding: str


class TmuxInfo(NamedTuple):
    """Version of the surrounding tmux and its option set-clipboard; both empty if it does not answer."""

    version: str
    set_clipboard: str


def check_versions(packages: tuple[str, ...] = PACKAGES) -> Check:
    """Check that the packages are installed, without importing them."""
    import importlib.metadata

    versions, missing = [], []
    for package in packages:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(package)
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    detail = ", ".join([*versions, f"Python {platform.python_version()} on {system}"])
    if missing:
        return fail("versions", f"{', '.join(missing)} not installed; {detail}", "reinstall comfytui")
    return ok("versions", detail)


def check_configuration(file: Path | None, problem: str) -> Check:
    """Check the configuration; `problem` is the sentence that says why it cannot be used, empty if it can."""
    if problem:
        return fail("config", problem, "correct it, then run comfytui config check")
    if is_homeless():
        return warn("config", "no home directory is known: nothing is read or kept there", "set HOME")
    return ok("config", "there is no file, and none is needed" if file is None else f"{display_path(file)} can be used")


def check_permissions(sources: TokenSources, file: Path | None) -> list[Check]:
    """Return a warning for each private file that other users can access, or one check without fault."""
    sentences = (*permission_warnings(sources, file), permission_warning(state_dir()))
    # One directory may hold both configuration and state.
    parts = [sentence.rpartition(": ") for sentence in dict.fromkeys(sentences) if sentence]
    checks = [warn("permissions", detail, hint.rstrip(".")) for detail, _, hint in parts]
    return checks or [ok("permissions", "configuration, token and state are private")]


def check_terminal(terminal: TerminalInfo, environ: Mapping[str, str], color: str, only_ascii: bool) -> Check:
    """Check that the dashboard can be drawn on a terminal.

    Args:
        terminal: Properties of the terminal.
        environ: Environment variables.
        color: Value of `--color`.
        only_ascii: True if the user wants nothing but ASCII.
    """
    term = environ.get("TERM", "")
    able = detect_capabilities(environ, color, only_ascii, terminal.encoding)
    columns, lines = terminal.size or DEFAULT_SIZE
    delay = able.variables.get("ESCDELAY", environ.get("ESCDELAY"))
    facts = (
        term or "TERM is not set",
        _COLORS[able.colors],
        f"{'' if terminal.size else 'size unknown, so '}{columns}x{lines}",
        f"mouse {'on' if able.mouse else 'off (SSH)'}",
        "ASCII" if able.ascii else "Unicode",
        f"Escape waits {delay} ms" if delay else "",
    )
    detail = ", ".join(filter(None, facts))
    if not terminal.is_terminal:
        return warn("terminal", f"not a terminal, which the dashboard needs; {detail}", "run it again in a terminal")
    if term in {"", "dumb"}:
        return fail("terminal", detail, "set TERM to the type of the terminal, such as xterm-256color")
    if columns < _MIN_SIZE[0] or lines < _MIN_SIZE[1]:
        return warn("terminal", detail, f"{_MIN_SIZE[0]}x{_MIN_SIZE[1]} or more shows more than names")
    if able.ascii and not only_ascii:
        return warn("terminal", f"{detail}, as its encoding is {terminal.encoding}", "set LANG, such as LANG=C.UTF-8")
    return ok("terminal", detail)


def current_terminal() -> TerminalInfo:
    """Return the properties of the terminal that the dashboard would use."""
    encoding = "ascii" if sys.stderr is None else sys.stderr.encoding
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr)):
        return TerminalInfo(False, None, encoding)
    return TerminalInfo(True, terminal_size(sys.stderr.fileno()), encoding)


async def check_clipboard(environ: Mapping[str, str], timeout_s: float) -> Check:
    """Check the route of copied text to the clipboard; a surrounding tmux is queried."""
    return describe_clipboard(environ, await query_tmux(environ, timeout_s) if environ.get("TMUX") else None)


def describe_clipboard(environ: Mapping[str, str], tmux: TmuxInfo | None) -> Check:
    """Return the check of the clipboard; `tmux` is the surrounding one, or None."""
    if tmux is not None:
        return _check_tmux(tmux)
    if ClipboardRoute.OSC52 in available_routes(environ, 0):
        return ok("clipboard", "through the terminal (OSC 52), if it supports that")
    return warn("clipboard", "to a file: this terminal has no way to a clipboard", "use tmux, not screen")


async def query_tmux(environ: Mapping[str, str], timeout_s: float) -> TmuxInfo:
    """Query the surrounding tmux."""
    version, option = await asyncio.gather(
        _run_tmux(environ, timeout_s, "-V"), _run_tmux(environ, timeout_s, "show-options", "-gv", "set-clipboard")
    )
    return TmuxInfo(version.removeprefix("tmux "), option)


def find_broken_references(choices: ConfigSources, settings: Settings, lines: Mapping[KeyPath, int]) -> Iterator[str]:
    """Yield a sentence for each setting of all profiles that names a file or program that cannot be used.

    No program is run and no request sent; no sentence repeats a value but paths of files.

    Args:
        choices: Flags, environment and configuration.
        settings: Settings resolved from them.
        lines: Line of each key of the configuration.
    """
    config, file = choices.config, choices.config_file
    if file is not None:
        from comfytui.config.file import line_for

        tables: list[tuple[KeyPath, ConfigFile | Profile]] = [((), config)]
        tables += [(("profiles", name), profile) for name, profile in config.profiles.items()]
        for table, part in tables:
            for key, problem in _find_broken_keys(part, choices.environ):
                path = (*table, key)
                yield f"{display_path(file)}, line {line_for(path, lines)}: {'.'.join(path)}: {problem}."
    if settings.ca_bundle is None and (variable := unreadable_ca_source(None, choices.environ)):
        yield f"{variable} names no certificates that can be read."


def _find_broken_keys(part: ConfigFile | Profile, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the keys of a table that name something unusable, each with the problem."""
    if "@" in urlsplit(part.url or "").netloc:
        yield "url", "expected no user name or password in it: the API takes a token only"
    if part.ca_bundle is not None and unreadable_ca_source(part.ca_bundle, {}):
        yield "ca_bundle", f"{display_path(part.ca_bundle)} holds no certificates that can be read"
    if part.token_command and shutil.which(part.token_command[0], path=environ.get("PATH")) is None:
        yield "token_command", "its program is not there, or may not be run"
    file = getattr(part, "token_file", None)
    if isinstance(file, Path) and (file.is_dir() or not os.access(file, os.R_OK)):
        yield "token_file", f"{display_path(file)} is not there, or cannot be read"


def _check_tmux(tmux: TmuxInfo) -> Check:
    version = _VERSION.search(tmux.version)
    detail = f"through tmux {tmux.version}, set-clipboard {tmux.set_clipboard}"
    if not tmux.set_clipboard:
        return warn("clipboard", "inside tmux, which does not answer", "check that TMUX names a tmux that runs")
    if version and (int(version[1]), int(version[2])) < _MIN_TMUX:
        return warn("clipboard", f"{detail}: too old to pass text on to the terminal", "use tmux 3.2 or newer")
    if tmux.set_clipboard == "off":
        return warn("clipboard", f"{detail}: text stays inside tmux", "run tmux set -s set-clipboard external")
    return ok("clipboard", detail)


async def _run_tmux(environ: Mapping[str, str], timeout_s: float, *arguments: str) -> str:
    """Return the output of a tmux command, empty if it fails or takes longer."""
    program = shutil.which("tmux", path=environ.get("PATH"))
    if program is None:
        return ""
    process, output = None, b""
    # A timeout is an OSError.
    with contextlib.suppress(OSError):
        try:
            async with asyncio.timeout(timeout_s):
                process = await asyncio.create_subprocess_exec(
                    program, *arguments, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, env=child_env(environ)
                )
                output, _ = await process.communicate()
        finally:
            if process is not None and process.returncode is None:
                process.kill()
                await process.wait()
    return output.decode(errors="replace").strip()
