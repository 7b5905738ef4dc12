from __future__ import annotations

import asyncio

from comfytui.api.line import Line
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


async def test_the_peers_of_a_place_stand_right_behind_it_with_nothing_yet() -> None:
    line = Line()
    with line.place(1) as first, line.place(1) as second, line.place(1) as third, line.place(2):
        assert first.peers == [second, third]
        third.granted = 7
        assert first.peers == [second]
        assert third.peers == []


async def test_it_tells_how_many_stand_before_a_newcomer() -> None:
    line = Line()
    with line.place(1), line.place(2), line.place(1):
        assert [line.before(rank) for rank in range(3)] == [0, 2, 3]
    assert line.before(2) == 0
