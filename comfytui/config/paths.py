"""Paths of configuration, state and runtime files.

The directories are those of the platform: on Linux below `$XDG_CONFIG_HOME`, `$XDG_STATE_HOME` and `$XDG_RUNTIME_DIR`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from comfytui.files import HOMELESS, PRIVATE

APP = "comfytui"

SHARED_PLACES = (Path("/", "dev", "shm"), Path("/", "tmp"))
"""Directories in which every user may make one."""

RUNTIME_PLACE = Path("/", "run", "user")
"""Directory of the runtime directories of logged-in users, by user id."""

_OTHERS = 0o077


def config_dir() -> Path:
    """Return the directory of the configuration and the saved token; it need not exist."""
    from platformdirs import user_config_path

    return _of_user(user_config_path)


def state_dir() -> Path:
    """Return the directory of the request log and crash reports; it need not exist."""
    from platformdirs import user_state_path

    return _of_user(user_state_path)


def is_homeless() -> bool:
    """Return True if nothing says where the user's configuration or state is."""
    return HOMELESS in (config_dir(), state_dir())


def _of_user(place: Callable[[str], Path]) -> Path:
    """Return a directory as platformdirs has it, or HOMELESS if the user has no home directory."""
    try:
        directory = place(APP)
    except RuntimeError:
        return HOMELESS
    # Some versions leave the ~ in place instead of raising.
    return directory if directory.is_absolute() else HOMELESS


def config_file() -> Path:
    """Return the path of the default configuration file; it need not exist."""
    return config_dir() / "config.toml"


def request_log() -> Path:
    """Return the path of the default request log; it need not exist."""
    return state_dir() / "requests.log"


def rate_limit_files() -> tuple[Path, ...]:
    """Return where this user's processes share their requests, best place first; none of them need exist.

    The environment is ignored, so that terminals, cron and sudo share one file. Memory comes first, since it is
    never a network's, seldom full, and empty after a start of the machine.
    """
    user = os.geteuid()
    shared = [place / f"{APP}-{user}" for place in SHARED_PLACES if place.is_dir()]
    return tuple(directory / "budget-1.sqlite" for directory in (*shared, RUNTIME_PLACE / str(user) / APP))


def locate_config_file(given: Path | None) -> Path | None:
    """Return the configuration file to read: the given one, or the default if it exists, or None."""
    if given is not None:
        return given
    usual = config_file()
    return usual if exists(usual) else None


def exists(path: Path) -> bool:
    """Return True if a path exists and is accessible."""
    try:
        path.stat()
    except OSError:
        return False
    return True


def permission_warning(path: Path) -> str | None:
    """Return the warning about a file or directory that others may access, or None."""
    try:
        mode = _mode(path)
        wanted = PRIVATE if path.is_dir() else 0o600
    except OSError:
        return None
    if not mode & _OTHERS:
        return None
    return f"{display_path(path)} is open to other users (mode {mode:04o}): chmod {wanted:o} it."


def display_path(path: Path) -> str:
    """Return a path for display, with the home directory as `~`."""
    try:
        home = Path.home()
    except RuntimeError:
        home = path
    below = home not in (path, Path("/")) and path.is_relative_to(home)
    text = f"~/{path.relative_to(home)}" if below else str(path)
    return text if text.isprintable() else ascii(text)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
