"""The configuration that explains itself: every setting, with its meaning, and none of them set."""

from __future__ import annotations

from collections.abc import Iterator

from comfytui.config.settings import API_URL, COLOURS, DEFAULT_INTERVAL, PRESETS
from comfytui.tui.commands import COMMANDS, Command
from comfytui.tui.keys import read_key, shown

__all__ = ["template"]

_TOP = f"""\
# The configuration of comfytui. Nothing in it is needed.
#
# A setting is a line that begins with # and no blank: take that # away, and the one of the [table] it is in.
# What a flag says comes first, then the environment, then the profile, then the rest of this file.
# comfytui config check tells whether it can be used, comfytui config print what comes of it.

# The API's address.
#url = "{API_URL}"

# The program that prints the token, as its first line; no shell runs it. A list of words is taken, too.
#token_command = "pass comfycontrol"

# Seconds between polls, 1 or more.
#interval = {DEFAULT_INTERVAL:g}

# A file or a directory of certificates to trust instead of the usual ones. A relative path begins at this file.
#ca_bundle = "/etc/ssl/own-ca.pem"

# Whether to poll at full rate while the terminal is not focused.
#wallboard = false

# The profile to use where none is named.
#profile = "prod"

# Profiles, chosen with --profile, or in the dashboard. Each may say of itself:
#   url, interval, ca_bundle    as above
#   colour                      what its name is coloured with: {", ".join(COLOURS)}
# and, at most one of them, where its token is:
#   token_command               as above
#   token_file                  a file that holds it
#   token_env                   the name of an environment variable that holds it
#[profiles.prod]
#url = "{API_URL}"
#token_command = ["pass", "show", "comfycontrol/prod"]
#colour = "red"
#interval = 5

#[profiles.staging]
#url = "https://staging.example.com"
#token_file = "staging.token"
#ca_bundle = "staging-ca.pem"

#[profiles.lab]
#token_env = "LAB_TOKEN"

# ComfyUI servers, whom --comfyui then takes by this name; headers go along with each request, as for a password.
#[comfyui.studio]
#url = "http://studio:8188"
#headers = {{ Authorization = "Basic c29tZWJvZHk6cGFzc3dvcmQ=" }}

# Keys: a preset to begin with, one of {", ".join(PRESETS)};
# then the keys of commands, one or a list, [] for none. These are the usual ones.
#[keys]
#preset = "default"
"""


def template() -> str:
    """The whole file, in TOML."""
    return "\n".join((_TOP.rstrip("\n"), *_commands(), ""))


def _commands() -> Iterator[str]:
    where = None
    for command in COMMANDS:
        if command.where != where:
            where = command.where
            yield ""
            yield f"# {where[0].upper()}{where[1:]}."
        yield _command(command)


def _command(command: Command) -> str:
    read = [read_key(written) for written in command.keys.split(",")]
    keys = ", ".join(_quoted(shown(key)) for key in read if key is not None)
    return f"#{command.id} = [{keys}]  # {command.help}"


def _quoted(key: str) -> str:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
