"""Sources of the token: environment, command, files; and saving it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from comfytui.config.paths import config_dir, display_path, exists, permission_warning
from comfytui.config.settings import SettingsError, TokenSources
from comfytui.files import decode_text, os_error_message, write_atomic

if TYPE_CHECKING:
    from subprocess import Popen

    from pydantic import SecretStr


TOKEN_VARIABLE = "COMFYCONTROL_API_TOKEN"
"""Environment variable of the token, unless a profile names another."""

TOKEN_COMMAND = "token_command"
"""Setting with the command that prints the token."""

TOKEN_COMMAND_SECONDS = 10.0
"""Seconds that the command may take."""

MISSING_TOKEN = (
    f"No token: make one in ComfyControl's web app (account settings, API Tokens) and put it into {TOKEN_VARIABLE}; "
    "or look around with comfytui --demo."
)
"""Message if no token is configured (see page api/authentication)."""

_MAX_FILE = 64 * 1024


class _TokenCommands:
    """Running token commands; `times_ended` lets a command that starts during shutdown be killed as well."""

    def __init__(self) -> None:
        self.running: set[Popen[bytes]] = set()
        self.times_ended = 0

    def end(self) -> None:
        self.times_ended += 1
        for process in tuple(self.running):
            _end(process)

    def keep(self, process: Popen[bytes], times_ended: int) -> None:
        """Register a running command that began at a value of `times_ended`."""
        self.running.add(process)
        if times_ended != self.times_ended:
            _end(process)


_commands = _TokenCommands()

_kept_from_children = {TOKEN_VARIABLE}


class Token(NamedTuple):
    """Token and the display name of its source."""

    secret: SecretStr
    source: str


def env_has_token(environ: Mapping[str, str]) -> bool:
    """Return True if the environment holds a token; it is not modified."""
    return bool(trim_token(environ.get(TOKEN_VARIABLE, "")))


def token_from_env(environ: Mapping[str, str]) -> SecretStr:
    """Return the token of the environment, or an empty one."""
    from pydantic import SecretStr

    return SecretStr(trim_token(environ.get(TOKEN_VARIABLE, "")))


def token_file(sources: TokenSources) -> Path:
    """Return the path of the saved token."""
    return config_dir() / sources.saved_names[0]


def has_token_source(environ: Mapping[str, str], sources: TokenSources) -> bool:
    """Return True if any token source is configured; runs no command."""
    return bool(_variable(environ, sources) or sources.command) or any(map(exists, _files(sources)))


def is_renewable(environ: Mapping[str, str], sources: TokenSources) -> bool:
    """Return True if `find_token` may find another token later: the environment of a process never changes."""
    return not _variable(environ, sources)


def missing_token_message(sources: TokenSources) -> str:
    """Return the message for a missing token, with the profile's file or variable."""
    if sources.file is not None:
        how = "holds nothing" if exists(sources.file) else "is not there"
        return f"No token, for {display_path(sources.file)}, which token_file names, {how}: put the token into it."
    if sources.env_var:
        return f"No token, for {sources.env_var}, which token_env names, is not set: put the token into it."
    return MISSING_TOKEN


def find_token(
    environ: Mapping[str, str], sources: TokenSources, timeout: float = TOKEN_COMMAND_SECONDS
) -> Token | None:
    """Return the token of the first source that has one, or None.

    It runs the command and may take as long as that, so it is for a thread.

    Args:
        environ: The environment; the command gets it as `child_environ` has it.
        sources: Where to look.
        timeout: Seconds that the command may take.

    Raises:
        SettingsError: The command or a file fails, or what they or the environment hold cannot be a token. The
            sentence repeats neither.
    """
    if variable := _variable(environ, sources):
        return _found(environ[variable], variable)
    if sources.command:
        return _found(_first_line(sources.command, environ, timeout), TOKEN_COMMAND)
    texts = ((_text_of(file), display_path(file)) for file in _files(sources))
    return next((_found(text, source) for text, source in texts if text), None)


def save_token(secret: SecretStr, sources: TokenSources) -> Path:
    """Keep the token for later starts, in a file that is this user's alone from its first byte; return the file.

    Raises:
        SettingsError: It cannot be written; what was saved before is still there then.
    """
    saved = token_file(sources)
    try:
        write_atomic(saved, f"{secret.get_secret_value()}\n")
    except OSError as error:
        raise SettingsError(f"The token cannot be saved in {display_path(saved)}: {os_error_message(error)}.") from None
    return saved


def permission_warnings(sources: TokenSources, config_file: Path | None = None) -> tuple[str, ...]:
    """Return a warning for each file of ours, and the token directory, that other users may access.

    Args:
        sources: Where tokens may come from.
        config_file: The configuration in use, if any.
    """
    held = [file for file in _files(sources) if exists(file)]
    directory = [config_dir()] if any(file.parent == config_dir() for file in held) else []
    private = [*directory, *held, *([] if config_file is None else [config_file])]
    return tuple(sentence for sentence in map(permission_warning, private) if sentence)


def kill_token_commands() -> None:
    """End a command that still runs, for this process ends and would leave it behind."""
    _commands.end()


def hide_from_children(variables: Iterable[str]) -> None:
    """Have `child_environ` drop these environment variables too, for they hold tokens."""
    _kept_from_children.update(variables)


def child_env(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for child processes: this one without tokens."""
    return {name: value for name, value in environ.items() if name not in _kept_from_children}


def _variable(environ: Mapping[str, str], sources: TokenSources) -> str:
    """Return the name of the first variable that is set, or an empty string."""
    names = [TOKEN_VARIABLE] if sources.environment else []
    return next((name for name in [*names, sources.env_var] if trim_token(environ.get(name, ""))), "")


def _files(sources: TokenSources) -> list[Path]:
    named = [] if sources.file is None else [sources.file]
    return [*named, *(config_dir() / name for name in sources.saved_names)]


def _found(text: str, source: str) -> Token:
    from pydantic import SecretStr

    token = trim_token(text)
    if not is_header_safe(token):
        raise SettingsError(f"What {source} holds is no token: it has blanks or characters that no HTTP header takes.")
    return Token(SecretStr(token), source)


def _first_line(command: Sequence[str], environ: Mapping[str, str], timeout: float) -> str:
    status, output = _run(command, environ, timeout)
    if status < 0:
        raise SettingsError(f"{TOKEN_COMMAND} was ended by signal {-status}.")
    if status:
        raise SettingsError(f"{TOKEN_COMMAND} failed with status {status}.")
    line = trim_token(decode_text(output, "replace").partition("\n")[0])
    if not line:
        raise SettingsError(f"{TOKEN_COMMAND} printed nothing; its first line is to be the token.")
    return line


def _run(command: Sequence[str], environ: Mapping[str, str], timeout: float) -> tuple[int, bytes]:
    """Return exit status and output of a command that runs without terminal."""
    import subprocess

    times_ended = _commands.times_ended
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=child_env(environ),
            start_new_session=True,
        )
    except OSError as error:
        raise SettingsError(f"{TOKEN_COMMAND} cannot be run: {os_error_message(error)}.") from None
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


def _text_of(file: Path) -> str:
    """Return the text of a file, or an empty string."""
    try:
        with file.open("rb") as opened:
            return trim_token(decode_text(opened.read(_MAX_FILE), "replace"))
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise SettingsError(f"{display_path(file)} cannot be read: {os_error_message(error)}.") from None


TOKEN_PREFIX = "cfc_"
"""Prefix of every ComfyControl token."""

_HEADER_VALUE = re.compile(r"[!-~]+")
_AROUND = "\ufeff \t\r\n\v\f\0"


def is_header_safe(text: str) -> bool:
    """Return True if a token can be sent in an HTTP header: visible ASCII, not empty."""
    return _HEADER_VALUE.fullmatch(text) is not None


def trim_token(text: str) -> str:
    """Return the text without blanks and byte order marks around it, which editors and shells leave there."""
    return text.strip(_AROUND)
