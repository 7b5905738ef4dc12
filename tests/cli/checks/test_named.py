from __future__ import annotations

from pathlib import Path

import pytest

from comfytui.cli.checks.named import what_cannot_work
from comfytui.config.precedence import Choices, ConfigFile, Flags, Profile, resolve
from comfytui.config.settings import API_URL

AUTHORITY = Path(__file__).parents[2] / "fixtures" / "tls" / "authority.pem"
FILE = Path("/etc/c.toml")
MISSING = Path("/nowhere/s")
PATH = {"PATH": "/usr/bin:/bin"}
LINES = {("profiles", "a"): 3, ("token_command",): 1, ("ca_bundle",): 2}


def flaws(config: ConfigFile, **environ: str) -> list[str]:
    choices = Choices(Flags(), PATH | environ, config, FILE)
    return list(what_cannot_work(choices, resolve(choices), LINES))


@pytest.mark.parametrize(
    ("config", "flaw"),
    [
        (ConfigFile(ca_bundle=MISSING), "2: ca_bundle: /nowhere/s holds no certificates that can be read."),
        (ConfigFile(token_command=("s3cret",)), "1: token_command: its program is not there, or may not be run."),
        (ConfigFile(token_command=("/etc/passwd",)), "1: token_command: its program is not there, or may not be run."),
        (
            ConfigFile(profiles={"a": Profile(token_file=MISSING)}),
            "3: profiles.a.token_file: /nowhere/s is not there, or cannot be read.",
        ),
        (
            ConfigFile(profiles={"a": Profile(token_file=Path("/"))}),
            "3: profiles.a.token_file: / is not there, or cannot be read.",
        ),
        (
            ConfigFile(profiles={"a": Profile(url="https://me:s3cret@h")}),
            "3: profiles.a.url: expected no user name or password in it: the token says who asks.",
        ),
        (
            ConfigFile(profiles={"a": Profile(ca_bundle=FILE)}),
            "3: profiles.a.ca_bundle: /etc/c.toml holds no certificates that can be read.",
        ),
    ],
    ids=["ca_bundle", "program", "no program", "token_file", "directory", "url", "ca_bundle of a profile"],
)
def test_what_is_named_and_cannot_be_used(config: ConfigFile, flaw: str) -> None:
    assert flaws(config) == [f"/etc/c.toml, line {flaw}"]


def test_what_is_named_and_can_be_used() -> None:
    profile = Profile(url=API_URL, token_file=AUTHORITY, ca_bundle=AUTHORITY)
    config = ConfigFile(
        url=API_URL, ca_bundle=AUTHORITY, token_command=("sh", "-c", "nowhere"), profiles={"a": profile}
    )
    assert flaws(config, SSL_CERT_FILE="/nowhere.pem") == []
    assert flaws(ConfigFile()) == []


def test_what_the_environment_names() -> None:
    assert flaws(ConfigFile(), SSL_CERT_FILE="/nowhere.pem") == [
        "SSL_CERT_FILE names no certificates that can be read."
    ]


def test_everything_is_told_at_once() -> None:
    config = ConfigFile(ca_bundle=MISSING, profiles={"a": Profile(token_file=MISSING), "b": Profile(ca_bundle=MISSING)})
    assert len(flaws(config)) == 3
