"""Where the token comes from, and where it is kept."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from comfytui.config.paths import config_dir, exists, exposure, make_private, shown
from comfytui.config.settings import SettingsError

if TYPE_CHECKING:
    from subprocess import Popen

    from pydantic import SecretStr

__all__ = [
    "MISSING_TOKEN",
    "TOKEN_COMMAND",
    "TOKEN_VARIABLE",
    "FoundToken",
    "child_environ",
    "end_token_command",
    "find_token",
    "has_token",
    "may_find_token",
    "permission_warnings",
    "save_token",
    "token_file",
    "token_from",
]

TOKEN_VARIABLE = "COMFYCONTROL_API_TOKEN"
"""The environment variable that holds the token."""

TOKEN_COMMAND = "token_command"
"""The setting that names a program which prints it."""

TOKEN_COMMAND_SECONDS = 10.0

MISSING_TOKEN = (
    f"No token: make one in ComfyControl's web app (account settings, API Tokens) and put it into {TOKEN_VARIABLE}; "
    "or look around with comfytui --demo."
)
"""What to say where there is no token (page api/authentication says where they are made)."""

_HEADER_VALUE = re.compile(r"[!-~]+")
_MAX_FILE = 64 * 1024


class _Commands:
    """The commands that run, and how often all of them were ended: one that began meanwhile ends too."""

    def __init__(self) -> None:
        self.running: set[Popen[bytes]] = set()
        self.times_ended = 0

    def end(self) -> None:
        self.times_ended += 1
        for process in tuple(self.running):
            _end(process)

    def keep(self, process: Popen[bytes], times_ended: int) -> None:
        """From now on this one runs; it began when they had been ended so often."""
        self.running.add(process)
        if times_ended != self.times_ended:
            _end(process)


_commands = _Commands()


@dataclass(frozen=True, slots=True)
class FoundToken:
    """A token and where it was found, for people to read."""

    secret: SecretStr
    source: str


def has_token(environ: Mapping[str, str]) -> bool:
    """Whether the environment holds a token, without touching it."""
    return bool(environ.get(TOKEN_VARIABLE, "").strip())


def token_from(environ: Mapping[str, str]) -> SecretStr:
    """The token of the environment; an empty one where there is none."""
    from pydantic import SecretStr

    return SecretStr(environ.get(TOKEN_VARIABLE, "").strip())


def token_file() -> Path:
    """Where a token is saved when a person says so."""
    return config_dir() / "token"


def may_find_token(environ: Mapping[str, str], command: Sequence[str] = (), saved: Path | None = None) -> bool:
    """Whether `find_token` has anywhere to look; cheap, and runs nothing."""
    return has_token(environ) or bool(command) or exists(saved or token_file())


def find_token(
    environ: Mapping[str, str],
    command: Sequence[str] = (),
    saved: Path | None = None,
    timeout: float = TOKEN_COMMAND_SECONDS,
) -> FoundToken | None:
    """The token of the environment, else of `token_command`, else the saved one; None where there is none of them.

    It runs the command and may take as long as that, so it is for a thread.

    Args:
        environ: The environment; the command gets it without the token.
        command: The `token_command`, a program and its arguments; no shell runs it.
        saved: The file to look into instead of `token_file()`.
        timeout: Seconds that the command may take.

    Raises:
        SettingsError: The command or the file fails, or what they or the environment hold cannot be a token. The
            sentence repeats neither.
    """
    saved = saved or token_file()
    if has_token(environ):
        return _found(environ[TOKEN_VARIABLE], TOKEN_VARIABLE)
    if command:
        return _found(_first_line(command, environ, timeout), TOKEN_COMMAND)
    text = _saved_text(saved)
    return _found(text, shown(saved)) if text else None


def save_token(secret: SecretStr, saved: Path | None = None) -> Path:
    """Keep the token for later starts, in a file that is this user's alone from its first byte; return the file.

    Args:
        secret: The token.
        saved: The file to write instead of `token_file()`.

    Raises:
        SettingsError: It cannot be written; what was saved before is still there then.
    """
    saved = saved or token_file()
    try:
        _replace(saved, secret.get_secret_value())
    except OSError as error:
        raise SettingsError(f"The token cannot be saved in {shown(saved)}: {_cause(error)}.") from None
    return saved


def permission_warnings(config_file: Path | None = None, saved: Path | None = None) -> tuple[str, ...]:
    """A sentence for each of our files, and the directory of the token, that other users may read or change.

    Args:
        config_file: The configuration in use, if any.
        saved: The file of the token instead of `token_file()`.
    """
    saved = saved or token_file()
    private = [saved.parent, saved] if exists(saved) else []
    private += [] if config_file is None else [config_file]
    return tuple(sentence for sentence in map(exposure, private) if sentence)


def end_token_command() -> None:
    """End a command that still runs, for this process ends and would leave it behind."""
    _commands.end()


def child_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for a child process: all of this one but the token."""
    return {name: value for name, value in environ.items() if name != TOKEN_VARIABLE}


def _found(text: str, source: str) -> FoundToken:
    from pydantic import SecretStr

    if not _HEADER_VALUE.fullmatch(text.strip()):
        raise SettingsError(f"What {source} holds is no token: it has blanks or characters that no HTTP header takes.")
    return FoundToken(SecretStr(text.strip()), source)


def _first_line(command: Sequence[str], environ: Mapping[str, str], timeout: float) -> str:
    status, output = _run(command, environ, timeout)
    if status < 0:
        raise SettingsError(f"{TOKEN_COMMAND} was ended by signal {-status}.")
    if status:
        raise SettingsError(f"{TOKEN_COMMAND} failed with status {status}.")
    line = output.partition(b"\n")[0].strip()
    if not line:
        raise SettingsError(f"{TOKEN_COMMAND} printed nothing; its first line is to be the token.")
    # Bytes that are no ASCII become characters that no token has.
    return line.decode("latin-1")


def _run(command: Sequence[str], environ: Mapping[str, str], timeout: float) -> tuple[int, bytes]:
    """Exit status and output of a program that has no terminal to ask on or to draw over."""
    import subprocess

    times_ended = _commands.times_ended
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=child_environ(environ),
            start_new_session=True,
        )
    except OSError as error:
        raise SettingsError(f"{TOKEN_COMMAND} cannot be run: {_cause(error)}.") from None
    with process:
        _commands.keep(process, times_ended)
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            _end(process)
            raise SettingsError(f"{TOKEN_COMMAND} took longer than {timeout:g} seconds.") from None
        finally:
            _commands.running.discard(process)
    return process.returncode, output


def _end(process: Popen[bytes]) -> None:
    """End a command and all that it started: one of them alone could hold its output open for ever."""
    # Without `poll`: until the command is waited for, no other process can have its number.
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _saved_text(saved: Path) -> str:
    """What the file holds; nothing where there is none."""
    try:
        with saved.open("rb") as file:
            return file.read(_MAX_FILE).decode("latin-1").strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise SettingsError(f"{shown(saved)} cannot be read: {_cause(error)}.") from None


def _replace(saved: Path, text: str) -> None:
    import tempfile

    make_private(saved.parent)
    descriptor, name = tempfile.mkstemp(prefix=".token-", dir=saved.parent)
    written = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        written.replace(saved)
    finally:
        written.unlink(missing_ok=True)


def _cause(error: OSError) -> str:
    return (error.strerror or "unknown cause").lower()
