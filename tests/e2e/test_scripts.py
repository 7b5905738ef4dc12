"""The commands for scripts as processes of their own: what they load, write and end with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from comfytui.cli.exit_codes import ExitCode
from comfytui.config.credentials import TOKEN_VARIABLE
from comfytui.config.settings import API_URL_VARIABLE
from tests.contract.gateways import on_a_socket
from tests.support.installed import PROGRAM, TOKEN, client_environ, says, without_progress
from tests.support.misbehaving import MisbehavingServer, Mood

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.scripted import Exchange

RUNNERS = [{"id": f"r{number}", "name": f"runner {number}", "status": "active"} for number in range(3)]

LOADED = """
import sys
from comfytui.cli.main import main
status = main(sys.argv[1:])
print(int(status), *sorted({"textual", "rich", "starlette", "sqlite3"} & set(sys.modules)), file=sys.stderr)
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment with a home of its own and nothing of ours."""
    ours = {TOKEN_VARIABLE, API_URL_VARIABLE, "PYTHONUNBUFFERED"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    homes = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"), str(tmp_path))
    return {**kept, **homes, "PYTHONWARNINGS": "error"}


@pytest.fixture
def api(environ: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment of who asks an API with three runners."""
    with on_a_socket(says(RUNNERS, [])) as gateway:
        yield {**environ, **client_environ(gateway.url)}


def call(*args: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *args], env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def test_an_answer_of_the_api(api: dict[str, str]) -> None:
    done = call("runners", "--json", "--page", "1", environ=api)
    assert (done.returncode, without_progress(done.stderr)) == (0, "")
    assert [each["id"] for each in json.loads(done.stdout)["runners"]] == ["r0", "r1", "r2"]
    assert TOKEN not in done.stdout


@pytest.mark.parametrize(
    "argv",
    [
        ["runners", "--json", "--page", "1"],
        ["runners", "--filter", "runner", "--sort", "name", "--csv"],
        ["runner", "r1", "--json"],
        ["history", "r1", "--ndjson"],
    ],
    ids=" ".join,
)
def test_nothing_of_the_dashboard_is_loaded(api: dict[str, str], argv: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", LOADED, *argv], env=api, capture_output=True, text=True, check=False)
    assert without_progress(done.stderr) == "0 sqlite3\n"


@pytest.mark.parametrize(
    ("options", "command", "status"),
    [
        ("--demo --runners 2 --seed 7", "runners --json", 0),
        ("--demo --url http://127.0.0.1:9", "runners", 2),
        ("--config /nowhere.toml", "runners", 2),
        ("--profile none", "stats x", 2),
        ("--comfyui ftp://x", "history x", 2),
        ("--url http://192.0.2.1", "runner x", 2),
        ("--url http://127.0.0.1:9 --log own.log", "runners", 4),
    ],
)
def test_fleet_options_work_before_and_after_the_command(
    environ: dict[str, str], tmp_path: Path, options: str, command: str, status: int
) -> None:
    environ = {**environ, TOKEN_VARIABLE: TOKEN}
    options = options.replace("own.log", str(tmp_path / "own.log"))
    before = call(*options.split(), *command.split(), environ=environ)
    after = call(*command.split(), *options.split(), environ=environ)
    assert before.returncode == after.returncode == status
    assert before.stdout == after.stdout
    # Whose usage it is stands above the last line.
    assert before.stderr.splitlines()[-1:] == after.stderr.splitlines()[-1:]
    if "--log" in options:
        assert len((tmp_path / "own.log").read_text().splitlines()) == 6


@pytest.mark.parametrize("argv", [["--help"], ["runners", "--help"], ["runners", "--demo", "--ndjson"]], ids=" ".join)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_ends_it_quietly(environ: dict[str, str], argv: list[str], unbuffered: str) -> None:
    environ = {**environ, "PYTHONUNBUFFERED": unbuffered}
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([PROGRAM, *argv], env=environ, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, without_progress(done.stderr.decode())) == (0, "")


@pytest.mark.parametrize(
    ("argv", "status", "words"),
    [
        ("runners --demo --json", 1, "standard output is closed"),
        ("runners --demo --watch", 1, "standard output is closed"),
        ("config path", 1, "standard output is closed"),
        ("--version", 0, ""),
    ],
)
def test_a_closed_standard_output(environ: dict[str, str], argv: str, status: int, words: str) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$0" {argv} >&-', PROGRAM], env=environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (status, "")
    assert words in done.stderr if words else without_progress(done.stderr) == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no such device here")
@pytest.mark.parametrize("argv", [["runners", "--demo"], ["--help"], ["--version"]], ids=" ".join)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk(environ: dict[str, str], argv: list[str], unbuffered: str) -> None:
    environ = {**environ, "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [PROGRAM, *argv], env=environ, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    said = without_progress(done.stderr)
    assert said == "comfytui: What there is to say cannot be written: no space left on device.\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no such device here")
@pytest.mark.parametrize(
    ("argv", "status"),
    [
        ("runners", 3),
        ("runners --url http://127.0.0.1:9", 4),
        ("runners --demo --sort size", 2),
        ("nonsense", 2),
        ("history nobody --demo", 1),
        ("stats 127.0.0.1:9 --comfyui 127.0.0.1:9", 4),
        ("history 127.0.0.1:9 --comfyui 127.0.0.1:9", 4),
        ("config path", 0),
    ],
)
def test_exit_status_is_independent_of_the_reader(environ: dict[str, str], argv: str, status: int) -> None:
    """Standard error that takes nothing, that nobody reads, and that is closed."""
    if "--url" in argv:
        environ = {**environ, TOKEN_VARIABLE: TOKEN}
    reader, writer = os.pipe()
    os.close(reader)
    with Path("/dev/full").open("wb") as full, os.fdopen(writer, "wb") as unread:
        for stream in (full, unread):
            done = subprocess.run(
                [PROGRAM, *argv.split()], env=environ, stdout=subprocess.PIPE, stderr=stream, check=False
            )
            assert (done.returncode, bool(done.stdout)) == (status, status == 0)
    closed = subprocess.run(
        ["/bin/sh", "-c", f'"$0" {argv} 2>&-', PROGRAM], env=environ, stdout=subprocess.PIPE, check=False
    )
    assert (closed.returncode, bool(closed.stdout)) == (status, status == 0)


def test_ctrl_c_while_waiting_for_the_request_limit_ends_quietly(environ: dict[str, str]) -> None:
    argv = [PROGRAM, "runners", "--filter", "is:busy"]
    with (
        MisbehavingServer(runners=30).in_a_thread() as server,
        subprocess.Popen(
            argv,
            env=environ | client_environ(server.url, server.token),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stderr is not None
        assert process.stdout is not None
        # On a busy machine it first says about whom it asks.
        assert any("waiting" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        assert (process.stdout.read(), process.stderr.read()) == ("", "")


def changes_of(server: MisbehavingServer, most: int) -> Mood:
    """The usual answers, and a runner is deleted after each of the first pages."""
    left = most

    async def mood(exchange: Exchange, usual: bytes) -> None:
        nonlocal left
        await exchange.send(usual)
        if left:
            left -= 1
            server.fleet = server.fleet[1:]

    return mood


@pytest.mark.parametrize(("most", "status"), [(1, ExitCode.OK), (1000, ExitCode.CHANGED)])
def test_list_that_changes_while_it_is_read(environ: dict[str, str], most: int, status: ExitCode) -> None:
    with MisbehavingServer(runners=30).in_a_thread() as server:
        everybody = {runner["id"] for runner in server.fleet}
        server.mood = changes_of(server, most)
        environ |= client_environ(server.url, server.token)
        done = call("runners", "--json", "--per-page", "5", "--columns", "id", environ=environ)
        left = [runner["id"] for runner in server.fleet]
    assert done.returncode == status
    found = [runner["id"] for runner in json.loads(done.stdout)["runners"]]
    if most == 1:
        assert (found, without_progress(done.stderr)) == (left, "")
    else:
        assert set(found) < everybody
        assert "list changed" in done.stderr
