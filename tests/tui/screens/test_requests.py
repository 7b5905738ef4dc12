"""The request log on screen."""

from __future__ import annotations

from tests.support.pilot import demo


async def test_it_lists_what_was_asked_newest_first_and_closes() -> None:
    async with demo() as driven:
        await driven.press("L")
        await driven.sees("Requests", "GET /v1/runner?page=1&per_page=25", "/history", "200")
        await driven.press("escape")
        await driven.sees("Production GPU Runner")


async def test_it_grows_while_it_is_open() -> None:
    async with demo() as driven:
        await driven.press("L")
        before = driven.text.count("GET /v1/runner?page=1")
        await driven.passes(5)
        await driven.until(lambda: driven.text.count("GET /v1/runner?page=1") > before)
