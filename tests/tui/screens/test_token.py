"""Asking for a token."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from comfytui.api.errors import UnauthorizedError
from comfytui.api.request_log import RequestLog
from comfytui.config.state import InMemoryStateStore
from comfytui.engine.engine import Engine
from comfytui.engine.protocol import PageKey, Viewport
from comfytui.engine.snapshot import Snapshot
from comfytui.ratelimit.local import LocalRateLimiter
from comfytui.tui.app import ComfyTUI
from comfytui.tui.screens.token import HELP_TEXT
from comfytui.tui.services import AppServices, FleetResources, OpenFleet
from tests.support.authenticator import OneTokenDoor
from tests.support.builders import make_page, make_runner
from tests.support.clock import FakeClock
from tests.support.pilot import Driven, drive, scripted
from tests.support.source import ScriptedSource

REFUSED = UnauthorizedError("GET", "/v1/runner", "Token has expired", 401)


@asynccontextmanager
async def asked(authenticator: OneTokenDoor) -> AsyncIterator[tuple[Driven, ScriptedSource]]:
    """The dashboard whose token has just expired."""
    async with scripted(make_page(make_runner("a")), authenticator=authenticator, size=(100, 30)) as (driven, source):
        source.pages[PageKey()] = REFUSED
        await driven.clock.advance(5)
        await driven.sees("Token has expired")
        yield driven, source


async def test_token_screen_explains_and_sends_nothing() -> None:
    async with asked(OneTokenDoor()) as (driven, source):
        await driven.sees(
            "api.test: Token has expired", HELP_TEXT.split(":", maxsplit=1)[0], "~/.config/comfytui/token"
        )
        source.forget()
        await driven.clock.advance(120)
        assert source.asked == []


async def test_a_right_token_goes_on_and_is_not_saved_unasked() -> None:
    authenticator = OneTokenDoor()
    async with asked(authenticator) as (driven, source):
        await driven.pilot.press(*"cfc_right")
        assert "cfc_right" not in driven.text
        source.pages[PageKey()] = make_page(make_runner("a", name="Back again"))
        await driven.pilot.press("enter")
        await driven.sees("Back again", "● live")
        assert (authenticator.tried, authenticator.saved) == (["cfc_right"], [])


async def test_token_is_saved_if_asked() -> None:
    authenticator = OneTokenDoor()
    async with asked(authenticator) as (driven, source):
        await driven.pilot.press(*"cfc_right", "tab", "space", "shift+tab")
        source.pages[PageKey()] = make_page(make_runner("a"))
        await driven.pilot.press("enter")
        await driven.sees("● live")
        assert authenticator.saved == ["cfc_right"]


async def test_a_wrong_token_is_refused_in_words_and_forgotten() -> None:
    authenticator = OneTokenDoor()
    async with asked(authenticator) as (driven, _):
        await driven.pilot.press(*"cfc_wrong", "enter")
        await driven.sees("The API does not take it: Invalid token")
        await driven.pilot.press("enter")
        assert authenticator.tried == ["cfc_wrong"]
        assert "wrong" not in driven.text


async def test_the_demo_is_one_of_the_ways_in() -> None:
    authenticator = OneTokenDoor()
    async with asked(authenticator) as (driven, source):
        source.pages[PageKey()] = make_page(make_runner("a"))
        await driven.pilot.press("tab", "tab", "enter")
        await driven.sees("demo │ ● live")
        assert authenticator.in_demo


async def test_going_back_keeps_what_is_known_and_says_what_is_missing() -> None:
    async with asked(OneTokenDoor()) as (driven, _):
        await driven.pilot.press("escape")
        await driven.sees("Runner a", "✖ token rejected")
        await driven.pilot.press("r")
        await driven.sees("paste a token")


async def test_a_token_that_is_refused_again_is_asked_for_again() -> None:
    async with asked(OneTokenDoor()) as (driven, source):
        await driven.pilot.press(*"cfc_right")
        source.pages[PageKey()] = UnauthorizedError("GET", "/v1/runner", "Token was revoked", 401)
        await driven.pilot.press("enter")
        await driven.sees("Token was revoked")
        assert len(driven.app.screen_stack) == 2


async def test_a_comfyui_of_this_machine_is_offered_once_it_has_answered_and_nothing_typed_is_lost() -> None:
    authenticator = OneTokenDoor()
    authenticator.comfyui = "[::1]:8188"
    async with asked(authenticator) as (driven, _):
        await driven.pilot.press(*"cfc_ri")
        assert "Watch the ComfyUI" not in driven.text
        authenticator.found.set()
        await driven.sees("Watch the ComfyUI on [::1]:8188 instead")
        await driven.pilot.press(*"ght", "enter")
        await driven.until(lambda: bool(authenticator.tried))
        assert (authenticator.tried, authenticator.in_comfyui) == (["cfc_right"], False)


async def test_the_comfyui_of_this_machine_is_one_of_the_ways_in() -> None:
    authenticator = OneTokenDoor()
    authenticator.comfyui = "127.0.0.1:8188"
    authenticator.found.set()
    async with asked(authenticator) as (driven, source):
        await driven.sees("Watch the ComfyUI on 127.0.0.1:8188 instead", "Watch the demo instead")
        source.pages[PageKey()] = make_page(make_runner("a"))
        await driven.pilot.press("tab", "tab", "enter")
        await driven.sees("127.0.0.1:8188 │ ● live")
        assert (authenticator.in_comfyui, authenticator.in_demo) == (True, False)


async def test_a_comfyui_that_is_started_only_now_is_offered_too() -> None:
    authenticator = OneTokenDoor()
    authenticator.found.set()
    async with asked(authenticator) as (driven, _):
        await driven.pilot.pause()
        assert "ComfyUI" not in driven.text
        authenticator.comfyui = "127.0.0.1:8188"
        await driven.clock.advance(3)
        await driven.sees("Watch the ComfyUI on 127.0.0.1:8188 instead")


async def test_without_a_comfyui_there_is_nothing_to_choose() -> None:
    authenticator = OneTokenDoor()
    authenticator.found.set()
    async with asked(authenticator) as (driven, source):
        await driven.pilot.pause()
        assert "ComfyUI" not in driven.text
        source.pages[PageKey()] = make_page(make_runner("a"))
        await driven.pilot.press("tab", "tab", "enter")
        await driven.sees("demo │ ● live")


@asynccontextmanager
async def renewing(
    renew: Callable[[ScriptedSource], bool],
) -> AsyncIterator[tuple[Driven, ScriptedSource, list[float]]]:
    """The dashboard of a source whose token expires; also the times when a newer one was looked for."""
    clock = FakeClock()
    rate_limiter, requests, looked = LocalRateLimiter(clock), RequestLog(clock), list[float]()
    source = ScriptedSource(clock, rate_limiter=rate_limiter)
    source.pages[PageKey()] = make_page(make_runner("a"))

    async def connect() -> ScriptedSource:
        return source

    async def look() -> bool:
        looked.append(clock.monotonic())
        return renew(source)

    def watch(viewport: Viewport) -> FleetResources:
        engine = Engine(connect, clock, viewport=viewport, interval=5.0, rate_limiter=rate_limiter)
        return FleetResources(engine, OneTokenDoor(), renew=look)

    first = Snapshot(viewport=Viewport(page=PageKey()))
    app = ComfyTUI(OpenFleet("host", "host", first, watch), clock, requests, AppServices(InMemoryStateStore()))
    async with drive(app, clock, (100, 30)) as driven:
        yield driven, source, looked


async def test_renewed_token_goes_on_and_closes_the_screen_by_itself() -> None:
    looks = 0

    def renew(source: ScriptedSource) -> bool:
        nonlocal looks
        looks += 1
        if looks == 2:
            source.pages[PageKey()] = make_page(make_runner("a", name="Back again"))
        return looks == 2

    async with renewing(renew) as (driven, source, looked):
        source.pages[PageKey()] = REFUSED
        await driven.clock.advance(5)
        await driven.sees("Token has expired")
        await driven.clock.advance(10)
        await driven.sees("Back again", "● live")
        assert "paste a token" not in driven.text
        assert len(looked) == 2


async def test_newer_token_is_looked_for_less_and_less_often() -> None:
    async with renewing(lambda _: False) as (driven, source, looked):
        source.pages[PageKey()] = REFUSED
        await driven.clock.advance(5)
        await driven.sees("Token has expired")
        await driven.press("escape")
        await driven.clock.advance(3600)
        apart = [later - earlier for earlier, later in itertools.pairwise(looked)]
        assert apart[:3] == [10.0, 20.0, 40.0]
        assert apart[-1] == 300.0
        assert len(looked) < 20
