from __future__ import annotations

import json

import pytest

from comfytui.api.models import Runner
from comfytui.api.redaction import MASK, redacted

SECRET = "hunter2"


@pytest.mark.parametrize(
    "name",
    [
        *("password", "PASSWD", "db_password", "passphrase", "secret", "client-secret", "token", "accessToken"),
        *("api_key", "apiKey", "X-Api-Key", "private key", "authorization", "Set-Cookie", "credentials", "signature"),
        "pass\u200bword",
    ],
)
@pytest.mark.parametrize("value", [SECRET, {"a": SECRET}, [SECRET], 1234])
def test_what_sounds_secret_is_masked_wherever_it_stands(name: str, value: object) -> None:
    assert redacted(name, value) == MASK
    assert redacted("config", [{"deep": {name: value, "n": 1}}]) == [{"deep": {name: MASK, "n": 1}}]
    assert redacted(name, None) is None
    assert redacted(name, False) is False


@pytest.mark.parametrize("name", ["zone", "key", "keyboard", "author", "monkey", "passed", "compass", ""])
@pytest.mark.parametrize("value", ["eu", 7, {"a": [1, "b"]}])
def test_everything_else_stays(name: str, value: object) -> None:
    assert redacted(name, value) == value


def test_what_has_no_bottom_hides_nothing_that_is_shown() -> None:
    deep: object = {"password": SECRET}
    for _ in range(100_000):
        deep = [deep]
    assert redacted("more", deep) == "…"


def test_no_runner_holds_them() -> None:
    sent = {"id": "r", "zone": "eu", "token": SECRET, "auth": {"password": SECRET}, "headers": {"token": "t"}}
    runner = Runner.model_validate(sent)
    assert SECRET not in repr(runner)
    assert runner.extras == (
        ("zone", "eu"),
        ("token", MASK),
        ("auth", json.dumps({"password": MASK}, ensure_ascii=False)),
    )
    assert runner.headers["token"].get_secret_value() == "t"
