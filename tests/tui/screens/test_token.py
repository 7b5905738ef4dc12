"""Asking for a token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from comfytui.api.errors import Unauthorized
from comfytui.engine.resources import PageKey
from comfytui.tui.screens.token import WHERE
from tests.support.builders import make_page, make_runner
from tests.support.door import OneTokenDoor
from tests.support.pilot import Driven, scripted

if TYPE_CHECKING:
    from tests.support.source import ScriptedSource

REFUSED = Unauthorized("GET", "/v1/runner", "Token has expired", 401)


@asynccontextmanager
async def asked(door: OneTokenDoor) -> AsyncIterator[tuple[Driven, ScriptedSource]]:
    """The dashboard whose token has just expired."""
    async with scripted(make_page(make_runner("a")), door=door, size=(100, 30)) as (driven, source):
        source.pages[PageKey()] = REFUSED
        await driven.clock.advance(5)
        await driven.sees("Token has expired")
        yield driven, source


async def test_it_says_why_and_where_tokens_are_made_and_asks_nothing_meanwhile() -> None:
    async with asked(OneTokenDoor()) as (driven, source):
        await driven.sees("api.test: Token has expired", WHERE.split(":", maxsplit=1)[0], "~/.config/comfytui/token")
        source.forget()
        await driven.clock.advance(120)
        assert source.asked == []


async def test_a_right_token_goes_on_and_is_not_saved_unasked() -> None:
    door = OneTokenDoor()
    async with asked(door) as (driven, source):
        await driven.pilot.press(*"cfc_right")
        assert "cfc_right" not in driven.text
        source.pages[PageKey()] = make_page(make_runner("a", name="Back again"))
        await driven.pilot.press("enter")
        await driven.sees("Back again", "● live")
        assert (door.tried, door.saved) == (["cfc_right"], [])


async def test_it_is_saved_when_the_person_says_so() -> None:
    door = OneTokenDoor()
    async with asked(door) as (driven, source):
        await driven.pilot.press(*"cfc_right", "tab", "space", "shift+tab")
        source.pages[PageKey()] = make_page(make_runner("a"))
        await driven.pilot.press("enter")
        await driven.sees("● live")
        assert door.saved == ["cfc_right"]


async def test_a_wrong_token_is_refused_in_words_and_forgotten() -> None:
    door = OneTokenDoor()
    async with asked(door) as (driven, _):
        await driven.pilot.press(*"cfc_wrong", "enter")
        await driven.sees("The API does not take it: Invalid token")
        await driven.pilot.press("enter")
        assert door.tried == ["cfc_wrong"]
        assert "wrong" not in driven.text


async def test_the_demo_is_one_of_the_ways_in() -> None:
    door = OneTokenDoor()
    async with asked(door) as (driven, source):
        source.pages[PageKey()] = make_page(make_runner("a"))
        await driven.pilot.press("tab", "tab", "enter")
        await driven.sees("demo │ ● live")
        assert door.in_demo


async def test_going_back_keeps_what_is_known_and_says_what_is_missing() -> None:
    async with asked(OneTokenDoor()) as (driven, _):
        await driven.pilot.press("escape")
        await driven.sees("Runner a", "✖ no token that the API takes")
        await driven.pilot.press("r")
        await driven.sees("paste a token")


async def test_a_token_that_is_refused_again_is_asked_for_again() -> None:
    async with asked(OneTokenDoor()) as (driven, source):
        await driven.pilot.press(*"cfc_right")
        source.pages[PageKey()] = Unauthorized("GET", "/v1/runner", "Token was revoked", 401)
        await driven.pilot.press("enter")
        await driven.sees("Token was revoked")
        assert len(driven.app.screen_stack) == 2


async def test_a_comfyui_of_this_machine_is_offered_once_it_has_answered_and_nothing_typed_is_lost() -> None:
    door = OneTokenDoor()
    door.comfyui = "[::1]:8188"
    async with asked(door) as (driven, _):
        await driven.pilot.press(*"cfc_ri")
        assert "Watch the ComfyUI" not in driven.text
        door.found.set()
        await driven.sees("Watch the ComfyUI on [::1]:8188 instead")
        await driven.pilot.press(*"ght", "enter")
        await driven.until(lambda: bool(door.tried))
        assert (door.tried, door.in_comfyui) == (["cfc_right"], False)


async def test_the_comfyui_of_this_machine_is_one_of_the_ways_in() -> None:
    door = OneTokenDoor()
    door.comfyui = "127.0.0.1:8188"
    door.found.set()
    async with asked(door) as (driven, source):
        await driven.sees("Watch the ComfyUI on 127.0.0.1:8188 instead", "Watch the demo instead")
        source.pages[PageKey()] = make_page(make_runner("a"))
        await driven.pilot.press("tab", "tab", "enter")
        await driven.sees("127.0.0.1:8188 │ ● live")
        assert (door.in_comfyui, door.in_demo) == (True, False)


async def test_a_comfyui_that_is_started_only_now_is_offered_too() -> None:
    door = OneTokenDoor()
    door.found.set()
    async with asked(door) as (driven, _):
        await driven.pilot.pause()
        assert "ComfyUI" not in driven.text
        door.comfyui = "127.0.0.1:8188"
        await driven.clock.advance(3)
        await driven.sees("Watch the ComfyUI on 127.0.0.1:8188 instead")


async def test_without_a_comfyui_there_is_nothing_to_choose() -> None:
    door = OneTokenDoor()
    door.found.set()
    async with asked(door) as (driven, source):
        await driven.pilot.pause()
        assert "ComfyUI" not in driven.text
        source.pages[PageKey()] = make_page(make_runner("a"))
        await driven.pilot.press("tab", "tab", "enter")
        await driven.sees("demo │ ● live")
