from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from comfytui.engine.broadcast import Newest
from tests.support.clock import settle


async def collect(values: AsyncIterator[str]) -> list[str]:
    return [value async for value in values]


async def test_a_follower_gets_what_is_and_what_comes() -> None:
    newest = Newest("one")
    follower = asyncio.create_task(collect(newest.follow()))
    for value in ("two", "three"):
        await settle()
        newest.put(value)
    await settle()
    newest.end()
    assert await follower == ["one", "two", "three"]


async def test_what_was_put_while_a_follower_was_busy_is_skipped() -> None:
    newest = Newest("one")
    follower = newest.follow()
    assert await anext(follower) == "one"
    newest.put("two")
    newest.put("three")
    assert await anext(follower) == "three"


async def test_the_last_value_is_seen_before_the_end() -> None:
    newest = Newest("one")
    follower = newest.follow()
    await anext(follower)
    newest.put("two")
    newest.end()
    assert await anext(follower) == "two"
    with pytest.raises(StopAsyncIteration):
        await anext(follower)


async def test_whoever_follows_after_the_end_sees_the_last_value() -> None:
    newest = Newest("one")
    newest.end()
    assert [value async for value in newest.follow()] == ["one"]


async def test_one_follower_going_away_disturbs_no_other() -> None:
    newest = Newest("one")
    leaving = asyncio.create_task(collect(newest.follow()))
    staying = asyncio.create_task(collect(newest.follow()))
    await settle()
    leaving.cancel()
    await settle()
    newest.put("two")
    newest.end()
    assert await staying == ["one", "two"]
    assert leaving.cancelled()
