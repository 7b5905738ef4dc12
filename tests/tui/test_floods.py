"""Floods of keys, clicks and moves: what is seen in the end is right, and soon there."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from textual.widgets import Input

from comfytui.tui.terminal.input_reader import InputReader
from tests.support.pilot import PATIENCE, Driven, demo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Sender:
    """Sends bytes to a dashboard as the terminal's driver does, and waits until they have been acted on."""

    def __init__(self, driven: Driven) -> None:
        self.driven = driven
        self.actions: list[str] = []
        self._reader = InputReader()
        self._now = 0.0

    async def send(self, data: bytes) -> None:
        for start in range(0, len(data), 4096):
            self._now += 0.001
            self.driven.app.queue_input(self._reader.feed(data[start : start + 4096], self._now))
        self._now += 10
        self.driven.app.queue_input(self._reader.tick(self._now))
        async with asyncio.timeout(PATIENCE):
            await self.driven.app.key_sequencer.wait_idle()


@asynccontextmanager
async def sending(size: tuple[int, int] = (120, 40), runners: int = 120) -> AsyncIterator[Sender]:
    async with demo(size, runners) as driven:
        yield Sender(driven)


def counted(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> list[int]:
    """A list that grows with each call of a method."""
    calls: list[int] = []
    method: Callable[..., object] = getattr(owner, name)

    def call(*args: object, **named: object) -> object:
        calls.append(1)
        return method(*args, **named)

    monkeypatch.setattr(owner, name, call)
    return calls


async def test_a_held_key_changes_the_theme_once_and_to_the_right_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from comfytui.tui.app import ComfyTUI
    from comfytui.tui.theme.themes import NAMES

    changes = counted(monkeypatch, ComfyTUI, "notify")
    async with sending() as sender:
        before = NAMES.index(sender.driven.app.theme)
        await sender.send(b"t" * 5000)
        assert sender.driven.app.theme == NAMES[(before + 5000) % len(NAMES)]
    assert len(changes) < 5


@pytest.mark.parametrize("keys", ["j", "k", "J", "K", "o", "O", "s", "u", "n", "p", "H", " ", "+", "-", "\t"])
async def test_repeats_in_one_packet_end_where_single_keys_do(keys: str) -> None:
    async with sending(runners=60) as together, sending(runners=60) as one_by_one:
        await together.send(keys.encode() * 7)
        for key in keys * 7:
            await one_by_one.send(key.encode())
        seen = [_where(each.driven, cursor=keys in "jkJK") for each in (together, one_by_one)]
        assert seen[0] == seen[1]


def _where(driven: Driven, *, cursor: bool) -> tuple[object, ...]:
    dashboard = driven.app._dashboard
    assert dashboard is not None
    listing = dashboard.list.listing
    focused = dashboard.focused.id if dashboard.focused else None
    interval = driven.app.session.fleet.engine.snapshot.interval
    pointed = dashboard.runners.cursor_id if cursor else None
    return (listing.key, listing.sort, pointed, driven.app.time_style, focused, interval)


@pytest.mark.parametrize(
    "flood",
    [b"to" * 2500, b"JK" * 2500, bytes(range(32, 113)) * 500, b"?L" * 2500, b"\x10\x1b[A" * 2000],
    ids=["themes and sorts", "up and down", "all characters", "screens", "palette"],
)
async def test_many_different_keys_at_once_are_ignored_and_that_is_said(flood: bytes) -> None:
    async with sending() as sender:
        await sender.send(flood)
        assert "Too much input at once" in " ".join(note.message for note in sender.driven.app._notifications)
        assert len(sender.driven.app.screen_stack) < 5


async def test_repeats_of_a_key_that_opens_leave_what_an_even_or_odd_number_leaves() -> None:
    async with sending() as sender:
        await sender.send(b"?" * 5000)
        assert len(sender.driven.app.screen_stack) == 1
        await sender.send(b"L" * 4999)
        assert len(sender.driven.app.screen_stack) == 2


async def test_typed_text_is_bounded() -> None:
    async with sending() as sender:
        await sender.send(b"/" + b"abcdefghij" * 10_000)
        box = sender.driven.app.focused
        assert isinstance(box, Input)
        assert box.value.startswith("abcdefghij")
        assert len(box.value) <= (box.max_length or 0)


@pytest.mark.parametrize("opens", [b"/", b":", b"S"])
@pytest.mark.parametrize("sent", [b"{}", b"\x1b[200~{}\x1b[201~"], ids=["typed", "pasted"])
async def test_a_box_never_has_a_control(opens: bytes, sent: bytes) -> None:
    hostile = "a\x0e\x05\u009b31m\x90q\u009c\u202eb".encode()
    async with sending() as sender:
        await sender.send(opens)
        await sender.send(sent.replace(b"{}", hostile))
        box = sender.driven.app.focused
        assert isinstance(box, Input)
        assert box.value.isprintable()
        assert "\u202e" not in box.value
        assert "b" in box.value


async def test_keys_that_quit_or_draw_anew_overtake_a_flood(monkeypatch: pytest.MonkeyPatch) -> None:
    async with demo() as driven:
        reader = InputReader()
        drawn = counted(monkeypatch, type(driven.app), "action_redraw")
        driven.app.queue_input(reader.feed(b"to" * 30 + b"\x0c", 1.0))
        assert drawn
        driven.app.queue_input(reader.feed(b"to" * 30 + b"\x03", 1.0))
        assert driven.app._exit


async def test_moves_of_the_mouse_reach_nothing_where_nothing_follows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    from textual.screen import Screen

    async with sending() as sender:
        moves = counted(monkeypatch, Screen, "_handle_mouse_move")
        await sender.send(b"".join(b"\x1b[<35;%d;%dMx" % (x % 100 + 1, x % 30 + 1) for x in range(20)))
        assert not moves
        await sender.send(b":")
        await sender.send(b"\x1b[<35;50;6M")
        assert moves
