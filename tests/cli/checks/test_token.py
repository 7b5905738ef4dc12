from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from comfytui.cli.checks.check import Result
from comfytui.cli.checks.token import TokenAtHand, look_for_token
from comfytui.cli.exit_codes import ExitStatus
from comfytui.config.credentials import TOKEN_VARIABLE, save_token
from comfytui.config.settings import TokenSources

TOKEN = "cfc_s3cretTokenOf26Chars00"


async def look(variables: dict[str, str], sources: TokenSources | None = None, *, is_whole: bool = True) -> TokenAtHand:
    found = await look_for_token(variables, sources or TokenSources(), 5.0, is_whole=is_whole)
    assert "s3cret" not in repr(found)
    return found


def value(found: TokenAtHand) -> str | None:
    return None if found.secret is None else found.secret.get_secret_value()


async def test_its_source_and_shape_are_told_and_never_itself() -> None:
    found = await look({TOKEN_VARIABLE: f" {TOKEN}\n"})
    assert value(found) == TOKEN
    assert found.check.result is Result.OK
    assert found.check.found == f"from {TOKEN_VARIABLE}, 26 characters, begins as tokens do"


async def test_from_a_file() -> None:
    save_token(SecretStr(TOKEN), TokenSources())
    found = await look({})
    assert value(found) == TOKEN
    assert found.check.found.startswith("from ~/comfytui/token, 26 characters")


@pytest.mark.parametrize("odd", ["s3cret", "cfc_", "Bearer:cfc_s3cret"])
async def test_one_of_an_odd_shape_is_tried_all_the_same(odd: str) -> None:
    found = await look({TOKEN_VARIABLE: odd})
    assert value(found) == odd
    assert found.check.result is Result.WARN
    assert "does not begin as tokens of ComfyControl do" in found.check.found
    assert "cfc_" in found.check.remedy


@pytest.mark.parametrize(
    ("variables", "sources", "words"),
    [
        ({}, TokenSources(), "No token"),
        ({TOKEN_VARIABLE: "s3cret s3cret"}, TokenSources(), f"What {TOKEN_VARIABLE} holds is no token"),
        ({}, TokenSources(command=("false",)), "token_command failed with status 1"),
        ({}, TokenSources(command=("/nowhere/s3cret",)), "token_command cannot be run"),
        ({}, TokenSources(file=Path("/")), "cannot be read"),
    ],
    ids=["none", "no token", "failing", "no program", "unreadable"],
)
async def test_none_that_can_be_sent(variables: dict[str, str], sources: TokenSources, words: str) -> None:
    found = await look(variables, sources)
    assert found.secret is None
    assert found.check.result is Result.FAIL
    assert found.check.status is ExitStatus.NO_TOKEN
    assert words in found.check.found
    assert TOKEN_VARIABLE in found.check.remedy


async def test_a_command_that_hangs() -> None:
    found = await look_for_token({"PATH": "/usr/bin:/bin"}, TokenSources(command=("sleep", "60")), 0.05)
    assert (found.secret, found.check.result) == (None, Result.FAIL)
    assert found.check.status == ExitStatus.NO_TOKEN
    assert found.check.found == "none yet after 0.05 s"
    assert "it is given 10 s in all" in found.check.remedy


@pytest.mark.parametrize(
    ("sources", "name"),
    [(TokenSources(file=Path("/nowhere/t")), "/nowhere/t"), (TokenSources(variable="PROD_TOKEN"), "PROD_TOKEN")],
)
async def test_what_a_profile_names_and_has_none(sources: TokenSources, name: str) -> None:
    found = await look({}, sources)
    assert (found.check.result, found.check.remedy) == (Result.FAIL, "put the token into it")
    assert name in found.check.found
    save_token(SecretStr(TOKEN), sources)
    instead = await look({}, sources)
    assert value(instead) == TOKEN
    assert (instead.check.result, instead.check.remedy) == (Result.WARN, "put the token into it")
    assert name in instead.check.found
    own = {TOKEN_VARIABLE: TOKEN}
    assert (await look(own, sources)).check.result is Result.OK


async def test_without_a_usable_configuration_nobody_knows_whether_there_is_none() -> None:
    found = await look({}, is_whole=False)
    assert found.secret is None
    assert found.check.result is Result.WARN
