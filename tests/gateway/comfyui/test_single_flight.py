"""One question for all who ask meanwhile, whoever of them leaves."""

from __future__ import annotations

import asyncio

import pytest

from comfytui.gateway.comfyui.single_flight import SingleFlight, wait_at_most
from tests.support.clock import FakeClock, settle


class _Question:
    """Counts how often it was asked; answers when told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer = asyncio.Event()

    async def __call__(self) -> int:
        self.asked += 1
        await self.answer.wait()
        return self.asked


async def test_all_who_ask_meanwhile_share_one_answer() -> None:
    question = _Question()
    flight = SingleFlight(question)
    states = [flight.is_running]
    waiting = [asyncio.create_task(shielded(flight)) for _ in range(3)]
    await settle()
    states.append(flight.is_running)
    waiting.pop().cancel()
    question.answer.set()
    assert await asyncio.gather(*waiting) == [1, 1]
    assert [*states, flight.is_running] == [False, True, False]
    assert await flight.start_or_join() == 2


async def shielded(flight: SingleFlight[int]) -> int:
    return await asyncio.shield(flight.start_or_join())


async def test_waiting_for_it_to_land() -> None:
    question = _Question()
    flight = SingleFlight(question)
    await flight.wait_idle()
    flight.start_or_join()
    landed = asyncio.create_task(flight.wait_idle())
    await settle()
    assert not landed.done()
    question.answer.set()
    await landed
    assert question.asked == 1


async def test_closing_breaks_it_off() -> None:
    flight = SingleFlight(_Question())
    await flight.aclose()
    task = flight.start_or_join()
    await settle()
    await flight.aclose()
    assert task.cancelled()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_waiting_no_longer_than_is_bearable() -> None:
    question, clock = _Question(), FakeClock()
    flight = SingleFlight(question)
    waiting = [asyncio.create_task(wait_at_most(flight.start_or_join(), clock, seconds)) for seconds in (1, 2)]
    await clock.advance(1)
    assert [each.done() for each in waiting] == [True, False]
    question.answer.set()
    await asyncio.gather(*waiting)
    assert (question.asked, flight.is_running) == (1, False)
