"""Keys that arrive in one packet, as slow links and pasting send them: each goes where the one before it leads."""

from __future__ import annotations

import asyncio

from textual.events import Key

from comfytui.engine.protocol import PageKey
from comfytui.tui.terminal.input_queue import QueuedEvent
from tests.support.builders import make_page, make_runner
from tests.support.pilot import Driven, demo, scripted

PAGE = make_page(
    make_runner("r1", name="alpha", tags=["gpu"]),
    make_runner("r2", name="beta", tags=["cpu"]),
    make_runner("r3", name="gamma", tags=["gpu"]),
)


def packet(driven: Driven, *keys: str) -> None:
    """Have all these keys arrive at once, as slow links and pasting send them."""
    for key in keys:
        char = {"enter": "\r", "slash": "/", "colon": ":", "ctrl+u": None}.get(key, key)
        driven.app.post_message(Key(key, char))


async def test_keys_behind_a_filter_act_in_the_list() -> None:
    async with scripted(PAGE) as (driven, source):
        source.pages[PageKey(1, 100)] = PAGE
        packet(driven, "slash", *"gpu", "enter", "o", "j")
        await driven.sees("Runners  /gpu", "name▲", "page 1/1  1–2 of 2")
        await driven.until(lambda: driven.app.snapshot.viewport.runner_id == "r3")


async def test_keys_behind_a_page_number_act_in_the_list() -> None:
    async with demo(runners=60) as driven:
        packet(driven, "P", "9", "enter", "ctrl+u", "2", "enter", "s")
        await driven.sees("Runners  active", "page 1/", "status")
        assert "there are pages" not in driven.text


async def test_keys_behind_a_palette_entry_act_in_the_list() -> None:
    async with scripted(PAGE) as (driven, source):
        source.pages[PageKey(1, 100)] = PAGE
        packet(driven, "colon", *"utc", "enter", "o", "j")
        await driven.sees("Runners  all pages searched", "name▲")
        await driven.until(lambda: driven.app.snapshot.viewport.runner_id == "r2")
        assert driven.app.time_style == "local"


async def test_a_palettes_line_that_finds_nothing_holds_nothing_up() -> None:
    async with demo() as driven:
        packet(driven, "colon", *"zqx", "enter", "v")
        await driven.sees("> zqxv")


async def test_key_that_comes_as_the_queue_was_just_emptied_is_acted_on() -> None:
    async with scripted(PAGE) as (driven, _):
        app, loop, came = driven.app, asyncio.get_running_loop(), asyncio.Event()

        def come() -> None:
            """Queue a key in the turn of the loop in which the task that takes them is over."""
            if app.key_sequencer._task is not None and app.key_sequencer._task.done():
                app.queue_input([QueuedEvent(Key("j", "j"))])
                came.set()
            else:
                loop.call_soon(come)

        packet(driven, "j")
        come()
        await asyncio.wait_for(came.wait(), 15)
        await driven.until(lambda: app.snapshot.viewport.runner_id == "r3")
