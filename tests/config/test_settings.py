from __future__ import annotations

import pytest

from comfytui.config.settings import (
    API_URL,
    API_URL_VARIABLE,
    KeySettings,
    Settings,
    SettingsError,
    TokenSources,
    host_and_port,
    resolve_api_url,
)

LOCAL = "http://127.0.0.1:8787"


@pytest.mark.parametrize(
    ("flag", "environ", "url"),
    [
        (None, {}, "https://api.comfycontrol.app"),
        (None, {API_URL_VARIABLE: ""}, API_URL),
        (None, {API_URL_VARIABLE: "  "}, API_URL),
        ("", {}, API_URL),
        (None, {API_URL_VARIABLE: LOCAL}, LOCAL),
        (None, {API_URL_VARIABLE: f" {LOCAL}\n"}, LOCAL),
        ("https://other.example", {API_URL_VARIABLE: LOCAL}, "https://other.example"),
        ("https://other.example", {API_URL_VARIABLE: "nonsense"}, "https://other.example"),
        ("https://host/prefix/", {}, "https://host/prefix/"),
        ("HTTP://HOST", {}, "HTTP://HOST"),
        ("http://[::1]:8787", {}, "http://[::1]:8787"),
        ("http://host:65535", {}, "http://host:65535"),
    ],
)
def test_flag_before_environment_before_the_hosted_api(flag: str | None, environ: dict[str, str], url: str) -> None:
    assert resolve_api_url(flag, environ) == url


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "host:8787",
        "//host",
        "ftp://sekret@host",
        "file:///etc/sekret",
        "http://",
        "https:///path",
        "http://sekret@",
        "http://sekret@:8787",
        "http://host:0",
        "http://host:65536",
        "http://sekret@host:port",
        "http://[::1",
        "http://[sekret]",
    ],
)
def test_invalid_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^--url is no address of an API; expected http:// or https://") as by_flag:
        resolve_api_url(url, {})
    with pytest.raises(SettingsError, match=f"^{API_URL_VARIABLE} is no address") as by_environment:
        resolve_api_url(None, {API_URL_VARIABLE: url})
    assert "sekret" not in f"{by_flag.value} {by_environment.value}"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        (API_URL, "api.comfycontrol.app"),
        (LOCAL, "127.0.0.1:8787"),
        (f"{LOCAL}/prefix?key=1#part", "127.0.0.1:8787"),
        ("http://somebody:sekret@host:1", "host:1"),
        ("http://some@body:sek@ret@host", "host"),
        ("http://[::1]:8787", "[::1]:8787"),
    ],
)
def test_host_and_port_without_user_info(url: str, host: str) -> None:
    assert host_and_port(url) == host


def test_a_configured_address_comes_last() -> None:
    assert resolve_api_url(None, {}, "https://configured") == "https://configured"
    assert resolve_api_url(None, {API_URL_VARIABLE: LOCAL}, "https://configured") == LOCAL
    assert resolve_api_url("https://flag", {}, "https://configured") == "https://flag"


def test_settings_by_default_ask_for_nothing_special() -> None:
    settings = Settings("somewhere")
    assert (settings.interval, settings.per_page) == (5.0, None)
    assert (settings.insecure_http, settings.wallboard, settings.tokens) == (False, False, TokenSources())
    assert (settings.log_file, settings.ca_bundle, settings.config_file) == (None, None, None)
    assert (settings.ephemeral, settings.utc, settings.ascii, settings.color_depth) == (False, False, False, "auto")


def test_an_address_does_not_show() -> None:
    assert "sekret" not in repr(Settings("host", url="http://somebody:sekret@host"))


def test_location_of_a_key_setting() -> None:
    keys = KeySettings(locations={"quit": "config.toml, line 3"}, file="config.toml")
    assert keys.location("quit") == "config.toml, line 3"
    assert keys.location("copy_id") == "config.toml"
