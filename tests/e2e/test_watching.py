"""`runners --watch` as a shell runs it."""

from __future__ import annotations

import json
import signal
from subprocess import PIPE, Popen

import pytest

from comfytui.cli.exit_codes import ExitCode
from tests.support.installed import PROGRAM, client_environ, without_progress
from tests.support.misbehaving import TOKEN, MisbehavingServer
from tests.support.terminal import PATIENCE


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("home"))


def watch(*args: str, environ: dict[str, str]) -> Popen[str]:
    """The program, its standard streams pipes."""
    return Popen([PROGRAM, "runners", "--watch", *args], stdout=PIPE, stderr=PIPE, text=True, env=environ)


def event(watching: Popen[str]) -> tuple[str, str]:
    """The next event, and the id of its runner."""
    assert watching.stdout is not None
    told = json.loads(watching.stdout.readline())
    return told["event"], told["runner_id"]


def test_changes_are_told_until_the_token_is_refused(home: str) -> None:
    with MisbehavingServer(runners=2).in_a_thread() as server:
        environ = {"HOME": home, **client_environ(server.url, TOKEN)}
        with watch("--interval", "1", environ=environ) as watching:
            first, second = (runner["id"] for runner in server.fleet)
            assert [event(watching), event(watching)] == [("runner", first), ("runner", second)]
            server.fleet[1]["name"] = "Renamed"
            assert event(watching) == ("changed", second)
            server.vanish(first)
            assert event(watching) == ("removed", first)
            server.expire_after(0)
            out, err = watching.communicate(timeout=PATIENCE)
            assert (watching.returncode, out) == (ExitCode.NO_TOKEN, "")
            assert without_progress(err) == "comfytui: Token has expired\n"


def test_ctrl_c_ends_it(home: str) -> None:
    with watch("--demo", "--runners", "1", environ={"HOME": home}) as watching:
        assert event(watching)[0] == "runner"
        watching.send_signal(signal.SIGINT)
        out, err = watching.communicate(timeout=PATIENCE)
        assert (out, without_progress(err)) == ("", "")
        assert watching.returncode == ExitCode.INTERRUPTED


def test_watch_ends_quietly_after_its_reader(home: str) -> None:
    with watch("--demo", "--runners", "1", environ={"HOME": home}) as watching:
        assert event(watching)[0] == "runner"
        assert watching.stdout is not None
        assert watching.stderr is not None
        watching.stdout.close()
        assert watching.wait(PATIENCE) == ExitCode.OK
        assert without_progress(watching.stderr.read()) == ""


def test_empty_filter_is_refused(home: str) -> None:
    with watch("--demo", "--filter", "is:odd", environ={"HOME": home}) as watching:
        out, err = watching.communicate(timeout=PATIENCE)
        assert (watching.returncode, out) == (ExitCode.USAGE, "")
        assert err == "comfytui: --filter, character 1: is: accepts reachable, unreachable, busy, idle.\n"
