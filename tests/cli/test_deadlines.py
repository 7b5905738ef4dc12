from __future__ import annotations

import asyncio

import pytest

from comfytui.cli.deadlines import (
    CooldownError,
    InteractiveRateLimiter,
    extend_deadlines,
    pausable_timeout,
    progress_after,
)
from comfytui.cli.progress import Progress
from comfytui.ratelimit.local import LocalRateLimiter
from comfytui.ratelimit.window import Priority
from tests.support.clock import FakeClock


def gate_of(clock: FakeClock, *, share: int = 3, no_wait: bool = False) -> InteractiveRateLimiter:
    return InteractiveRateLimiter(
        lambda waiting: LocalRateLimiter(waiting, share), clock, Progress(clock), no_wait=no_wait
    )


async def spend(gate: InteractiveRateLimiter, count: int) -> None:
    async with pausable_timeout(60.0):
        for _ in range(count):
            await gate.acquire(Priority.USER)


async def test_interactive_limiter_delegates_usage(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    gate = gate_of(clock)
    await spend(gate, 3)
    assert gate.usage.in_window(clock.monotonic()) == 3
    assert gate.delay(Priority.USER) == pytest.approx(10.05)
    assert capsys.readouterr().err == ""


async def test_waiting_for_the_budget_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    gate = gate_of(clock, no_wait=True)
    task = asyncio.create_task(spend(gate, 4))
    await clock.advance(0.0)
    assert "waiting 11 s for the request budget" in capsys.readouterr().err
    await clock.advance(10.1)
    await task


async def test_request_without_deadline_shows_no_budget_wait(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    gate = gate_of(clock)
    await spend(gate, 3)
    task = asyncio.create_task(gate.acquire(Priority.USER))
    await clock.advance(10.1)
    await task
    assert capsys.readouterr().err == ""


async def test_a_cool_down_is_waited_for_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    gate = gate_of(clock)
    gate.block_for(7.5)
    task = asyncio.create_task(gate.acquire(Priority.USER))
    await clock.advance(7.0)
    assert not task.done()
    assert capsys.readouterr().err == "comfytui: rate limited: retry in 8 s\n"
    await clock.advance(0.5)
    await task


async def test_a_cool_down_is_not_waited_for() -> None:
    gate = gate_of(FakeClock(), no_wait=True)
    gate.block_for(7.5)
    with pytest.raises(CooldownError, match="retry in 8 s"):
        await gate.acquire(Priority.USER)


async def test_slow_block_times_out() -> None:
    with pytest.raises(TimeoutError):
        async with pausable_timeout(0.01):
            await asyncio.Future[None]()


async def test_rate_limit_wait_pauses_the_timeout() -> None:
    clock, loop = FakeClock(), asyncio.get_running_loop()
    gate = gate_of(clock)
    gate.block_for(5.0)
    deadlines: list[asyncio.Timeout] = []

    async def ask() -> None:
        async with pausable_timeout(60.0) as deadline:
            deadlines.append(deadline)
            await gate.acquire(Priority.USER)
            when = deadline.when()
            assert when is not None
            assert 59.0 < when - loop.time() <= 60.0

    task = asyncio.create_task(ask())
    await clock.advance(4.9)
    assert deadlines[0].when() is None
    await clock.advance(0.1)
    await task


async def test_no_deadline_comes_nearer_meanwhile_not_even_an_outer_one() -> None:
    clock = FakeClock()
    gate = gate_of(clock)
    gate.block_for(5.0)

    async def ask() -> None:
        async with pausable_timeout(60.0) as outer, pausable_timeout(30.0) as inner:
            deadlines.extend((outer, inner))
            await gate.acquire(Priority.USER)
            assert None not in (outer.when(), inner.when())

    deadlines: list[asyncio.Timeout] = []
    task = asyncio.create_task(ask())
    await clock.advance(4.9)
    assert [deadline.when() for deadline in deadlines] == [None, None]
    await clock.advance(0.1)
    await task


async def test_nested_timeouts_are_both_extended_by_a_response() -> None:
    loop = asyncio.get_running_loop()
    async with pausable_timeout(60.0) as outer, pausable_timeout(30.0) as inner:
        for deadline in (outer, inner):
            deadline.reschedule(loop.time() + 1.0)
        extend_deadlines()
        left = [when - loop.time() for when in (outer.when(), inner.when()) if when is not None]
    assert [round(each) for each in left] == [60, 30]
    async with pausable_timeout(60.0) as outer:
        with pytest.raises(TimeoutError):
            async with pausable_timeout(0.01):
                await asyncio.Future[None]()
        assert not outer.expired()


async def test_progress_after_a_second_excludes_limiter_waits(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = FakeClock()
    progress, gate = Progress(clock), gate_of(clock)
    gate.block_for(7.0)

    async def ask() -> None:
        async with pausable_timeout(60.0), progress_after(progress, clock, "waiting for an answer"):
            await gate.acquire(Priority.USER)
            await clock.sleep(1.5)

    task = asyncio.create_task(ask())
    await clock.advance(6.9)
    assert "for an answer" not in capsys.readouterr().err
    await clock.advance(1.2)
    assert capsys.readouterr().err == "comfytui: waiting for an answer\n"
    await clock.advance(0.4)
    await task


async def test_fast_work_shows_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    async with progress_after(Progress(clock), clock, "waiting for an answer"):
        await clock.advance(0.9)
    await clock.advance(9.0)
    assert capsys.readouterr().err == ""


async def test_permit_renewed_in_a_cool_down_costs_no_time(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    gate = gate_of(clock)
    async with pausable_timeout(0.1):
        permit = await gate.acquire(Priority.USER)
        gate.block_for(7.5)
        confirming = asyncio.create_task(permit.confirm())
        await asyncio.sleep(0.2)
        assert not confirming.done()
        await clock.advance(7.5)
        await confirming
        permit.mark_sent()
    assert gate.usage.in_window(clock.monotonic()) == 1
    assert "rate limited: retry in 8 s" in capsys.readouterr().err


async def test_permit_in_a_cool_down_is_refused_where_there_is_to_be_no_wait() -> None:
    gate = gate_of(FakeClock(), no_wait=True)
    permit = await gate.acquire(Priority.USER)
    gate.block_for(7.5)
    with pytest.raises(CooldownError, match="retry in 8 s"):
        await permit.confirm()
