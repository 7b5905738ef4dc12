from __future__ import annotations

import asyncio

from comfytui.ratelimit.local import Line
from comfytui.ratelimit.window import Grant
from tests.support.clock import settle


async def test_the_lowest_rank_stands_first_and_then_who_came_first() -> None:
    line = Line()
    served: list[str] = []

    async def stand(name: str, rank: int) -> None:
        with line.place(rank) as place:
            await place.reached()
            served.append(name)
            await settle(3)

    with line.place(0) as place:
        await place.reached()
        waiting = [asyncio.create_task(stand(name, int(name[0]))) for name in ("2a", "1a", "0a", "1b", "2b")]
        await settle()
        assert served == []
    await asyncio.gather(*waiting)
    assert served == ["0a", "1a", "1b", "2a", "2b"]


async def test_a_newcomer_may_stand_before_the_first() -> None:
    line = Line()
    with line.place(1) as first:
        await first.reached()
        with line.place(0) as newcomer:
            await newcomer.reached()
            turn = asyncio.create_task(first.reached())
            await settle()
            assert not turn.done()
        await asyncio.wait_for(turn, 1)


async def test_those_behind_a_place_are_told_as_long_as_they_have_nothing() -> None:
    line = Line()
    with line.place(1) as first, line.place(1) as second, line.place(2) as third:
        assert first.behind == [second, third]
        second.granted = Grant(7, 0.0)
        assert first.behind == [third]
        assert third.behind == []


async def test_a_place_knows_whether_it_was_left() -> None:
    line = Line()
    with line.place(1), line.place(1) as second:
        assert not second.is_left
    assert second.is_left


async def test_the_line_has_grown_once_nobody_joins_any_more() -> None:
    line = Line()
    joined: list[asyncio.Task[None]] = []

    async def join() -> None:
        with line.place(1):
            await settle(30)

    async def bring() -> None:
        for _ in range(5):
            joined.append(asyncio.create_task(join()))
            await asyncio.sleep(0)

    with line.place(0) as first:
        bringing = asyncio.create_task(bring())
        await line.grown()
        assert len(first.behind) == 5
        await asyncio.gather(bringing, *joined)


async def test_it_tells_how_many_stand_before_a_newcomer() -> None:
    line = Line()
    with line.place(1), line.place(2), line.place(1):
        assert [line.before(rank) for rank in range(3)] == [0, 2, 3]
    assert line.before(2) == 0
