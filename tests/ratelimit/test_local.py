from __future__ import annotations

import asyncio

from comfytui.ratelimit.local import WaitQueue
from comfytui.ratelimit.window import Grant
from tests.support.clock import settle


async def test_the_lowest_rank_stands_first_and_then_who_came_first() -> None:
    line = WaitQueue()
    served: list[str] = []

    async def stand(name: str, rank: int) -> None:
        with line.enter(rank) as place:
            await place.wait_turn()
            served.append(name)
            await settle(3)

    with line.enter(0) as place:
        await place.wait_turn()
        waiting = [asyncio.create_task(stand(name, int(name[0]))) for name in ("2a", "1a", "0a", "1b", "2b")]
        await settle()
        assert served == []
    await asyncio.gather(*waiting)
    assert served == ["0a", "1a", "1b", "2a", "2b"]


async def test_a_newcomer_may_stand_before_the_first() -> None:
    line = WaitQueue()
    with line.enter(1) as first:
        await first.wait_turn()
        with line.enter(0) as newcomer:
            await newcomer.wait_turn()
            turn = asyncio.create_task(first.wait_turn())
            await settle()
            assert not turn.done()
        await asyncio.wait_for(turn, 1)


async def test_waiters_behind_without_a_grant() -> None:
    line = WaitQueue()
    with line.enter(1) as first, line.enter(1) as second, line.enter(2) as third:
        assert first.waiting_behind == [second, third]
        second.grant = Grant(7, 0.0)
        assert first.waiting_behind == [third]
        assert third.waiting_behind == []


async def test_a_place_knows_whether_it_was_left() -> None:
    line = WaitQueue()
    with line.enter(1), line.enter(1) as second:
        assert not second.has_left
    assert second.has_left


async def test_queue_settles_once_no_request_joins() -> None:
    line = WaitQueue()
    joined: list[asyncio.Task[None]] = []

    async def join() -> None:
        with line.enter(1):
            await settle(30)

    async def bring() -> None:
        for _ in range(5):
            joined.append(asyncio.create_task(join()))
            await asyncio.sleep(0)

    with line.enter(0) as first:
        bringing = asyncio.create_task(bring())
        await line.settle()
        assert len(first.waiting_behind) == 5
        await asyncio.gather(bringing, *joined)


async def test_queue_counts_waiters_ahead() -> None:
    line = WaitQueue()
    with line.enter(1), line.enter(2), line.enter(1):
        assert [line.ahead_of(rank) for rank in range(3)] == [0, 2, 3]
    assert line.ahead_of(2) == 0
