from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from comfytui.config.precedence import Choices, ConfigFile, Flags, Profile, resolve, resolve_switched
from comfytui.config.settings import API_URL, API_URL_VARIABLE, Keys, Server, Settings, SettingsError, TokenSources

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
        "full": Profile(OWN, token_env="FULL", ca_bundle=Path("/own.pem"), colour="red", interval=10),
        "address": Profile(OWN),
        "file": Profile(token_file=Path("/held")),
        "command": Profile(token_command=("own",)),
        "empty": Profile(),
    },
    comfyui=(BIG,),
    keys=Keys("vim"),
)

PLAIN = TokenSources(command=("top",))
TOP_ONLY = Settings(
    "top.example",
    30,
    wallboard=True,
    ca_bundle=Path("/top.pem"),
    url=TOP,
    named=(BIG,),
    tokens=PLAIN,
    keys=Keys("vim"),
)
"""What the configuration says without any profile."""

FULL = TOP_ONLY._replace(
    source="own.example",
    interval=10,
    ca_bundle=Path("/own.pem"),
    url=OWN,
    profile="full",
    colour="red",
    tokens=TokenSources(variable="FULL", saved=("token-full",)),
)


def at(settings: Settings, url: str) -> Settings:
    return settings._replace(url=url, source=url.removeprefix("https://"))


def watching(*servers: Server, source: str) -> Settings:
    return TOP_ONLY._replace(url="", servers=servers, source=source)


def chosen(flags: Flags | None = None, url: str | None = None, config: ConfigFile = CONFIG) -> Choices:
    environ = {"COMFYCONTROL_API_TOKEN": "cfc_sekret"} | ({} if url is None else {API_URL_VARIABLE: url})
    return Choices(flags or Flags(), environ, config)


PREFERRED = CONFIG._replace(profile="full")


@pytest.mark.parametrize(
    ("choices", "remembered", "settings"),
    [
        (Choices(), None, Settings("api.comfycontrol.app", url=API_URL)),
        (Choices(), "gone", Settings("api.comfycontrol.app", url=API_URL)),
        (Choices(Flags(demo=True)), None, Settings("demo")),
        (chosen(), None, TOP_ONLY),
        (chosen(url=ENVIRON), None, at(TOP_ONLY, ENVIRON)),
        (chosen(url=" \n"), None, TOP_ONLY),
        (chosen(Flags(url=FLAG), ENVIRON), None, at(TOP_ONLY, FLAG)),
        (chosen(Flags(interval=2, per_page=7)), None, TOP_ONLY._replace(interval=2, per_page=7)),
        (
            chosen(Flags(wallboard=True), config=ConfigFile()),
            None,
            Settings("api.comfycontrol.app", url=API_URL, wallboard=True),
        ),
        # A profile that is named.
        (chosen(Flags(profile="full")), None, FULL),
        (chosen(Flags(profile="full")), "address", FULL),
        (chosen(Flags(profile="full", interval=2)), None, FULL._replace(interval=2)),
        (chosen(Flags(profile="full"), ENVIRON), None, at(FULL, ENVIRON)),
        (chosen(Flags(profile="full", url=FLAG), ENVIRON), None, at(FULL, FLAG)),
        # One that the configuration prefers.
        (chosen(config=PREFERRED), None, FULL),
        (chosen(config=PREFERRED), "full", FULL),
        (chosen(config=PREFERRED), "gone", FULL),
        (
            chosen(Flags(profile="empty"), config=PREFERRED),
            None,
            TOP_ONLY._replace(profile="empty", tokens=PLAIN._replace(saved=("token-empty", "token"))),
        ),
        (chosen(url=ENVIRON, config=PREFERRED), None, at(TOP_ONLY, ENVIRON)),
        (chosen(Flags(url=FLAG), config=PREFERRED), None, at(TOP_ONLY, FLAG)),
        # The one of last time, which the environment did not mean.
        (chosen(), "full", FULL._replace(tokens=FULL.tokens._replace(environment=False))),
        (chosen(), "empty", TOP_ONLY._replace(profile="empty", tokens=PLAIN._replace(saved=("token-empty", "token")))),
        (chosen(), "gone", TOP_ONLY),
        (chosen(url=ENVIRON), "full", at(TOP_ONLY, ENVIRON)),
        (chosen(Flags(url=FLAG)), "full", at(TOP_ONLY, FLAG)),
        (chosen(Flags(demo=True)), "full", TOP_ONLY._replace(url="", source="demo")),
        (chosen(Flags(demo=True), ENVIRON, PREFERRED), None, TOP_ONLY._replace(url="", source="demo")),
        # Plain servers instead of an API.
        (chosen(Flags(comfyui=("gpu2",)), ENVIRON, PREFERRED), "full", watching(GPU2, source="gpu2:8188")),
        (chosen(Flags(comfyui=("big box",))), None, watching(BIG, source="big box")),
        (chosen(Flags(comfyui=("gpu2,http://big:1", "gpu2"))), None, watching(GPU2, BIG, source="2 ComfyUI servers")),
    ],
    ids=range(30),
)
def test_what_to_start_with(choices: Choices, remembered: str | None, settings: Settings) -> None:
    assert resolve(choices, remembered) == settings


def test_what_only_flags_say() -> None:
    flags = Flags(log=Path("l.log"), insecure_http=True, fresh=True, utc=True, ascii=True, color="16")
    settings = resolve(Choices(flags, config_file=Path("c.toml")))
    assert (settings.log_file, settings.config_file, settings.insecure_http) == (Path("l.log"), Path("c.toml"), True)
    assert (settings.fresh, settings.utc, settings.ascii, settings.color) == (True, True, True, "16")


@pytest.mark.parametrize(
    ("profile", "url", "tokens"),
    [
        ("full", OWN, TokenSources(environment=False, variable="FULL", saved=("token-full",))),
        ("address", OWN, TokenSources(environment=False, command=("top",), saved=("token-address",))),
        ("file", FLAG, TokenSources(environment=False, file=Path("/held"), saved=("token-file", "token"))),
        ("command", FLAG, TokenSources(environment=False, command=("own",), saved=("token-command", "token"))),
        ("empty", FLAG, TokenSources(command=("top",), saved=("token-empty", "token"))),
    ],
)
def test_who_switches_takes_the_address_and_token_of_the_profile(profile: str, url: str, tokens: TokenSources) -> None:
    settings = resolve_switched(chosen(Flags(profile="full", url=FLAG, interval=2), ENVIRON), profile)
    assert (settings.profile, settings.url, settings.tokens) == (profile, url, tokens)
    assert settings.source == url.removeprefix("https://")
    assert settings.interval == 2
    without_flag = resolve_switched(chosen(url=ENVIRON), profile)
    assert without_flag.url == (OWN if url == OWN else ENVIRON)


@pytest.mark.parametrize(
    ("profile", "tokens"),
    [
        ("full", TokenSources(variable="FULL", saved=("token-full",))),
        ("address", TokenSources(command=("top",), saved=("token-address",))),
        ("file", TokenSources(file=Path("/held"), saved=("token-file", "token"))),
        ("command", TokenSources(command=("own",), saved=("token-command", "token"))),
        ("empty", TokenSources(command=("top",), saved=("token-empty", "token"))),
    ],
)
def test_who_names_a_profile_at_the_start_means_it_with_the_environment(profile: str, tokens: TokenSources) -> None:
    assert resolve(chosen(Flags(profile=profile))).tokens == tokens


def test_a_profile_that_is_not_there() -> None:
    for config, there in (
        (CONFIG, "; there are full, address, file, command, empty."),
        (ConfigFile(), ", nor any other."),
    ):
        with pytest.raises(SettingsError) as at_start:
            resolve(chosen(Flags(profile="sekret"), config=config))
        assert str(at_start.value) == f"--profile: there is no profile of that name{there}"
        with pytest.raises(SettingsError) as switched:
            resolve_switched(chosen(config=config), "sekret")
        assert str(switched.value) == f"There is no profile of that name{there}"


def test_an_address_that_is_none() -> None:
    with pytest.raises(SettingsError, match=r"^--url is no address"):
        resolve(chosen(Flags(url="nonsense")))
    with pytest.raises(SettingsError, match=f"^{API_URL_VARIABLE} is no address"):
        resolve_switched(chosen(url="nonsense"), "empty")
    assert resolve_switched(chosen(url="nonsense"), "full").url == OWN


@pytest.mark.parametrize("said", [("",), (",", " , ")])
def test_servers_that_are_named_by_nothing_are_no_reason_to_ask_the_api(said: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError, match=r"^--comfyui: expected the address of a server"):
        resolve(chosen(Flags(comfyui=said)))


def test_choices_show_no_secret() -> None:
    config = ConfigFile(url="https://a:sekret@b", profiles={"a": Profile("https://a:sekret@b")})
    assert "sekret" not in repr(chosen(Flags(url="https://a:sekret@b"), "https://a:sekret@b", config))
    assert "sekret" not in repr(resolve(chosen(Flags(comfyui=("a:sekret@gpu2", "big box")))))
    assert "sekret" not in repr(Flags(comfyui=("a:sekret@gpu2",)))


def test_the_profiles_in_the_order_of_the_configuration() -> None:
    assert chosen().profiles == ("full", "address", "file", "command", "empty")
    assert Choices().profiles == ()
