from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfytui.api.models import Runner, Workflow, parse_stats
from comfytui.redaction import MASK, is_like_token, redact_fields, redact_text, redact_url, redact_value
from comfytui.text import MAX_TEXT

SECRET = "hunter2"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"
UUID = "550e8400-e29b-41d4-a716-446655440000"


@pytest.mark.parametrize(
    "name",
    [
        *("password", "PASSWD", "db_password", "passphrase", "secret", "client-secret", "token", "accessToken"),
        *("api_key", "apiKey", "X-Api-Key", "private key", "authorization", "Set-Cookie", "credentials", "signature"),
        *("signing_key", "ssh key"),
        "pass\u200bword",
    ],
)
@pytest.mark.parametrize("value", [SECRET, {"a": SECRET}, [SECRET], 1234])
def test_secret_names_are_masked_everywhere(name: str, value: object) -> None:
    assert redact_fields(name, value) == MASK
    assert redact_fields("config", [{"deep": {name: value, "n": 1}}]) == [{"deep": {name: MASK, "n": 1}}]
    assert redact_fields(name, None) is None
    assert redact_fields(name, False) is False


@pytest.mark.parametrize("name", ["zone", "key", "keyboard", "author", "monkey", "passed", "compass", ""])
@pytest.mark.parametrize("value", ["eu", 7, {"a": [1, "b"]}])
def test_everything_else_stays(name: str, value: object) -> None:
    assert redact_fields(name, value) == value


@pytest.mark.parametrize("name", ["auth", "pass", "proxy_auth"])
def test_text_under_a_name_of_logins_is_masked(name: str) -> None:
    assert redact_fields(name, SECRET) == MASK
    assert redact_fields(name, {"user": "me", "password": SECRET}) == {"user": "me", "password": MASK}


def test_argument_behind_secret_flag_is_masked() -> None:
    assert redact_fields("argv", ["main.py", "--api-key", SECRET, "--port", "8188"]) == [
        *("main.py", "--api-key", MASK, "--port", "8188"),
    ]


def test_endless_nesting_hides_no_shown_field() -> None:
    deep: object = {"password": SECRET}
    for _ in range(100_000):
        deep = [deep]
    assert redact_fields("more", deep) == "…"


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


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("", ""),
        ("https://my-comfy.example.com", "https://my-comfy.example.com"),
        ("http://192.168.1.100:8188/path/", "http://192.168.1.100:8188/path/"),
        ("https://[::1]:8188/path/to/it", "https://[::1]:8188/path/to/it"),
        ("https://host/@somebody/a@b", "https://host/@somebody/a@b"),
        ("https://user:pass@host:1/x", f"https://{MASK}@host:1/x"),
        ("https://user@host", f"https://{MASK}@host"),
        ("https://a@b:c@host", f"https://{MASK}@host"),
        ("https://user:pa/ss@host/x", f"https://{MASK}@host/x"),
        ("https://user:pa?s#s@host/x", f"https://{MASK}@host/x"),
        ("https://user:pass", f"https://{MASK}"),
        ("//user:pass@host", f"//{MASK}@host"),
        ("user:pass@host:8188", f"{MASK}@host:8188"),
        ("user@host", f"{MASK}@host"),
        ("https://proxy/http://user:pass@host", f"https://proxy/http://{MASK}@host"),
        ("https://host/?key=abc&b=&c", f"https://host/?key={MASK}&b={MASK}&{MASK}"),
        ("https://host/?a=b=c;d=e", f"https://host/?a={MASK};d={MASK}"),
        ("https://host/#token=abc", f"https://host/#token={MASK}"),
        ("https://host/#abc", f"https://host/#{MASK}"),
        ("https://host/#/view/abc", f"https://host/#{MASK}"),
        ("https://host/a=b", "https://host/a=b"),
        ("https://host/a;id=b/c", f"https://host/a;id={MASK}/c"),
        ("https://host/token/abc/x", f"https://host/token/{MASK}/x"),
        ("https://host/token=abc/x", f"https://host/{MASK}/x"),
        ("https://host/cfc_abcd", f"https://host/{MASK}"),
        ("host:8188/cfc_abcd/x", f"host:8188/{MASK}/x"),
        (f"https://host/t/{JWT}/x", f"https://host/t/{MASK}/x"),
        ("https://host/3f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c/ws", f"https://host/{MASK}/ws"),
        (f"https://host/{UUID}/comfyui-0.33.0/rack-2024-a100", f"https://host/{UUID}/comfyui-0.33.0/rack-2024-a100"),
        ("https://host/https%3A%2F%2Fu%3Ap%40h/x", f"https://host/{MASK}/x"),
        ("no url at all", "no url at all"),
        ("[link=x]y[/link]", "[link=x]y[/link]"),
    ],
)
def test_url_keeps_host_and_path_without_secrets(url: str, shown: str) -> None:
    assert redact_url(url) == shown
    assert redact_url(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Production GPU Runner", "Production GPU Runner"),
        (
            "see https://b.example/k.png?X-Amz-Signature=a+b now",
            f"see https://b.example/k.png?X-Amz-Signature={MASK} now",
        ),
        ('{"url": "postgres://u:p@h/db"}', f'{{"url": "postgres://{MASK}@h/db"}}'),
        ("<a href='https://h/x#abc'>", f"<a href='https://h/x#{MASK}>"),
        ("GET /view?filename=x.png&sig=abc failed", f"GET /view?filename={MASK}&sig={MASK} failed"),
        ("sent Bearer abc, refused", f"sent Bearer {MASK}, refused"),
        ("{'authorization': 'bearer abc'}", f"{{'authorization': '{MASK}'}}"),
        ("Authorization: Basic dXNlcjpwYXNz", f"Authorization: {MASK}"),
        ("with Basic dXNlcjpwYXNz", f"with Basic {MASK}"),
        ("with Basic user:pass, again", f"with Basic {MASK}, again"),
        ("Cookie: a=b; c=d", f"Cookie: {MASK}"),
        ("X-Api-Key: abc", f"X-Api-Key: {MASK}"),
        ("password=hunter2, token='a b'", f"password={MASK}, token='{MASK}'"),
        ("key ghp_16C7e42F292c6912E7710c838347Ae178B4a", f"key {MASK}"),
        (r"url: https:\/\/u:hunter2@h\/p?x=1", rf"url: https:\/\/{MASK}@h\/p?x={MASK}"),
        ("to https%3A%2F%2Fu%3Ahunter2%40h%2Fp now", f"to https{MASK} now"),
        ("to https%3A%2F%2Fh%2Fp now", "to https%3A%2F%2Fh%2Fp now"),
        ("view%3Ffile%3Da%26sig%3Dhunter2", f"view{MASK}"),
        ('https://h/p?q="hunter2"', f"https://h/p?q={MASK}"),
        ("https://h/p?q=<hunter2>&r=2", f"https://h/p?q={MASK}&r={MASK}"),
        ("bearer: hunter2", f"bearer: {MASK}"),
        ("password: hunter2", f"password: {MASK}"),
        ("auth=hunter2 pass=hunter2", f"auth={MASK} pass={MASK}"),
        ("main.py --api-token hunter2 --port 8188", f"main.py --api-token {MASK} --port 8188"),
        ("-----BEGIN PRIVATE KEY-----\nMII", f"-----BEGIN PRIVATE KEY-----{MASK}"),
        ("Password: required", "Password: required"),
        ("Bearer: expired", "Bearer: expired"),
        ("--preview-method auto --token", "--preview-method auto --token"),
        ("Authorization header must be a bearer token", "Authorization header must be a bearer token"),
        ("Bearer realm=x", "Bearer realm=x"),
        ("Invalid token: expired", "Invalid token: expired"),
        ("Basic workflow", "Basic workflow"),
        ("my secret garden", "my secret garden"),
        ("alice@example.com", "alice@example.com"),
        ("Is it ok? yes=no #1", "Is it ok? yes=no #1"),
    ],
)
def test_text_keeps_all_but_secrets(text: str, shown: str) -> None:
    assert redact_text(text) == shown
    assert redact_text(shown) == shown


@settings(deadline=None)
@given(
    scheme=st.sampled_from(["", "http:", "https:", "ws:"]),
    user=st.from_regex(r"[a-z:@;&=+$,%.-]{0,6}", fullmatch=True),
    path=st.from_regex(r"(/[a-z@:]{1,4}){0,3}", fullmatch=True),
    names=st.lists(st.from_regex(r"[a-z\[\]@/?]{0,4}", fullmatch=True), min_size=1, max_size=4),
    mark=st.sampled_from("?#"),
)
def test_url_shows_host_and_path_and_no_password_or_value(
    scheme: str, user: str, path: str, names: list[str], mark: str
) -> None:
    query = "&".join(f"{name}={SECRET}" for name in names)
    url = redact_url(f"{scheme}//{user}{SECRET}@host{path}{mark}{query}")
    assert SECRET not in url
    assert f"{MASK}@host{path}" in url


@pytest.mark.parametrize(
    "part",
    [
        "a",
        "=a:",
        "//a:b",
        "a=",
        "token",
        "https://",
        "&a",
        "bearer ",
        "password='",
        "@",
        "//",
        "eyJ",
        "a;b=c",
        "-",
        '="',
        "%3a%2f%2f",
        "%3f",
    ],
)
def test_longest_hostile_text_takes_linear_time(part: str) -> None:
    start = time.process_time()
    for text in ("", "https://", "authorization:"):
        redact_text((text + part * MAX_TEXT)[:MAX_TEXT])
        redact_url((text + part * MAX_TEXT)[:MAX_TEXT])
    assert time.process_time() - start < 2


@pytest.mark.parametrize("text", [JWT, "3f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c", "s3cr3t-t0k3n-4u", "Zk9xQ2vR7mT4", "a" * 40])
def test_word_made_by_a_machine_is_like_a_token(text: str) -> None:
    assert is_like_token(text)


@pytest.mark.parametrize("text", [UUID, "comfyui-0.33.0", "ImageGenerationProduction", "workspace-2024-v2-a100", "x"])
def test_word_made_by_a_person_is_not_like_a_token(text: str) -> None:
    assert not is_like_token(text)


LEAKY = f"at https://u:{SECRET}@h/?sig={SECRET}#{SECRET} with Bearer {SECRET}"


def test_runner_and_workflow_hold_no_secret_in_any_field() -> None:
    values = {"name": LEAKY, "status": LEAKY, "user_id": LEAKY, "tags": [LEAKY], "created_at": LEAKY, "more": LEAKY}
    nested = {"endpoint": LEAKY, "deep": {"a": [LEAKY, {LEAKY: 1}]}, "updated_at": {"x": LEAKY}, LEAKY: 1}
    runner = Runner.model_validate({"id": "r", **values, **nested, "headers": {LEAKY: "x"}})
    workflow = Workflow.model_validate({"id": "w", **values, **nested, "started_at": LEAKY})
    assert SECRET not in f"{dict(runner)} {runner.extras}"
    assert SECRET not in f"{dict(workflow)} {workflow.extras}"
    assert runner.name == redact_value(LEAKY)


def test_stats_hold_no_secret_in_any_field() -> None:
    sent = {"system": {"os": LEAKY}, "devices": [{"name": LEAKY}], "extensions": [LEAKY, {"a": LEAKY}]}
    assert SECRET not in repr(parse_stats(sent))
