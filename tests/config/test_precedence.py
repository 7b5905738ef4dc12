from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from comfytui.config.precedence import CliOptions, ConfigFile, ConfigSources, Profile, resolve_profile, resolve_settings
from comfytui.config.settings import (
    API_URL,
    API_URL_VARIABLE,
    KeySettings,
    Server,
    Settings,
    SettingsError,
    TokenSources,
)

FLAG, ENVIRON, OWN, TOP = (f"https://{name}.example" for name in ("flag", "environ", "own", "top"))

GPU2 = Server("http://gpu2:8188", "gpu2:8188")
BIG = Server("http://big:1", "big box", {"X-Key": SecretStr("sekret")})

CONFIG = ConfigFile(
    url=TOP,
    interval=30,
    token_command=("top",),
    ca_bundle=Path("/top.pem"),
    wallboard=True,
    profiles={
        "full": Profile(OWN, token_env="FULL", ca_bundle=Path("/own.pem"), accent_color="red", interval=10),
        "address": Profile(OWN),
        "file": Profile(token_file=Path("/held")),
        "command": Profile(token_command=("own",)),
        "empty": Profile(),
    },
    comfyui=(BIG,),
    keys=KeySettings("vim"),
)

PLAIN = TokenSources(command=("top",))
TOP_ONLY = Settings(
    "top.example",
    30,
    wallboard=True,
    ca_bundle=Path("/top.pem"),
    url=TOP,
    configured_servers=(BIG,),
    tokens=PLAIN,
    keys=KeySettings("vim"),
)
"""What the configuration says without any profile."""

FULL = TOP_ONLY._replace(
    source_name="own.example",
    interval=10,
    ca_bundle=Path("/own.pem"),
    url=OWN,
    profile="full",
    accent_color="red",
    tokens=TokenSources(env_var="FULL", saved_names=("token-full",)),
)


def at(settings: Settings, url: str) -> Settings:
    return settings._replace(url=url, source_name=url.removeprefix("https://"))


def watching(*servers: Server, source: str) -> Settings:
    return TOP_ONLY._replace(url="", servers=servers, source_name=source)


def chosen(flags: CliOptions | None = None, url: str | None = None, config: ConfigFile = CONFIG) -> ConfigSources:
    environ = {"COMFYCONTROL_API_TOKEN": "cfc_sekret"} | ({} if url is None else {API_URL_VARIABLE: url})
    return ConfigSources(flags or CliOptions(), environ, config)


PREFERRED = CONFIG._replace(profile="full")


@pytest.mark.parametrize(
    ("choices", "remembered", "settings"),
    [
        (ConfigSources(), None, Settings("api.comfycontrol.app", url=API_URL)),
        (ConfigSources(), "gone", Settings("api.comfycontrol.app", url=API_URL)),
        (ConfigSources(CliOptions(demo=True)), None, Settings("demo")),
        (chosen(), None, TOP_ONLY),
        (chosen(url=ENVIRON), None, at(TOP_ONLY, ENVIRON)),
        (chosen(url=" \n"), None, TOP_ONLY),
        (chosen(CliOptions(url=FLAG), ENVIRON), None, at(TOP_ONLY, FLAG)),
        (chosen(CliOptions(interval=2, per_page=7)), None, TOP_ONLY._replace(interval=2, per_page=7)),
        (
            chosen(CliOptions(wallboard=True), config=ConfigFile()),
            None,
            Settings("api.comfycontrol.app", url=API_URL, wallboard=True),
        ),
        # A profile that is named.
        (chosen(CliOptions(profile="full")), None, FULL),
        (chosen(CliOptions(profile="full")), "address", FULL),
        (chosen(CliOptions(profile="full", interval=2)), None, FULL._replace(interval=2)),
        (chosen(CliOptions(profile="full"), ENVIRON), None, at(FULL, ENVIRON)),
        (chosen(CliOptions(profile="full", url=FLAG), ENVIRON), None, at(FULL, FLAG)),
        # One that the configuration prefers.
        (chosen(config=PREFERRED), None, FULL),
        (chosen(config=PREFERRED), "full", FULL),
        (chosen(config=PREFERRED), "gone", FULL),
        (
            chosen(CliOptions(profile="empty"), config=PREFERRED),
            None,
            TOP_ONLY._replace(profile="empty", tokens=PLAIN._replace(saved_names=("token-empty", "token"))),
        ),
        (chosen(url=ENVIRON, config=PREFERRED), None, at(TOP_ONLY, ENVIRON)),
        (chosen(CliOptions(url=FLAG), config=PREFERRED), None, at(TOP_ONLY, FLAG)),
        # The one of last time, which the environment did not mean.
        (chosen(), "full", FULL._replace(tokens=FULL.tokens._replace(environment=False))),
        (
            chosen(),
            "empty",
            TOP_ONLY._replace(profile="empty", tokens=PLAIN._replace(saved_names=("token-empty", "token"))),
        ),
        (chosen(), "gone", TOP_ONLY),
        (chosen(url=ENVIRON), "full", at(TOP_ONLY, ENVIRON)),
        (chosen(CliOptions(url=FLAG)), "full", at(TOP_ONLY, FLAG)),
        (chosen(CliOptions(demo=True)), "full", TOP_ONLY._replace(url="", source_name="demo")),
        (chosen(CliOptions(demo=True), ENVIRON, PREFERRED), None, TOP_ONLY._replace(url="", source_name="demo")),
        # Plain servers instead of an API.
        (chosen(CliOptions(comfyui=("gpu2",)), ENVIRON, PREFERRED), "full", watching(GPU2, source="gpu2:8188")),
        (chosen(CliOptions(comfyui=("big box",))), None, watching(BIG, source="big box")),
        (
            chosen(CliOptions(comfyui=("gpu2,http://big:1", "gpu2"))),
            None,
            watching(GPU2, BIG, source="2 ComfyUI servers"),
        ),
    ],
    ids=range(30),
)
def test_start_profile_follows_precedence(choices: ConfigSources, remembered: str | None, settings: Settings) -> None:
    assert resolve_settings(choices, remembered) == settings


def test_options_without_configuration_keys() -> None:
    flags = CliOptions(log=Path("l.log"), insecure_http=True, fresh=True, utc=True, ascii=True, color="16")
    settings = resolve_settings(ConfigSources(flags, config_file=Path("c.toml")))
    assert (settings.log_file, settings.config_file, settings.insecure_http) == (Path("l.log"), Path("c.toml"), True)
    assert (settings.ephemeral, settings.utc, settings.ascii, settings.color_depth) == (True, True, True, "16")


@pytest.mark.parametrize(
    ("profile", "url", "tokens"),
    [
        ("full", OWN, TokenSources(environment=False, env_var="FULL", saved_names=("token-full",))),
        ("address", OWN, TokenSources(environment=False, command=("top",), saved_names=("token-address",))),
        ("file", FLAG, TokenSources(environment=False, file=Path("/held"), saved_names=("token-file", "token"))),
        ("command", FLAG, TokenSources(environment=False, command=("own",), saved_names=("token-command", "token"))),
        ("empty", FLAG, TokenSources(command=("top",), saved_names=("token-empty", "token"))),
    ],
)
def test_switch_uses_url_and_token_of_the_profile(profile: str, url: str, tokens: TokenSources) -> None:
    settings = resolve_profile(chosen(CliOptions(profile="full", url=FLAG, interval=2), ENVIRON), profile)
    assert (settings.profile, settings.url, settings.tokens) == (profile, url, tokens)
    assert settings.source_name == url.removeprefix("https://")
    assert settings.interval == 2
    without_flag = resolve_profile(chosen(url=ENVIRON), profile)
    assert without_flag.url == (OWN if url == OWN else ENVIRON)


@pytest.mark.parametrize(
    ("profile", "tokens"),
    [
        ("full", TokenSources(env_var="FULL", saved_names=("token-full",))),
        ("address", TokenSources(command=("top",), saved_names=("token-address",))),
        ("file", TokenSources(file=Path("/held"), saved_names=("token-file", "token"))),
        ("command", TokenSources(command=("own",), saved_names=("token-command", "token"))),
        ("empty", TokenSources(command=("top",), saved_names=("token-empty", "token"))),
    ],
)
def test_profile_flag_keeps_environment_settings(profile: str, tokens: TokenSources) -> None:
    assert resolve_settings(chosen(CliOptions(profile=profile))).tokens == tokens


def test_a_profile_that_is_not_there() -> None:
    for config, there in (
        (CONFIG, "; there are full, address, file, command, empty."),
        (ConfigFile(), ", nor any other."),
    ):
        with pytest.raises(SettingsError) as at_start:
            resolve_settings(chosen(CliOptions(profile="sekret"), config=config))
        assert str(at_start.value) == f"--profile: there is no profile of that name{there}"
        with pytest.raises(SettingsError) as switched:
            resolve_profile(chosen(config=config), "sekret")
        assert str(switched.value) == f"There is no profile of that name{there}"


def test_an_address_that_is_none() -> None:
    with pytest.raises(SettingsError, match=r"^--url is no address"):
        resolve_settings(chosen(CliOptions(url="nonsense")))
    with pytest.raises(SettingsError, match=f"^{API_URL_VARIABLE} is no address"):
        resolve_profile(chosen(url="nonsense"), "empty")
    assert resolve_profile(chosen(url="nonsense"), "full").url == OWN


@pytest.mark.parametrize("said", [("",), (",", " , ")])
def test_servers_that_are_named_by_nothing_are_no_reason_to_ask_the_api(said: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError, match=r"^--comfyui: expected the address of a server"):
        resolve_settings(chosen(CliOptions(comfyui=said)))


def test_choices_show_no_secret() -> None:
    config = ConfigFile(url="https://a:sekret@b", profiles={"a": Profile("https://a:sekret@b")})
    assert "sekret" not in repr(chosen(CliOptions(url="https://a:sekret@b"), "https://a:sekret@b", config))
    assert "sekret" not in repr(resolve_settings(chosen(CliOptions(comfyui=("a:sekret@gpu2", "big box")))))
    assert "sekret" not in repr(CliOptions(comfyui=("a:sekret@gpu2",)))


def test_the_profiles_in_the_order_of_the_configuration() -> None:
    assert chosen().profiles == ("full", "address", "file", "command", "empty")
    assert ConfigSources().profiles == ()
