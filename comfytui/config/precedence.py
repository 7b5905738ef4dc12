"""Precedence of settings: flags, environment, profile, top of the configuration, defaults."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from comfytui.config.servers import parse_servers, split_addresses
from comfytui.config.settings import (
    API_URL,
    API_URL_VARIABLE,
    DEFAULT_INTERVAL_S,
    KeySettings,
    Server,
    Settings,
    SettingsError,
    TokenSources,
    host_and_port,
    redacted_repr,
    resolve_api_url,
)

_T = TypeVar("_T")


class CliOptions(NamedTuple):
    """Options of the command line as parsed; None if not given."""

    demo: bool = False
    comfyui: tuple[str, ...] = ()
    url: str | None = None
    profile: str | None = None
    interval: float | None = None
    per_page: int | None = None
    wallboard: bool = False
    log: Path | None = None
    config: Path | None = None
    insecure_http: bool = False
    fresh: bool = False
    utc: bool = False
    ascii: bool = False
    color: str = "auto"

    def __repr__(self) -> str:
        return redacted_repr(self, "comfyui", "url")


class Profile(NamedTuple):
    """Settings of `[profiles.NAME]`, all optional.

    Attributes:
        url: The API's address.
        token_command: Program with arguments whose first line of output is the token; run without a shell.
        token_file: A file that holds the token.
        token_env: The name of an environment variable that holds the token.
        ca_bundle: A file of certificates to trust instead of the usual ones.
        accent_color: Color of its name.
        interval: Seconds between polls.
    """

    url: str | None = None
    token_command: tuple[str, ...] = ()
    token_file: Path | None = None
    token_env: str | None = None
    ca_bundle: Path | None = None
    accent_color: str | None = None
    interval: float | None = None

    def __repr__(self) -> str:
        return redacted_repr(self, "url")

    @property
    def token_sources(self) -> tuple[str, ...]:
        """Names of its token settings, of which at most one may be set."""
        names = ("token_env", "token_command", "token_file")
        return tuple(name for name in names if getattr(self, name))


class ConfigFile(NamedTuple):
    """Settings of `config.toml` at its top level, all optional.

    Attributes:
        url: The API's address.
        interval: Seconds between polls.
        token_command: Program with arguments whose first line of output is the token; run without a shell.
        ca_bundle: A file of certificates to trust instead of the usual ones.
        wallboard: True to poll at full rate while the terminal is not focused.
        profile: The profile to use where none is named.
        profiles: The profiles by name, in the order of the file.
        comfyui: Names and headers of ComfyUI servers.
        keys: Settings of keys.
    """

    url: str | None = None
    interval: float | None = None
    token_command: tuple[str, ...] = ()
    ca_bundle: Path | None = None
    wallboard: bool = False
    profile: str | None = None
    profiles: Mapping[str, Profile] = MappingProxyType({})
    comfyui: tuple[Server, ...] = ()
    keys: KeySettings = KeySettings()

    def __repr__(self) -> str:
        return redacted_repr(self, "url")


class ConfigSources(NamedTuple):
    """Everything that was chosen before the start.

    Attributes:
        flags: By the command line.
        environ: By the environment, as it was.
        config: By the configuration.
        config_file: Where that was read from, if it was.
    """

    flags: CliOptions = CliOptions()
    environ: Mapping[str, str] = MappingProxyType({})
    config: ConfigFile = ConfigFile()
    config_file: Path | None = None

    def __repr__(self) -> str:
        return redacted_repr(self, "environ")

    @property
    def profiles(self) -> tuple[str, ...]:
        """Names of the profiles, in the order of the configuration."""
        return tuple(self.config.profiles)


def resolve_settings(choices: ConfigSources, remembered: str | None = None) -> Settings:
    """Return the settings of a start: flags, then environment, profile, top of the configuration.

    The profile is the one that is named, else the remembered one, else the one that the configuration prefers; none
    where an address, ComfyUI servers or the demo were asked for instead. A remembered one that the configuration does
    not prefer is gone on with as after switching to it: the environment did not mean it.

    Args:
        choices: All sources of settings.
        remembered: The profile that was watched last.

    Raises:
        SettingsError: The address is invalid, or there is no such profile.
    """
    name, switched = _profile_at_start(choices, remembered)
    return _resolved(choices, name, switched=switched)


def resolve_profile(choices: ConfigSources, profile: str) -> Settings:
    """Return the settings after a switch to a profile, whose address and token source come first.

    The token of the environment is for the host that the environment means, so a profile with an address or a token
    source of its own does not get it.

    Raises:
        SettingsError: The address is invalid, or there is no such profile.
    """
    if profile not in choices.config.profiles:
        raise SettingsError(f"There is no profile of that name{_others(choices)}.")
    return _resolved(choices, profile, switched=True)


def _profile_at_start(choices: ConfigSources, remembered: str | None) -> tuple[str | None, bool]:
    """Return the name of the profile, or None, and True if the user switched to it before."""
    flags, preferred = choices.flags, choices.config.profile
    if flags.demo or flags.comfyui:
        return None, False
    if flags.profile is not None:
        if flags.profile not in choices.config.profiles:
            raise SettingsError(f"--profile: there is no profile of that name{_others(choices)}.")
        return flags.profile, False
    if flags.url or choices.environ.get(API_URL_VARIABLE, "").strip():
        return None, False
    if remembered != preferred and remembered in choices.config.profiles:
        return remembered, True
    return preferred, False


def _others(choices: ConfigSources) -> str:
    return f"; there are {', '.join(choices.profiles)}" if choices.profiles else ", nor any other"


def _resolved(choices: ConfigSources, name: str | None, *, switched: bool) -> Settings:
    flags, config = choices.flags, choices.config
    profile = config.profiles[name] if name is not None else Profile()
    servers = parse_servers(split_addresses(flags.comfyui), config.comfyui)
    if flags.comfyui and not servers:
        raise SettingsError("--comfyui: expected the address of a server, such as http://gpu2:8188.")
    url = "" if flags.demo or servers else _url(choices, profile, switched=switched)
    return Settings(
        source_name=host_and_port(url) or _source_of(servers),
        interval=_first_set(flags.interval, profile.interval, config.interval) or DEFAULT_INTERVAL_S,
        per_page=flags.per_page,
        insecure_http=flags.insecure_http,
        log_file=flags.log,
        wallboard=flags.wallboard or config.wallboard,
        ca_bundle=_first_set(profile.ca_bundle, config.ca_bundle),
        config_file=choices.config_file,
        url=url,
        servers=servers,
        configured_servers=config.comfyui,
        profile=name,
        accent_color=profile.accent_color,
        tokens=_tokens(config, profile, name, switched=switched),
        keys=config.keys,
        ephemeral=flags.fresh,
        utc=flags.utc,
        ascii=flags.ascii,
        color_depth=flags.color,
    )


def _source_of(servers: tuple[Server, ...]) -> str:
    match servers:
        case ():
            return "demo"
        case (server,):
            return server.name
        case _:
            return f"{len(servers)} ComfyUI servers"


def _url(choices: ConfigSources, profile: Profile, *, switched: bool) -> str:
    if switched and profile.url:
        return profile.url
    return resolve_api_url(choices.flags.url, choices.environ, profile.url or choices.config.url or API_URL)


def _tokens(config: ConfigFile, profile: Profile, name: str | None, *, switched: bool) -> TokenSources:
    """Return the token sources of a host: a token must not be sent to another host."""
    own = () if name is None else (f"token-{name}",)
    return TokenSources(
        environment=not (switched and (profile.url or profile.token_sources)),
        env_var=profile.token_env or "",
        command=profile.token_command if profile.token_sources else config.token_command,
        file=profile.token_file,
        saved_names=own if profile.url else (*own, "token"),
    )


def _first_set(*said: _T | None) -> _T | None:
    return next((each for each in said if each is not None), None)
