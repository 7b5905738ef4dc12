"""The installed program against a server that misbehaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.installed import client_environ, dashboard
from tests.support.misbehaving import (
    Limiter,
    MisbehavingServer,
    Mood,
    always,
    cut,
    dripping,
    echoing,
    only_on,
    reset_within,
)
from tests.support.scripted import error_reply, hang, html_reply, reset

if TYPE_CHECKING:
    from tests.support.terminal import Terminal


@contextmanager
def watching(*args: str, runners: int = 12) -> Iterator[tuple[Terminal, MisbehavingServer]]:
    """A dashboard that shows a server's runners and is live."""
    with (
        MisbehavingServer(runners).in_a_thread() as server,
        dashboard("--interval", "1", *args, environ=client_environ(server.url, server.token)) as terminal,
    ):
        terminal.wait_for("of 12", "● live")
        yield terminal, server


def leaves(terminal: Terminal, server: MisbehavingServer) -> None:
    """Quit, and hold on the way no secret."""
    terminal.press("ctrl+c")
    assert terminal.wait_exit() == 0
    assert server.token.encode() not in terminal.raw


OUTAGES: dict[str, tuple[Mood, str]] = {
    "a burst of 500": (always(error_reply(500, "boom")), "boom"),
    "503": (always(error_reply(503, "maintenance")), "maintenance"),
    "403": (always(error_reply(403, "Runner limit exceeded for your tier")), "Runner limit"),
    "HTML": (always(html_reply(200)), "invalid response"),
    "a reset": (always(reset()), "cannot be reached"),
    "half an answer": (cut, "invalid response"),
    "a reset in the middle": (reset_within, "invalid response"),
    "an echo of the token": (echoing(500), "500 from the API"),
}


@pytest.mark.parametrize("name", OUTAGES)
def test_an_outage_keeps_the_rows_says_its_cause_and_is_over_when_it_is(name: str) -> None:
    mood, words = OUTAGES[name]
    with watching() as (terminal, server):
        row = terminal.lines[3]
        server.mood = mood
        terminal.wait_for("stale since", words, "retry")
        assert row[:30] in terminal.screen
        server.mood = None
        terminal.press("r")
        terminal.wait_for("● live")
        terminal.wait_gone("stale since")
        leaves(terminal, server)


@pytest.mark.parametrize("mood", [always(hang()), dripping], ids=["hanging", "dripping"])
def test_a_server_that_does_not_finish_starves_nothing_else(mood: Mood) -> None:
    with watching() as (terminal, server):
        name = terminal.lines[3][5:20].strip()
        server.mood = only_on(f"/v1/runner/{server.fleet[0]['id']}/history", mood)
        terminal.press("j")
        terminal.wait_for("● live")
        before = len(server.requests)
        terminal.wait_until(lambda: len(server.requests) > before + 4, "to see that it goes on asking")
        assert name in terminal.screen
        leaves(terminal, server)


def test_a_server_that_is_gone_and_comes_back() -> None:
    with watching() as (terminal, server):
        server.run(server.refuse())
        terminal.wait_for("stale since", "cannot be reached")
        server.run(server.listen())
        terminal.press("r")
        terminal.wait_for("● live")
        leaves(terminal, server)


def test_too_many_requests_are_waited_out_with_a_countdown() -> None:
    with watching() as (terminal, server):
        server.mood = only_on("/v1/runner", always(error_reply(429, "slow down")))
        terminal.wait_for("cooling down")
        # What was on its way when the first no came.
        terminal.listen(0.3)
        before = len(server.requests)
        server.mood = None
        terminal.listen(2.0)
        assert len(server.requests) == before
        terminal.wait_for("● live")
        leaves(terminal, server)


def test_a_runner_that_vanishes_leaves_the_list() -> None:
    with watching() as (terminal, server):
        server.vanish(server.fleet[0]["id"])
        terminal.wait_for("11 runners", "no longer")
        leaves(terminal, server)


def test_a_list_that_shrinks_below_the_page_goes_to_its_last_page() -> None:
    with watching("--per-page", "5") as (terminal, server):
        terminal.press("n", "n")
        terminal.wait_for("page 3/3")
        server.shrink(6)
        terminal.wait_for("6 runners", "Runner 005")
        leaves(terminal, server)


def test_hostile_values_in_every_field_are_shown() -> None:
    with watching() as (terminal, server):
        server.turn_hostile()
        terminal.wait_for("unreadable")
        for _ in range(12):
            terminal.press("j")
        terminal.press("enter", "enter", "escape", "escape", "L", "escape")
        terminal.wait_for("Runners")
        assert b"pwned\x07" not in terminal.raw
        leaves(terminal, server)


def test_six_terminals_share_one_allowance_whatever_their_environment(tmp_path: Path) -> None:
    limiter = Limiter()
    with MisbehavingServer(runners=25, limiter=limiter).in_a_thread() as server, ExitStack() as stack:
        tmp_path.chmod(0o700)
        places: list[dict[str, str]] = [
            {},
            {"XDG_RUNTIME_DIR": str(tmp_path)},
            {"XDG_RUNTIME_DIR": "/nowhere", "TMPDIR": str(tmp_path)},
        ]
        urls = (server.url, server.url.replace("127.0.0.1", "LOCALHOST"))
        environs = [client_environ(url, server.token) | place for place in places for url in urls]
        terminals = [stack.enter_context(dashboard(environ=environ)) for environ in environs]
        for terminal in terminals:
            terminal.wait_for("of 25")
        # This process is busy drawing six terminals while they start, and notes late what arrives.
        started = len(limiter.arrivals)
        for _ in range(6):
            for terminal in terminals:
                terminal.listen(0.75)
        assert limiter.refused == 0
        assert limiter.busiest_after(started) <= 20
        for terminal in terminals:
            assert "cooling down" not in terminal.screen
            assert "stale" not in terminal.screen
            leaves(terminal, server)
