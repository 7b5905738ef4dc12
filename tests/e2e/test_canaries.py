"""Secrets planted wherever the program meets them, and looked for in every byte that leaves it.

Each secret is one word that nothing else says. A byte that leaves is one written to the terminal or to a file, or one
that other users see among the arguments of processes; the file that a token is saved in by wish is the one exception.
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from tests.contract.gateways import Gateway, on_a_socket
from tests.support.installed import PROGRAM, client_environ
from tests.support.terminal import Terminal

if TYPE_CHECKING:
    from starlette.requests import Request

TOKEN = "cfc_canarytoken"
WRONG = "cfc_canarywrong"
PLANTED = (
    TOKEN,
    WRONG,
    "canaryheader",
    "canarybearer",
    "canaryuser",
    "canarypassword",
    "canaryquery",
    "canaryfragment",
    "canarysegment1A2b3C4d5E6f",
    "canarybasic",
)
SIGNED = "https://canaryuser:canarypassword@b.example/cfc_canarytoken/?X-Amz-Signature=canaryquery#canaryfragment"
BASIC = f"Basic {base64.b64encode(b'someone:canarybasic').decode()}"

RUNNER = {
    "id": "canary-id",
    "name": "visible name",
    "status": "active",
    "endpoint": "https://canaryuser:canarypassword@visible.example/path/canarysegment1A2b3C4d5E6f?key=canaryquery&x=y#canaryfragment",
    "tags": ["visible-tag", SIGNED],
    "visible_extra": f"visible-extra at {SIGNED}",
    "nested": {"list": [SIGNED, BASIC, {"password": "canarypassword"}]},
    "headers": {"X-Visible": "canaryheader", "Authorization": "Bearer canarybearer"},
    "created_at": "2024-01-15T10:30:00Z",
}
OTHER = {"id": "other-id", "name": "other name", "status": "active", "headers": {}}
WORKFLOW = {
    "id": "w-visible",
    "name": "visible workflow",
    "status": "failed",
    "created_at": "2024-01-15T10:30:00Z",
    "error": f"upload to {SIGNED} with {BASIC} failed",
}


class Canaries(Starlette):
    """An API that repeats what it was sent, above all the token, whenever it says no.

    Attributes:
        trouble: The status that it answers everything with; 200 for none.
        html: Whether it says no in a page instead of JSON.
        tokens: The bearer tokens it was shown, one after another.
    """

    def __init__(self) -> None:
        super().__init__(routes=[Route("/{path:path}", self._answer)])
        self.trouble = 200
        self.html = False
        self.tokens: list[str] = []

    async def _answer(self, request: Request) -> Response:
        bearer = request.headers["authorization"]
        self.tokens.append(bearer.removeprefix("Bearer "))
        status = self.trouble if self.tokens[-1] == TOKEN else 401
        message = f"no: {bearer} {SIGNED} {BASIC} {self.tokens[-1]} {dict(request.headers)}"
        if status != 200:
            return HTMLResponse(message, status) if self.html else JSONResponse({"message": message}, status)
        if request.url.path.endswith("/history"):
            return JSONResponse([WORKFLOW])
        runners = {f"/v1/runner/{each['id']}": each for each in (RUNNER, OTHER)}
        return JSONResponse(runners.get(request.url.path, {"runners": [RUNNER, OTHER], "total": 2}))


class Watched:
    """A program on a terminal, everything it writes, and everything its screen has shown when it was looked at."""

    def __init__(self, terminal: Terminal, home: Path) -> None:
        self.terminal = terminal
        self.home = home
        self._seen: list[bytes] = []

    def sees(self, *wanted: str) -> None:
        """Wait until the screen shows all of this, and keep what it shows, and what all users see of the process."""
        self.terminal.wait_for(*wanted)
        self._seen += [self.terminal.screen.encode(), Path(f"/proc/{self.terminal.pid}/cmdline").read_bytes()]

    def moves(self, key: str) -> None:
        """Press a key that moves the focus, and wait until that is drawn: the next key goes where the focus is."""
        self.terminal.wait_quiet(0.1)
        drawn = len(self.terminal.raw)
        self.terminal.press(key)
        self.terminal.wait_until(lambda: len(self.terminal.raw) > drawn, "for the focus to move")

    def visits(self, key: str, *wanted: str) -> None:
        """Open a screen, see this there, and leave it."""
        self.terminal.press(key)
        self.sees(*wanted)
        self.terminal.press("escape")
        self.terminal.wait_gone(wanted[0])

    def told(self, but: Path | None = None) -> bytes:
        """All that left the program so far, without the content of one file."""
        files = [each for each in self.home.rglob("*") if each.is_file() and each != but]
        parts = [bytes(self.terminal.raw), *self._seen, *(each.read_bytes() for each in files)]
        return b"\n".join([*parts, *(str(each).encode() for each in files)])


def found_in(data: bytes, *secrets: str) -> set[str]:
    """The secrets that these bytes hold, as they are or the way URLs, headers and reprs have them."""
    return {secret for secret in secrets for spelled in _spellings(secret) if spelled in data}


def _spellings(secret: str) -> set[bytes]:
    return {secret.encode(), quote(secret).encode(), base64.b64encode(secret.encode())[:12], secret[::-1].encode()}


@pytest.fixture
def api() -> Canaries:
    return Canaries()


@pytest.fixture
def gateway(api: Canaries) -> Iterator[Gateway]:
    with on_a_socket(api) as gateway:
        yield gateway


@pytest.fixture
def environ(gateway: Gateway, tmp_path: Path) -> dict[str, str]:
    """A home in which the program finds nothing and may leave what it wants."""
    places = {f"XDG_{name}": str(tmp_path) for name in ("CONFIG_HOME", "STATE_HOME", "RUNTIME_DIR")}
    tmp_path.chmod(0o700)
    return {**client_environ(gateway.url, TOKEN), **places, "HOME": str(tmp_path)}


def start(environ: dict[str, str], tmp_path: Path, *args: str, command: tuple[str, ...] = (PROGRAM,)) -> Terminal:
    return Terminal([*command, "--log", str(tmp_path / "requests.log"), *args], environ, (140, 45))


def test_screens_and_errors_hold_no_secret(api: Canaries, environ: dict[str, str], tmp_path: Path) -> None:
    with start(environ, tmp_path) as terminal:
        watched = Watched(terminal, tmp_path)
        watched.sees("visible name", "visible.example", "X-Visible", "visible workflow", "● live")
        watched.visits("?", "In a table")
        watched.visits("ctrl+p", "A command, or a runner")
        watched.visits("L", "what went wrong", "/v1/runner?")
        terminal.press("enter")
        watched.sees("runners / visible name")
        watched.visits("enter", "w-visible")
        for api.trouble, api.html, words in ((502, True, "502"), (500, False, "no: Bearer ••••")):
            terminal.press("r")
            watched.sees("stale since", words)
        watched.visits("L", "what went wrong", "502", "no: Bearer •••")
        api.trouble = 401
        terminal.press("r")
        watched.sees("paste a token", "no: Bearer ••••••••")
        terminal.press("ctrl+c")
        assert terminal.wait_exit() == 0
        told = watched.told()
    assert set(api.tokens) == {TOKEN}
    assert found_in(told, "visible name", "X-Visible", "visible.example", "/v1/runner?page=1")
    assert found_in(told, *PLANTED) == set()


def wait_for_file(terminal: Terminal, ending: str) -> None:
    """Wait until it is said that the view was saved as this."""
    said = re.compile(rf"Saved in comfytui-runners-[0-9-]+\.{ending}")
    terminal.wait_until(lambda: said.search(terminal.screen) is not None, f"for the .{ending} file")


def test_exports_hold_no_secret_with_revealed_headers(environ: dict[str, str], tmp_path: Path) -> None:
    at_home = ("/bin/sh", "-c", 'cd "$HOME" && exec "$0" "$@"', PROGRAM)
    with start(environ, tmp_path, command=at_home) as terminal:
        terminal.wait_for("visible name", "visible workflow", "● live")
        terminal.press("H")
        terminal.wait_gone("X-Visible  ••••")
        for key, words in (("y", "The id of visible name"), ("Y", "Visible name: "), ("e", "The endpoint of visible")):
            terminal.press(key)
            terminal.wait_for(f"{words}", "sent to the terminal")
        for ending in ("txt", "csv", "json", "svg"):
            terminal.press("S")
            terminal.wait_for("Save this view in a file", "enter saves")
            terminal.press("\x7f", "\x7f", "\x7f", *ending, "enter")
            wait_for_file(terminal, ending)
            terminal.wait_gone("Save this view in a file")
            terminal.press("H")
        terminal.press("q")
        assert terminal.wait_exit() == 0
        copied = [base64.b64decode(each) for each in re.findall(rb"\x1b\]52;c;([^\x07]*)\x07", terminal.raw)]
    saved = {each.suffix: each for each in tmp_path.glob("comfytui-runners-*")}
    assert [*sorted(saved)] == [".csv", ".json", ".svg", ".txt"]
    assert all(each.stat().st_mode & 0o777 == 0o600 for each in saved.values())
    told = b"\n".join([*copied, *(each.read_bytes() for each in saved.values())])
    assert len(copied) == 3
    visible = {"visible name", "X-Visible", "visible.example", "visible-extra at"}
    assert found_in(told, *visible) == visible
    assert found_in(told, *PLANTED) == set()


def test_a_typed_token_is_seen_by_the_api_alone(api: Canaries, environ: dict[str, str], tmp_path: Path) -> None:
    environ = {**environ, **client_environ(environ["COMFYCONTROL_API_URL"], "")}
    saved = tmp_path / "comfytui" / "token"
    with start(environ, tmp_path) as terminal:
        watched = Watched(terminal, tmp_path)
        watched.sees("paste a token", "no token")
        terminal.press(*WRONG, "enter")
        watched.sees("no: Bearer ••••••••")
        terminal.press(*TOKEN)
        watched.moves("tab")
        terminal.press("space")
        watched.sees("[x] keep it in ~/comfytui/token")
        watched.moves("shift+tab")
        terminal.press("enter")
        watched.sees("visible name", "visible workflow", "● live")
        terminal.press("q")
        assert terminal.wait_exit() == 0
        told = watched.told(but=saved)
    assert api.tokens[0] == WRONG
    assert set(api.tokens[1:]) == {TOKEN}
    assert found_in(told, *PLANTED) == set()
    assert saved.read_text() == f"{TOKEN}\n"
    assert (saved.stat().st_mode & 0o777, saved.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    with start(environ, tmp_path) as terminal:
        watched = Watched(terminal, tmp_path)
        watched.sees("visible name", "● live")
        terminal.press("q")
        assert terminal.wait_exit() == 0
        assert found_in(watched.told(but=saved), *PLANTED) == set()


def test_revealed_header_values_are_on_the_screen_alone(environ: dict[str, str], tmp_path: Path) -> None:
    with start(environ, tmp_path) as terminal:
        watched = Watched(terminal, tmp_path)
        watched.sees("X-Visible", "••••••••", "● live")
        terminal.press("H")
        terminal.wait_for("canaryheader", "canarybearer")
        terminal.press("down")
        terminal.wait_gone("canaryheader", "canarybearer")
        terminal.press("up")
        watched.sees("X-Visible", "••••••••")
        files = b"\n".join(each.read_bytes() for each in tmp_path.rglob("*") if each.is_file())
        assert found_in(files, *PLANTED) == set()
        assert "canary" not in terminal.screen.replace("canary-id", "")


CRASH = """
import os, sys
from comfytui.tui.app import ComfyTUI
def crash(self):
    token, runners = os.environ["COMFYCONTROL_API_TOKEN"], self.snapshot.page.value
    raise RuntimeError(f"{token} {runners!r} {[each.headers for each in runners.runners]}") from KeyError(token)
ComfyTUI.action_show_help = crash
from comfytui.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_crash_holds_no_secret(environ: dict[str, str], tmp_path: Path) -> None:
    with start(environ, tmp_path, command=(sys.executable, "-c", CRASH)) as terminal:
        watched = Watched(terminal, tmp_path)
        watched.sees("visible name", "● live")
        terminal.press("?")
        assert terminal.wait_exit() == 1
        assert terminal.unrestored == set()
        told = watched.told()
    (report,) = (tmp_path / "comfytui").glob("crash-*.txt")
    assert found_in(report.read_bytes(), "RuntimeError", "caused by: KeyError", ":crash\n")
    assert str(report).encode() in told.replace(b"\r\n", b"")
    assert found_in(told, *PLANTED) == set()


def test_the_search_finds_what_is_there() -> None:
    assert found_in(b"a cfc_canarytoken b", *PLANTED) == {TOKEN}
    assert found_in(base64.b64encode(b"canaryheader"), *PLANTED) == {"canaryheader"}


def test_scripts_hold_no_secret(api: Canaries, environ: dict[str, str], tmp_path: Path) -> None:
    commands = ("runners", "runners --json", "runners --csv", "runner canary-id --json", "history canary-id --json")
    told = [run(environ, *words.split()) for words in commands]
    api.trouble = 403
    told.append(run(environ, "runners"))
    assert found_in(b"".join(told), "visible.example", "visible-extra at", "upload to https://", "no: Bearer") == {
        "visible.example",
        "visible-extra at",
        "upload to https://",
        "no: Bearer",
    }
    assert found_in(b"".join(told), *PLANTED) == set()


def run(environ: dict[str, str], *args: str) -> bytes:
    """Run the program without a terminal, and return all that it writes."""
    done = subprocess.run([PROGRAM, *args], env={**os.environ, **environ}, capture_output=True, timeout=50, check=False)
    return done.stdout + done.stderr
