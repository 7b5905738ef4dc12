"""Screens that open and close, whatever arrives meanwhile."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import TYPE_CHECKING

import pytest
from rich.style import Style
from textual.command import CommandList
from textual.events import Click, Key, MouseDown, Resize
from textual.geometry import Size
from textual.screen import Screen

from comfytui.tui.palette import PaletteScreen
from comfytui.tui.screen_stack import OwnScreen
from comfytui.tui.screens.help import HelpScreen
from comfytui.tui.screens.requests import RequestsScreen
from tests.support.pilot import Driven, demo
from tests.tui.test_floods import counted, sending

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CLICK = b"\x1b[<0;%d;%dM\x1b[<0;%d;%dm"


def click(x: int, y: int) -> bytes:
    return CLICK % (x, y, x, y)


@pytest.mark.parametrize(
    "packet",
    [
        b"\x10\x1b[6~",
        b":\x1b[5~",
        b"SL",
        b"LS",
        b"\x10\r\r",
        b"\x10" + click(2, 30) * 2,
        b":" + click(40, 10) * 2,
        b"\x10\r" + click(40, 10),
        b"L\x1b\x1b" + click(5, 5),
        b"?cc?" + click(60, 20) * 2,
        b"/x\r\r\r" + click(100, 5),
        b"t" + click(100, 37) * 3,
        b"S\r" + click(100, 37) * 2,
        b"/?\x1b?\x1b\x1b",
        b"c\x1b[1;2B \x1b\x1b",
    ],
)
async def test_a_packet_ends_nothing(packet: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # it saves views
    async with sending() as sender:
        await sender.send(packet)
        await sender.driven.pilot.pause(0.05)
        assert sender.driven.app.is_running
        assert not sender.driven.app._exit


async def test_keys_behind_a_palettes_line_go_where_it_leads() -> None:
    async with sending() as sender:
        await sender.send(b":request log\r\x1b[B?")
        assert [type(screen) for screen in sender.driven.app.screen_stack[1:]] == [RequestsScreen, HelpScreen]


async def test_closing_twice_closes_once() -> None:
    async with demo() as driven:
        await driven.press("question_mark")
        screen = driven.app.screen
        screen.dismiss()
        screen.dismiss()
        await driven.press("L")
        screen.dismiss()
        await driven.settled()
        assert isinstance(driven.app.screen, RequestsScreen)


@pytest.mark.parametrize("opens", ["command_palette", "show_help", "show_requests"])
async def test_a_screen_that_is_closed_before_it_is_mounted_ends_nothing(opens: str) -> None:
    async with demo() as driven:
        await driven.app.run_action(opens)
        driven.app.screen.dismiss()
        await driven.settled()
        assert driven.app.is_running
        assert len(driven.app.screen_stack) == 1


async def test_a_screen_below_another_closes_with_that_one() -> None:
    async with demo() as driven:
        await driven.press("L", "question_mark")
        driven.app.screen_stack[1].dismiss()
        await driven.settled()
        assert len(driven.app.screen_stack) == 1


async def test_the_last_screen_stays() -> None:
    async with demo() as driven:
        driven.app.pop_screen()
        driven.app.screen.dismiss()
        await driven.settled()
        assert len(driven.app.screen_stack) == 1


async def test_screens_of_a_kind_are_open_once() -> None:
    async with demo() as driven:
        await driven.press(*["question_mark", "L"] * 4)
        assert len(driven.app.screen_stack) == 3


async def test_two_sizes_in_a_row_do_not_follow_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    async with demo() as driven:
        screen, sizes = driven.app.screen, (Size(80, 24), Size(100, 30))
        for size in sizes * 2:
            assert driven.app._driver is not None
            driven.app._driver._size = size
            driven.app.post_message(Resize(size, size))
            for other in sizes:
                screen.post_message(Resize(other, other))
                screen.call_later(lambda: None)  # sizes without anything between them are one
        await driven.pilot.pause(0.1)
        laid_out = counted(monkeypatch, type(screen), "_refresh_layout")
        await driven.pilot.pause(0.1)
        assert not laid_out
        assert screen.size == sizes[-1]


async def test_messages_for_a_closed_screen_are_dropped() -> None:
    async with demo() as driven:
        await driven.press("question_mark")
        screen = driven.app.screen
        assert isinstance(screen, OwnScreen)
        screen.dismiss()
        assert not screen.post_message(Key("escape", None))
        await driven.settled()


async def test_a_click_on_what_was_removed_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_screen: Screen[None], _event: object) -> None:
        raise AttributeError("'NoneType' object has no attribute 'region'")

    async with demo() as driven:
        monkeypatch.setattr(Screen, "_forward_event", fail)
        driven.app.screen._forward_event(MouseDown(None, 1, 1, 0, 0, 1, False, False, False))
        with pytest.raises(AttributeError):
            driven.app.screen._forward_event(Key("x", "x"))


@pytest.mark.parametrize(
    ("opens", "closes", "kept"),
    [
        (["L"], ["escape"], lambda driven: driven.app.screen),
        (["question_mark"], ["escape"], lambda driven: driven.app.screen),
        (["enter", "enter"], ["escape", "escape"], lambda driven: driven.app.screen),
        (["c"], ["escape"], lambda driven: driven.app.screen),
        (["S"], ["escape"], lambda driven: driven.app.screen),
        (["slash"], ["escape"], lambda driven: driven.app.focused),
        (["P"], ["escape"], lambda driven: driven.app.focused),
    ],
    ids=["requests", "help", "workflow", "columns", "save", "filter", "page"],
)
async def test_nothing_keeps_what_was_closed(
    opens: list[str], closes: list[str], kept: Callable[[Driven], object]
) -> None:
    async with demo() as driven:
        references = []
        for _ in range(5):
            await driven.press(*opens)
            references.append(weakref.ref(kept(driven)))
            await driven.press(*closes)
        await asyncio.sleep(0)
        gc.collect()
        # Textual itself remembers the last ones for a while.
        assert [reference() for reference in references[:-2]] == [None] * 3


async def test_click_outside_of_a_screen_that_became_smaller_is_ignored() -> None:
    async with demo() as driven:
        await driven.press("ctrl+p")
        palette = driven.app.screen
        await palette.on_event(Click(palette, 500, 300, 0, 0, 1, False, False, False, 500, 300))
        assert driven.app.screen is palette
        assert not driven.app._exit


async def test_click_on_a_line_of_the_palette_that_is_gone_is_ignored() -> None:
    async with demo() as driven:
        await driven.press("ctrl+p")
        lines = driven.app.screen.query_one(CommandList)
        click = Click(lines, 5, 5, 0, 0, 1, False, False, False, 5, 5, Style.from_meta({"option": lines.option_count}))
        await lines._dispatch_message(click)
        assert isinstance(driven.app.screen, PaletteScreen)
        assert not driven.app._exit
