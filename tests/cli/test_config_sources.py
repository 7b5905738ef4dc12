from __future__ import annotations

from pathlib import Path

import pytest

from comfytui.cli.config_sources import demo_options, load_sources
from comfytui.cli.parser import build_parser
from comfytui.config.credentials import child_env
from comfytui.config.precedence import CliOptions, ConfigFile, Profile, resolve_settings
from comfytui.config.settings import API_URL_VARIABLE, SettingsError


def test_flags_environment_and_configuration_become_choices(environ: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "given.toml"
    config.write_text("ca_bundle = '/ca.pem'\nwallboard = true\n[profiles.prod]\ntoken_env = 'PROD_TOKEN'")
    environ.setenv(API_URL_VARIABLE, "https://environ.example")
    environ.setenv("PROD_TOKEN", "cfc_prod")
    flags = "--insecure-http --log l.log --interval 2 --per-page 3 --profile prod --fresh --utc --ascii --color none"
    choices = load_sources(build_parser().parse_args([*flags.split(), "--config", str(config)]))
    assert choices.flags == CliOptions(
        profile="prod",
        interval=2.0,
        per_page=3,
        log=Path("l.log"),
        config=config,
        insecure_http=True,
        fresh=True,
        utc=True,
        ascii=True,
        color="none",
    )
    assert choices.config.profiles == {"prod": Profile(token_env="PROD_TOKEN")}
    assert (choices.config.ca_bundle, choices.config.wallboard, choices.config_file) == (Path("/ca.pem"), True, config)
    assert resolve_settings(choices).url == "https://environ.example"
    assert child_env({"PROD_TOKEN": "cfc_prod", "OTHER": "kept"}) == {"OTHER": "kept"}
    nothing = load_sources(build_parser().parse_args([]))
    assert (nothing.flags, nothing.config, nothing.config_file) == (CliOptions(), ConfigFile(), None)


@pytest.mark.parametrize(
    "argv",
    ["--comfyui a,b --comfyui c runners", "runners --comfyui a,b --comfyui c", "--comfyui a,b runners --comfyui c"],
)
def test_servers_named_before_and_after_the_command_add_up(environ: pytest.MonkeyPatch, argv: str) -> None:
    choices = load_sources(build_parser().parse_args(argv.split()))
    assert choices.flags.comfyui == ("a,b", "c")
    assert [server.name for server in resolve_settings(choices).servers] == ["a:8188", "b:8188", "c:8188"]


@pytest.mark.parametrize(("argv", "fleet"), [("--demo", (120, 0)), ("--demo --runners 0 --seed 7", (0, 7))])
def test_the_simulated_fleet(argv: str, fleet: tuple[int, int]) -> None:
    assert demo_options(build_parser().parse_args(argv.split())) == fleet


def test_a_configuration_that_cannot_be_read(environ: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load_sources(build_parser().parse_args(["--config", str(tmp_path / "none.toml")]))
