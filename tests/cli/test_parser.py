from __future__ import annotations

import argparse
import asyncio
import re
import sys
from pathlib import Path

import pytest

from comfytui.cli.options import server_arguments
from comfytui.cli.parser import build_parser
from comfytui.query.sorting import RUNNER_KEYS, WORKFLOW_KEYS
from comfytui.render.columns import RUNNER_TEXTS, WORKFLOW_TEXTS


def parsed(*argv: str) -> dict[str, object]:
    """What the arguments say, to the parser of them all and to the one that was made for just these."""
    found = vars(build_parser().parse_args(argv))
    assert vars(build_parser(argv).parse_args(argv)) == found
    return found


def test_a_parser_for_some_arguments_is_spared_the_options_of_other_commands() -> None:
    with pytest.raises(SystemExit):
        build_parser(["runners"]).parse_args(["history", "gpu-07"])


@pytest.mark.parametrize("argv", ["", "--fresh", "--fresh --interval=5"])
def test_a_parser_for_options_alone_has_no_commands(argv: str) -> None:
    with pytest.raises(SystemExit):
        build_parser(argv.split()).parse_args(["doctor"])


@pytest.mark.parametrize("argv", ["--help", "-h", "nosuch", "-", "-5", "--no such"])
def test_unknown_command_lists_all_commands(argv: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for parser in (build_parser(), build_parser([argv])):
        with pytest.raises(SystemExit):
            parser.parse_args([argv])
        said.append(capsys.readouterr())
    assert said[0] == said[1]


def test_the_dashboard_by_default() -> None:
    assert (
        parsed().items()
        >= {
            "command": None,
            "demo": False,
            "runners": None,
            "seed": None,
            "url": None,
            "profile": None,
            "interval": None,
            "per_page": None,
            "wallboard": False,
            "log": None,
            "config": None,
            "insecure_http": False,
            "fresh": False,
            "utc": False,
            "ascii": False,
            "color": "auto",
        }.items()
    )


def test_every_option_of_the_dashboard() -> None:
    argv = (
        "--demo --runners 3 --seed 7 --url http://127.0.0.1:8787 --interval 2.5 --per-page 100 "
        "--wallboard --log a/b.log --config c.toml --insecure-http --profile prod --fresh --utc --ascii --color 256"
    )
    assert (
        parsed(*argv.split()).items()
        >= {
            "command": None,
            "demo": True,
            "runners": 3,
            "seed": 7,
            "url": "http://127.0.0.1:8787",
            "interval": 2.5,
            "per_page": 100,
            "wallboard": True,
            "log": Path("a/b.log"),
            "config": Path("c.toml"),
            "insecure_http": True,
            "profile": "prod",
            "fresh": True,
            "utc": True,
            "ascii": True,
            "color": "256",
        }.items()
    )


def test_serve_by_default() -> None:
    serve = parsed("serve")
    assert (serve["command"], serve["demo"], serve["host"], serve["port"]) == ("serve", False, "127.0.0.1", 8787)


@pytest.mark.parametrize(
    "argv",
    [
        "--demo --runners 3 --seed 7 serve",
        "serve --demo --runners 3 --seed 7",
        "--demo --runners 3 serve --seed 7",
        "--demo --runners 9 --seed 7 serve --runners 3",
    ],
)
def test_the_fleet_is_told_before_or_after_the_command(argv: str) -> None:
    options = parsed(*argv.split())
    assert (options["command"], options["demo"], options["runners"], options["seed"]) == ("serve", True, 3, 7)


@pytest.mark.parametrize(
    "argv",
    [
        "--comfyui a,b --comfyui c",
        "serve --comfyui a,b --comfyui c",
        "--comfyui=a,b --comfyui c serve",
        "--comfyui a,b stats --comfyui c ID",
    ],
)
def test_servers_may_be_named_several_times(argv: str) -> None:
    assert server_arguments(build_parser().parse_args(argv.split())) == ("a,b", "c")


_ASKING = ("runners", "runner ID", "history ID", "stats ID", "doctor", "config print")


@pytest.mark.parametrize("command", _ASKING)
@pytest.mark.parametrize(
    ("option", "name", "value"),
    [
        ("--demo", "demo", True),
        ("--runners 3", "runners", 3),
        ("--seed 7", "seed", 7),
        ("--profile prod", "profile", "prod"),
        ("--url http://127.0.0.1", "url", "http://127.0.0.1"),
        ("--config c.toml", "config", Path("c.toml")),
        ("--log l.log", "log", Path("l.log")),
        ("--insecure-http", "insecure_http", True),
    ],
)
def test_fleet_options_work_before_and_after_the_command(command: str, option: str, name: str, value: object) -> None:
    before, after = parsed(*option.split(), *command.split()), parsed(*command.split(), *option.split())
    assert before == after
    assert before[name] == value
    assert before["command"] == command.split(maxsplit=1)[0]


def test_the_runners_by_default() -> None:
    nothing: dict[str, object] = dict.fromkeys(("status", "filter", "page", "per_page", "sort", "columns", "format"))
    assert parsed("runners").items() >= (nothing | {"watch": False, "no_wait": False, "interval": None}).items()


def test_every_option_of_the_runners() -> None:
    argv = (
        "runners --status active --filter gpu --page 2 --per-page 50 --sort name:desc --columns id,name --no-wait --csv"
    )
    assert (
        parsed(*argv.split()).items()
        >= {
            "command": "runners",
            "status": "active",
            "filter": "gpu",
            "page": 2,
            "per_page": 50,
            "sort": "name:desc",
            "columns": "id,name",
            "no_wait": True,
            "format": "csv",
        }.items()
    )
    assert (
        parsed("runners", "--watch", "--interval", "2", "--ndjson").items() >= {"watch": True, "interval": 2.0}.items()
    )


@pytest.mark.parametrize("argv", ["--per-page 50 runners --page 1", "runners --per-page 50 --page 1"])
def test_the_size_of_a_page_is_told_before_or_after_the_command(argv: str) -> None:
    assert parsed(*argv.split())["per_page"] == 50


@pytest.mark.parametrize(
    ("argv", "name", "value"),
    [
        ("runner 7b --json", "format", "json"),
        ("runner 7b", "id", "7b"),
        ("history 7b --sort took --ndjson", "sort", "took"),
        ("stats 7b --csv --no-wait", "no_wait", True),
        ("stats 7b --timeout 2.5", "timeout", 2.5),
        ("history 7b --timeout=60", "timeout", 60.0),
        ("doctor --json", "json", True),
        ("config init", "action", "init"),
        ("config print --json", "json", True),
        ("keys --json", "json", True),
        ("keys --config c.toml", "config", Path("c.toml")),
        ("--config c.toml keys", "config", Path("c.toml")),
        ("completion fish", "shell", "fish"),
    ],
)
def test_the_other_commands(argv: str, name: str, value: object) -> None:
    assert parsed(*argv.split())[name] == value


def test_help_names_the_keys_and_columns_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    for command, keys, columns in (
        ("runners", RUNNER_KEYS, RUNNER_TEXTS),
        ("history", WORKFLOW_KEYS, WORKFLOW_TEXTS),
    ):
        with pytest.raises(SystemExit, match="0"):
            parsed(command, "--help")
        told = re.sub(r"\s+", " ", capsys.readouterr().out)
        assert f"sort by {', '.join(keys[:-1])} or {keys[-1]}" in told
        assert f"columns to print: {', '.join(columns)}; JSON has all fields" in told.replace(" (running+waiting)", "")


@pytest.mark.parametrize(
    ("argv", "name", "value"),
    [
        ("--interval 1", "interval", 1.0),
        ("--interval 1e3", "interval", 1000.0),
        ("--per-page 1", "per_page", 1),
        ("--runners 0", "runners", 0),
        ("--runners 1000000", "runners", 1_000_000),
        ("--seed -1", "seed", -1),
        ("serve --port 0", "port", 0),
        ("serve --port 65535", "port", 65535),
        ("serve --host ::1", "host", "::1"),
    ],
)
def test_the_ends_of_what_is_allowed(argv: str, name: str, value: object) -> None:
    assert parsed(*argv.split())[name] == value


@pytest.mark.parametrize("option", ["--log", "--config"])
@pytest.mark.parametrize("text", ["", "a\0b"])
def test_invalid_paths_are_refused(option: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parsed(option, text)
    assert capsys.readouterr().err.endswith(f"argument {option}: expected the path of a file\n")


def test_help_tells_each_option_and_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        parsed("--help")
    told = capsys.readouterr().out
    options = ("--wallboard", "--log FILE", "--config FILE", "--insecure-http", "--profile NAME", "--fresh", "--utc")
    for option in (*options, "--ascii", "--color HOW"):
        assert re.search(rf"^  {option}\s+\w", told, re.MULTILINE)
    for setting in ("token_command", "ca_bundle", "wallboard", "interval", "url", "profile"):
        assert f"\n  {setting} = " in told
    for table in ("[profiles.prod]", "[keys]", "[comfyui.NAME]"):
        assert f"\n  {table} " in told
    assert told.isascii()
    for status in ("0 success", "1 refused by the API, or the dashboard crashed", "2 usage error", "129 ", "143 "):
        assert status in told


@pytest.mark.parametrize("argv", ["--int 5", "--dem", "serve --dem", "--per 5", "serve --po 1"])
def test_options_are_spelled_out(argv: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        parsed(*argv.split())


def test_program_name_is_comfytui() -> None:
    parser: argparse.ArgumentParser = build_parser()
    assert parser.prog == "comfytui"


async def test_parser_imports_only_the_standard_library() -> None:
    code = """
import sys
before = set(sys.modules)  # what Python itself was told to begin with is another machine's business
import comfytui.cli.parser
comfytui.cli.parser.build_parser()
rooms = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(name for name in rooms - set(sys.stdlib_module_names) if not name.startswith("_")))
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert out.decode() == "['comfytui']\n"
