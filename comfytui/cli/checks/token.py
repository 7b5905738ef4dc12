"""The token: where it comes from and what it looks like, never what it is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from comfytui.cli.checks.check import Check, fail, ok, warn
from comfytui.cli.exit_codes import ExitStatus
from comfytui.config.credentials import (
    PREFIX,
    TOKEN_COMMAND,
    TOKEN_COMMAND_SECONDS,
    end_token_command,
    find_token,
    missing_token,
)
from comfytui.config.paths import config_dir, shown
from comfytui.config.settings import SettingsError, TokenSources

if TYPE_CHECKING:
    from pydantic import SecretStr


_SLOW = (
    f"run {TOKEN_COMMAND} in a terminal to see what it waits for: it is given {TOKEN_COMMAND_SECONDS:g} s in all, "
    "and nobody can type anything into it"
)


class TokenAtHand(NamedTuple):
    """What was found, and the token where it can be sent."""

    check: Check
    secret: SecretStr | None = None


async def look_for_token(
    environ: Mapping[str, str], sources: TokenSources, seconds: float, *, is_whole: bool = True
) -> TokenAtHand:
    """Find the token as the dashboard does.

    Args:
        environ: The environment.
        sources: Where to look.
        seconds: How long it may take; a command of ours gives it hardly longer.
        is_whole: Whether these are all sources: without a usable configuration nobody knows.
    """
    try:
        async with asyncio.timeout(seconds):
            found = await asyncio.to_thread(find_token, environ, sources)
    except TimeoutError:
        end_token_command()
        return TokenAtHand(fail("token", f"none yet after {seconds:g} s", _SLOW, ExitStatus.NO_TOKEN))
    except SettingsError as error:
        remedy = "put it right, or put the token into COMFYCONTROL_API_TOKEN"
        return TokenAtHand(fail("token", str(error), remedy, ExitStatus.NO_TOKEN))
    if found is None and not is_whole:
        words = "none, as far as can be told before the configuration is put right"
        return TokenAtHand(warn("token", words, "what config needs, above, comes first"))
    if found is None:
        words, remedy = _missing(sources)
        return TokenAtHand(fail("token", words, remedy, ExitStatus.NO_TOKEN))
    check = _shape(found.secret, found.source)
    if found.source in {shown(config_dir() / name) for name in sources.saved} and (sources.file or sources.variable):
        words, remedy = _missing(sources)
        check = warn("token", f"{check.found}; {words.removeprefix('No token, for ')}", remedy)
    return TokenAtHand(check, found.secret)


def _missing(sources: TokenSources) -> tuple[str, str]:
    """What is missing, and what helps."""
    words, _, remedy = missing_token(sources).rpartition(": ")
    return words, remedy.rstrip(".")


def _shape(secret: SecretStr, source: str) -> Check:
    text = secret.get_secret_value()
    found = f"from {source}, {len(text)} characters"
    if text.startswith(PREFIX) and len(text) > len(PREFIX):
        return ok("token", f"{found}, begins as tokens do")
    return warn("token", f"{found}, does not begin as tokens of ComfyControl do", f"they begin with {PREFIX}: is it?")
