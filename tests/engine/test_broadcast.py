from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from comfytui.engine.broadcast import LatestValue
from tests.support.clock import settle


async def collect(values: AsyncIterator[str]) -> list[str]:
    return [value async for value in values]


async def test_a_follower_gets_what_is_and_what_comes() -> None:
    newest = LatestValue("one")
    follower = asyncio.create_task(collect(newest.subscribe()))
    for value in ("two", "three"):
        await settle()
        newest.set(value)
    await settle()
    newest.close()
    assert await follower == ["one", "two", "three"]


async def test_busy_subscriber_skips_to_the_latest_value() -> None:
    newest = LatestValue("one")
    follower = newest.subscribe()
    assert await anext(follower) == "one"
    newest.set("two")
    newest.set("three")
    assert await anext(follower) == "three"


async def test_the_last_value_is_seen_before_the_end() -> None:
    newest = LatestValue("one")
    follower = newest.subscribe()
    await anext(follower)
    newest.set("two")
    newest.close()
    assert await anext(follower) == "two"
    with pytest.raises(StopAsyncIteration):
        await anext(follower)


async def test_late_subscriber_sees_the_last_value() -> None:
    newest = LatestValue("one")
    newest.close()
    assert [value async for value in newest.subscribe()] == ["one"]


async def test_leaving_subscriber_does_not_affect_others() -> None:
    newest = LatestValue("one")
    leaving = asyncio.create_task(collect(newest.subscribe()))
    staying = asyncio.create_task(collect(newest.subscribe()))
    await settle()
    leaving.cancel()
    await settle()
    newest.set("two")
    newest.close()
    assert await staying == ["one", "two"]
    assert leaving.cancelled()
