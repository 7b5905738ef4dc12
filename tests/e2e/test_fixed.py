"""Gateways that answer the same each time: what is sent then, and what must never be sent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.contract.gateways import on_a_socket
from tests.support.installed import client_environ, dashboard, says

if TYPE_CHECKING:
    from tests.support.terminal import Terminal

HOSTILE = [
    "\x1b]0;pwned\x07",
    "\x1b[31mred",
    "\x9b31m\x9d0;pwned\x9c",
    "user\u202egnp.exe\u2066",
    "[/x]",
    "[bold]b[/bold]",
    "[@click=app.quit]quit[/]",
    "x" * 5000,
    "渲染节点" * 40,
    "🎨👩‍🚀🏳️‍🌈",
    "\x00\ud800\r\n\t",
    "e\u0301\u0301\u0301",
]

LONG_AGO = "2024-01-15T10:30:00Z"


def hostile_runner(place: int, text: str) -> dict[str, object]:
    return {
        "id": f"id-{place}",
        "user_id": text,
        "name": text if place % 2 else f"runner {place} {text}",
        "status": text,
        "endpoint": f"http://{text}/?key={text}",
        "tags": [text, None, text],
        "headers": {f"X-{text}": f"secret-{text}"},
        "created_at": text,
        "updated_at": None,
        text: text,
    }


def hostile_workflow(place: int, text: str) -> dict[str, object]:
    return {"id": f"w-{place}-{text}", "name": text, "status": text, "tags": text, "created_at": text, "extra": [text]}


def walk_down(terminal: Terminal) -> None:
    """Point at the next runner and wait for its details, whose pane is named after it."""
    before = terminal.lines[1]
    terminal.press("down")
    terminal.wait_until(lambda: terminal.lines[1] != before, "to see the next runner")


# Of a history no more than ten entries are read, two of which are no workflows here.
@pytest.mark.parametrize("workflows", [HOSTILE[:8], [HOSTILE[0], *HOSTILE[5:]]])
def test_hostile_text_reaches_the_terminal_as_text(workflows: list[str]) -> None:
    app = says(
        [{"id": "first", "name": "harmless"}, *(hostile_runner(*each) for each in enumerate(HOSTILE))],
        [None, 7, *(hostile_workflow(*each) for each in enumerate(workflows))],
    )
    with on_a_socket(app) as gateway, dashboard(environ=client_environ(gateway.url), size=(140, 45)) as terminal:
        terminal.wait_for("harmless", "runner 0 ␛]0;pwned␇", "[/x]", "[bold]", "13 of 13", "?8")
        for _ in HOSTILE:
            walk_down(terminal)
        terminal.wait_for("id-11", "?8")
        terminal.press("enter")
        terminal.wait_for("runners / ")
        terminal.press("enter")
        terminal.wait_for("w-0-␛]0;pwned␇")
        terminal.press("q")
        assert terminal.wait_exit() == 0
        raw = bytes(terminal.raw)
        # Our own title names what is looked at; nothing else may begin such a sequence.
        assert not re.search(rb"\x1b\](?!2;comfytui / )[0-9;]*[^\x07\x1b]*pwned", raw)
        assert not re.search("[\x80-\x9f\u202e\u2066]", raw.decode())
        assert b"\x00" not in raw
        assert b"secret-" not in raw
        assert b"Traceback" not in raw


def test_an_unchanged_poll_writes_nothing() -> None:
    runner = {"id": "r", "name": "still", "status": "active", "created_at": LONG_AGO, "updated_at": LONG_AGO}
    done = {"id": "w", "name": "done", "status": "completed", "created_at": LONG_AGO, "completed_at": LONG_AGO}
    with (
        on_a_socket(says([runner], [done])) as gateway,
        dashboard(environ=client_environ(gateway.url)) as terminal,
    ):
        # The second poll takes what is said of the allowance to its next step; the third has nothing to say.
        terminal.wait_for("still", "done", "● live", "api ≤ 10/40")
        terminal.wait_quiet(1.0)
        assert terminal.listen(6.0) == b""
        assert "● live" in terminal.screen, "it would say late if nothing had been asked meanwhile"
        terminal.press("q")
        assert terminal.wait_exit() == 0
