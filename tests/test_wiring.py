from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from comfytui.api.request_log import RequestLog
from comfytui.backends import HostedBackend
from comfytui.config.precedence import CliOptions, ConfigFile, ConfigSources, Profile, resolve_settings
from comfytui.config.settings import KeySettings, Settings, SettingsError
from comfytui.config.state import InMemoryStateStore, State, ViewState
from comfytui.engine.protocol import PageKey
from comfytui.login import NoAuthentication
from comfytui.ratelimit.local import LocalRateLimiter
from comfytui.render.times import TimeStyle
from comfytui.tui.keys.keymap import Keymap
from comfytui.tui.services import AppServices
from comfytui.tui.terminal.capabilities import ColorDepth, detect_capabilities
from comfytui.wiring import ProfileFleets, build_app, build_demo_app, build_hosted_app, build_services, load_keymap
from tests.support.clock import FakeClock

if TYPE_CHECKING:
    from comfytui.engine.protocol import RunnerSource

CONFIG = ConfigFile(
    profiles={
        "prod": Profile("http://127.0.0.1:1", accent_color="red", interval=2, token_env="PROD_TOKEN"),
        "test": Profile("http://127.0.0.1:2"),
        "same": Profile(),
    }
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the platform's directories are."""
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setattr("comfytui.config.paths.SHARED_PLACES", (tmp_path,))
    return tmp_path


def remembering(**views: ViewState) -> InMemoryStateStore:
    memory = InMemoryStateStore()
    memory.save(State(views=views))
    return memory


def profiles(choices: ConfigSources, memory: InMemoryStateStore | None = None) -> ProfileFleets:
    clock = FakeClock()
    return ProfileFleets(choices, clock, RequestLog(clock), memory or InMemoryStateStore())


async def never() -> RunnerSource:
    pytest.fail("nothing is to be asked yet")


def test_a_dashboard_starts_nothing_before_it_runs(home: Path) -> None:
    clock = FakeClock()
    settings = Settings("somewhere", interval=2.5, per_page=7)
    choices = ConfigSources(CliOptions(url="http://127.0.0.1:1", interval=2.5, per_page=7))
    for app in (
        build_app(settings, never, clock, NoAuthentication("somewhere"), LocalRateLimiter(clock), RequestLog(clock)),
        build_demo_app(settings, runners=1, seed=0, clock=clock),
        build_hosted_app(choices, resolve_settings(choices), AppServices(InMemoryStateStore())),
    ):
        assert not app.is_running
        assert app.snapshot.viewport.page == PageKey(page=1, per_page=7)
        assert app.snapshot.interval == 2.5
        assert not app.snapshot.pages
    assert list(home.iterdir()) == []


def test_a_hosted_dashboard_begins_with_the_fleet_of_its_settings_and_can_open_the_others() -> None:
    choices = ConfigSources(CliOptions(profile="prod"), config=CONFIG)
    memory = remembering()
    app = build_hosted_app(choices, resolve_settings(choices), AppServices(state_store=memory, ascii=True))
    assert (app.session.fleet.key, app.session.fleet.profile, app.session.fleet.accent_color) == ("prod", "prod", "red")
    assert app.services.fleets.profiles == ("prod", "test", "same")
    assert app.services.fleets.open("test").profile == "test"
    assert (app.services.state_store, app.services.ascii) == (memory, True)


def test_each_fleet_has_an_engine_and_a_door_of_its_own() -> None:
    fleets = profiles(ConfigSources(CliOptions(per_page=7), config=CONFIG))
    prod, test, again = fleets.open("prod"), fleets.open("test"), fleets.open("prod")
    assert [each.key for each in (prod, test, again)] == ["prod", "test", "prod"]
    assert [each.authenticator.source for each in (prod, test)] == ["127.0.0.1:1", "127.0.0.1:2"]
    assert [each.authenticator.token_path.rpartition("/")[2] for each in (prod, test)] == ["token-prod", "token-test"]
    assert [each.engine.snapshot.interval for each in (prod, test)] == [2, 5]
    assert all(isinstance(each.authenticator, HostedBackend) for each in (prod, test))
    assert len({id(each.engine) for each in (prod, test, again)}) == 3
    for each in (prod, test, again):
        each.close()


def test_a_fleet_without_a_profile_is_remembered_by_its_host() -> None:
    choices = ConfigSources(CliOptions(url="http://somebody:sekret@127.0.0.1:1/prefix"), config=CONFIG)
    fleet = profiles(choices).open_settings(resolve_settings(choices))
    assert (fleet.key, fleet.profile, fleet.accent_color) == ("127.0.0.1:1", None, None)


def test_a_profile_that_cannot_be_opened() -> None:
    fleets = profiles(ConfigSources(config=CONFIG))
    with pytest.raises(SettingsError, match=r"^There is no profile of that name; there are prod, test, same\.$"):
        fleets.open("gone")


@pytest.mark.parametrize(
    ("wished", "remembered", "per_page"),
    [(None, None, 25), (None, 50, 50), (7, 50, 7), (None, 0, 25), (None, 101, 25), (None, -(10**9), 25), (7, 101, 7)],
)
def test_the_page_is_as_long_as_wished_else_as_last_time(
    wished: int | None, remembered: int | None, per_page: int
) -> None:
    view = ViewState(per_page=remembered)
    fleets = profiles(ConfigSources(CliOptions(per_page=wished), config=CONFIG), remembering(prod=view))
    assert fleets.open("prod").engine.snapshot.viewport.page.per_page == per_page
    assert fleets.open("test").engine.snapshot.viewport.page.per_page == (wished or 25)
    app = build_demo_app(
        Settings("demo", per_page=wished), 1, 0, FakeClock(), AppServices(state_store=remembering(demo=view))
    )
    assert app.snapshot.viewport.page.per_page == per_page


def test_services_follow_the_settings(home: Path) -> None:
    memory = InMemoryStateStore()
    around = detect_capabilities({"TERM": "linux", "SSH_CONNECTION": "a"}, only_ascii=True)
    services = build_services(
        Settings("demo", utc=True, keys=KeySettings("vim", {"refresh_now": ("f5",)})), around, memory
    )
    assert (services.color_depth, services.ascii, services.mouse) == (ColorDepth.COLORS_16, True, False)
    assert (services.time_style, services.state_store, services.clipboard_dir) == (
        TimeStyle.UTC,
        memory,
        home / "comfytui",
    )
    assert services.keymap.overrides["refresh_now"] == ("f5",)
    assert len(services.keymap.overrides) > 1
    usual = build_services(Settings("demo"), detect_capabilities({"TERM": "xterm-kitty"}), memory)
    assert (usual.color_depth, usual.ascii, usual.mouse) == (ColorDepth.TRUECOLOR, False, True)
    assert (usual.time_style, usual.keymap) == (None, Keymap())


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            KeySettings(overrides={"nonsense": ("x",)}, locations={"nonsense": "c.toml, line 3"}),
            "c.toml, line 3: keys.nonsense: ",
        ),
        (KeySettings(overrides={"quit": (), "quit_at_once": ()}, file="c.toml"), "c.toml: keys.quit"),
        (KeySettings(overrides={"\x1b[31m": ()}, file="c.toml"), "c.toml: keys.'\\x1b[31m': "),
    ],
)
def test_keys_that_cannot_be_are_told_with_their_place(keys: KeySettings, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_keymap(Settings("demo", keys=keys))
    assert str(caught.value).startswith(words)
    assert str(caught.value).endswith(".")
    assert str(caught.value).isprintable()


def test_each_of_several_keys_that_cannot_be_has_a_line_that_names_its_place() -> None:
    bound = {"nosuch": ("x",), "refresh_now": ("q",)}
    keys = KeySettings("default", bound, {"nosuch": "config.toml, line 2", "refresh_now": "config.toml, line 3"})
    with pytest.raises(SettingsError) as caught:
        load_keymap(Settings("demo", keys=keys))
    assert str(caught.value).split("\n") == [
        "config.toml, line 2: keys.nosuch: unknown command.",
        "config.toml, line 3: keys.refresh_now: refresh_now and quit have the same key q.",
    ]


def test_looking_keys_up_loads_nothing_heavy() -> None:
    heavy = ("asyncio", "textual", "rich", "httpx", "pydantic")
    code = f"""
import sys
from comfytui.config.settings import KeySettings, Settings
from comfytui.wiring import load_keymap
load_keymap(Settings("demo", keys=KeySettings("emacs")))
print(sorted(set({heavy}) & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"[]\n"
