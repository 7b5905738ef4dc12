from __future__ import annotations

import asyncio

import pytest

from comfytui.api.allowance import LocalAllowance, Use
from comfytui.cli.diagnostics import Progress
from comfytui.cli.patience import CoolingDownError, Gate, within
from tests.support.clock import FakeClock


def gate_of(clock: FakeClock, *, share: int = 3, no_wait: bool = False) -> Gate:
    return Gate(lambda waiting: LocalAllowance(waiting, share), clock, Progress(clock), no_wait=no_wait)


async def spend(gate: Gate, count: int) -> None:
    async with within(60.0):
        for _ in range(count):
            await gate.take(Use.WISH)


async def test_it_passes_on_what_the_allowance_says(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    gate = gate_of(clock)
    await spend(gate, 3)
    assert gate.spending.count(clock.monotonic()) == 3
    assert gate.wait_for(Use.WISH) == pytest.approx(10.05)
    assert capsys.readouterr().err == ""


async def test_waiting_for_the_budget_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    gate = gate_of(clock, no_wait=True)
    task = asyncio.create_task(spend(gate, 4))
    await clock.advance(0.0)
    assert "waiting 11 s for the request budget" in capsys.readouterr().err
    await clock.advance(10.1)
    await task


async def test_who_has_no_deadline_is_not_told_of_the_budget(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    gate = gate_of(clock)
    await spend(gate, 3)
    task = asyncio.create_task(gate.take(Use.WISH))
    await clock.advance(10.1)
    await task
    assert capsys.readouterr().err == ""


async def test_a_cool_down_is_waited_for_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    gate = gate_of(clock)
    gate.cool_down(7.5)
    task = asyncio.create_task(gate.take(Use.WISH))
    await clock.advance(7.0)
    assert not task.done()
    assert capsys.readouterr().err == "comfytui: the API wants to be left alone for 8 s more\n"
    await clock.advance(0.5)
    await task


async def test_a_cool_down_is_not_waited_for() -> None:
    gate = gate_of(FakeClock(), no_wait=True)
    gate.cool_down(7.5)
    with pytest.raises(CoolingDownError, match="for 8 s more"):
        await gate.take(Use.WISH)


async def test_what_takes_too_long_is_given_up() -> None:
    with pytest.raises(TimeoutError):
        async with within(0.01):
            await asyncio.Future[None]()


async def test_what_the_allowance_makes_wait_does_not_count() -> None:
    clock, loop = FakeClock(), asyncio.get_running_loop()
    gate = gate_of(clock)
    gate.cool_down(5.0)
    deadlines: list[asyncio.Timeout] = []

    async def ask() -> None:
        async with within(60.0) as deadline:
            deadlines.append(deadline)
            await gate.take(Use.WISH)
            when = deadline.when()
            assert when is not None
            assert 59.0 < when - loop.time() <= 60.0

    task = asyncio.create_task(ask())
    await clock.advance(4.9)
    assert deadlines[0].when() is None
    await clock.advance(0.1)
    await task
