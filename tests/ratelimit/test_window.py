from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfytui.ratelimit.local import LocalRateLimiter
from comfytui.ratelimit.window import COOLDOWN_S, MAX_COOLDOWN_S, WINDOW_S, Priority, SentRequest, Usage, available_at
from tests.support.clock import FakeClock, settle

USES = st.sampled_from(Priority)
PAUSES = st.sampled_from([0.0, 0.0, 0.1, 0.49, 2.5, 5.0, 9.99, WINDOW_S, 10.05, 30.0]) | st.floats(0, 12)


def most_in_a_window(sent: Sequence[float]) -> int:
    """The most sends within any WINDOW, both of its ends included: stricter than any server counts."""
    return max((sum(0 <= at - first <= WINDOW_S for at in sent) for first in sent), default=0)


class Customers:
    """Tasks that take from an allowance; `served` tells who was let through, and when, in order."""

    def __init__(self, rate_limiter: LocalRateLimiter, clock: FakeClock) -> None:
        self.served: list[tuple[str, float]] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._rate_limiter = rate_limiter
        self._clock = clock

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.served]

    async def come(self, name: str, priority: Priority) -> asyncio.Task[None]:
        async def take() -> None:
            await self._rate_limiter.acquire(priority)
            self.served.append((name, self._clock.monotonic()))

        self.tasks.append(asyncio.create_task(take()))
        await settle()
        return self.tasks[-1]

    async def leave(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@asynccontextmanager
async def market(rate_limiter: LocalRateLimiter, clock: FakeClock) -> AsyncIterator[Customers]:
    customers = Customers(rate_limiter, clock)
    try:
        yield customers
    finally:
        await customers.leave()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def spend(rate_limiter: LocalRateLimiter, count: int, priority: Priority = Priority.USER) -> None:
    for _ in range(count):
        await rate_limiter.acquire(priority)


class TestWindow:
    @settings(deadline=None)
    @given(st.lists(st.tuples(USES, PAUSES), max_size=60), st.integers(1, 8), st.booleans())
    async def test_no_window_ever_holds_more_than_the_share(
        self, comings: list[tuple[Priority, float]], share: int, patient: bool
    ) -> None:
        clock = FakeClock()
        async with market(LocalRateLimiter(clock, share), clock) as customers:
            for number, (priority, pause) in enumerate(comings):
                task = await customers.come(str(number), priority)
                await clock.advance(pause)
                if not patient:
                    task.cancel()
            await clock.advance(len(comings) * 1.1 * WINDOW_S)
            assert most_in_a_window([at for _, at in customers.served]) <= share
            assert len(customers.served) == len(comings) or not patient

    async def test_the_share_goes_at_once_and_the_next_once_the_first_is_older_than_the_window(
        self, clock: FakeClock
    ) -> None:
        rate_limiter = LocalRateLimiter(clock, 20)
        await spend(rate_limiter, 20)
        async with market(rate_limiter, clock) as customers:
            await customers.come("late", Priority.USER)
            await clock.advance(WINDOW_S)
            assert customers.names == []
            await clock.advance(0.05)
            assert customers.names == ["late"]

    async def test_waiting_is_foretold(self, clock: FakeClock) -> None:
        rate_limiter = LocalRateLimiter(clock, 4)
        assert rate_limiter.delay(Priority.USER) == 0.0
        await spend(rate_limiter, 3)
        await clock.advance(4)
        assert rate_limiter.delay(Priority.USER) == 0.0
        assert rate_limiter.delay(Priority.POLL) == pytest.approx(6.05)
        await spend(rate_limiter, 1)
        assert rate_limiter.delay(Priority.USER) == pytest.approx(6.05)

    async def test_waiting_is_foretold_behind_those_who_wait(self, clock: FakeClock) -> None:
        rate_limiter = LocalRateLimiter(clock, 2)
        await spend(rate_limiter, 1)
        await clock.advance(1)
        await spend(rate_limiter, 1)
        assert rate_limiter.delay(Priority.USER) == pytest.approx(9.05)
        async with market(rate_limiter, clock) as customers:
            await customers.come("first", Priority.USER)
            assert rate_limiter.delay(Priority.USER) == pytest.approx(10.05)


class TestUses:
    @pytest.mark.parametrize(
        ("priority", "count"), [(Priority.USER, 20), (Priority.POLL, 18), (Priority.BACKGROUND, 10)]
    )
    async def test_priority_limits_its_share_alone(self, clock: FakeClock, priority: Priority, count: int) -> None:
        rate_limiter = LocalRateLimiter(clock, 20)
        await spend(rate_limiter, count, priority)
        assert rate_limiter.delay(priority) > 0
        assert rate_limiter.delay(Priority.USER) == (rate_limiter.delay(priority) if priority is Priority.USER else 0.0)

    async def test_the_rotation_leaves_to_wishes_what_polls_leave(self, clock: FakeClock) -> None:
        rate_limiter = LocalRateLimiter(clock, 20)
        await spend(rate_limiter, 17, Priority.POLL)
        assert rate_limiter.delay(Priority.BACKGROUND) == 0.0
        await spend(rate_limiter, 1, Priority.BACKGROUND)
        assert rate_limiter.delay(Priority.BACKGROUND) > 0

    async def test_a_small_share_still_serves_every_use(self, clock: FakeClock) -> None:
        rate_limiter = LocalRateLimiter(clock, 1)
        async with market(rate_limiter, clock) as customers:
            for priority in reversed(Priority):
                await customers.come(priority, priority)
            await clock.advance(3 * WINDOW_S)
            assert sorted(customers.names) == sorted(Priority)

    async def test_the_more_urgent_goes_first_and_then_who_came_first(self, clock: FakeClock) -> None:
        rate_limiter = LocalRateLimiter(clock, 4)
        await spend(rate_limiter, 4)
        async with market(rate_limiter, clock) as customers:
            for name, priority in [
                ("r", Priority.BACKGROUND),
                ("p", Priority.POLL),
                ("w1", Priority.USER),
                ("w2", Priority.USER),
            ]:
                await customers.come(name, priority)
            await clock.advance(5 * WINDOW_S)
            assert customers.names == ["w1", "w2", "p", "r"]

    async def test_a_wish_passes_a_poll_that_waits(self, clock: FakeClock) -> None:
        rate_limiter = LocalRateLimiter(clock, 4)
        await spend(rate_limiter, 2, Priority.POLL)
        async with market(rate_limiter, clock) as customers:
            await customers.come("poll", Priority.POLL)
            await clock.advance(1)
            await customers.come("wish", Priority.USER)
            assert customers.names == ["wish"]


class TestCancelling:
    async def test_cancelled_request_takes_no_slot(self, clock: FakeClock) -> None:
        rate_limiter = LocalRateLimiter(clock, 2)
        await spend(rate_limiter, 2)
        async with market(rate_limiter, clock) as customers:
            first = await customers.come("first", Priority.USER)
            await customers.come("second", Priority.USER)
            await customers.come("third", Priority.USER)
            first.cancel()
            await clock.advance(10.05)
            assert customers.names == ["second", "third"]

    async def test_request_cancelled_midway_delays_no_other(self, clock: FakeClock) -> None:
        rate_limiter = LocalRateLimiter(clock, 2)
        await spend(rate_limiter, 2)
        async with market(rate_limiter, clock) as customers:
            await customers.come("first", Priority.USER)
            (await customers.come("second", Priority.USER)).cancel()
            await customers.come("third", Priority.USER)
            await clock.advance(10.05)
            assert customers.names == ["first", "third"]
            assert rate_limiter.usage.in_window(clock.monotonic()) == 2

    async def test_request_cancelled_at_its_turn_delays_no_other(self, clock: FakeClock) -> None:
        rate_limiter = LocalRateLimiter(clock, 1)
        await spend(rate_limiter, 1)
        async with market(rate_limiter, clock) as customers:
            first = await customers.come("first", Priority.USER)
            second = await customers.come("second", Priority.USER)
            await customers.come("third", Priority.USER)
            first.cancel()
            second.cancel()
            await clock.advance(10.05)
            assert customers.names == ["third"]


class TestCoolingDown:
    async def test_nothing_is_sent_until_it_is_over(self, clock: FakeClock) -> None:
        rate_limiter = LocalRateLimiter(clock)
        rate_limiter.block_for(COOLDOWN_S)
        assert [rate_limiter.delay(priority) for priority in Priority] == [COOLDOWN_S] * 3
        async with market(rate_limiter, clock) as customers:
            await customers.come("wish", Priority.USER)
            await clock.advance(COOLDOWN_S - 0.01)
            assert customers.names == []
            await clock.advance(0.01)
            assert customers.names == ["wish"]

    async def test_cooldown_delays_waiters(self, clock: FakeClock) -> None:
        rate_limiter = LocalRateLimiter(clock, 1)
        await spend(rate_limiter, 1)
        start = clock.monotonic()
        async with market(rate_limiter, clock) as customers:
            await customers.come("wish", Priority.USER)
            await clock.advance(5)
            rate_limiter.block_for(30)
            await clock.advance(60)
            assert customers.served == [("wish", start + 35)]

    @pytest.mark.parametrize(
        ("asked", "seconds"),
        [
            ([10, 30], 30),
            ([30, 10], 30),
            ([1e9], MAX_COOLDOWN_S),
            ([math.inf], MAX_COOLDOWN_S),
            ([-5], 0.0),
            ([10, -5], 10),
        ],
    )
    def test_the_longer_one_wins_within_reason(self, clock: FakeClock, asked: list[float], seconds: float) -> None:
        rate_limiter = LocalRateLimiter(clock)
        for each in asked:
            rate_limiter.block_for(each)
        now = clock.monotonic()
        assert rate_limiter.usage.cooldown_left(now) == seconds
        assert (rate_limiter.usage.blocked_until is None) == (seconds == 0.0)


class TestSpending:
    async def test_usage_tells_the_last_minute(self, clock: FakeClock) -> None:
        rate_limiter = LocalRateLimiter(clock, 20)
        await spend(rate_limiter, 3)
        first = clock.monotonic()
        await clock.advance(30)
        await spend(rate_limiter, 1)
        assert rate_limiter.usage == Usage((first, first, first, first + 30), None, 20)
        await clock.advance(30.1)
        assert rate_limiter.usage == Usage((first + 30,), None, 20)

    def test_a_send_counts_for_a_whole_window(self) -> None:
        usage = Usage((100.0, 105.0, 105.0))
        assert [usage.in_window(now) for now in (105.0, 110.0, 110.1, 115.0, 115.1)] == [3, 3, 2, 2, 0]

    @pytest.mark.parametrize(
        ("sent", "peak"),
        [
            ((), 0),
            ((1.0,), 5),
            (tuple(float(at) for at in range(5)), 5),
            (tuple(float(at) for at in range(6)), 10),
            ((0.0, 1.0, 2.0, 3.0, 10.0, 11.0), 5),
            ((0.0,) * 6 + (50.0,), 10),
        ],
    )
    def test_the_peak_is_that_of_the_worst_window_in_steps_of_five(self, sent: tuple[float, ...], peak: int) -> None:
        assert Usage(sent).peak_per_window(60.0) == peak

    def test_the_peak_forgets_after_a_minute(self) -> None:
        usage = Usage((0.0,) * 6 + (50.0,))
        assert usage.peak_per_window(60.1) == 5

    def test_cooling_counts_down_to_nothing(self) -> None:
        assert [Usage(blocked_until=20.0).cooldown_left(now) for now in (12.5, 20.0, 21.0)] == [7.5, 0.0, 0.0]
        assert Usage().cooldown_left(1.0) == 0.0


class TestReadyAt:
    def test_other_processes_count_for_the_share_and_not_for_the_part(self) -> None:
        others = [SentRequest(float(at), Priority.POLL, own=False) for at in range(8)]
        assert available_at(Priority.USER, others, limit=9, quota=4) == -math.inf
        assert available_at(Priority.USER, others, limit=8, quota=4) == pytest.approx(10.05)
        mine = [*others[:4], *(SentRequest(float(at), Priority.POLL) for at in range(4, 8))]
        assert available_at(Priority.USER, mine, limit=20, quota=4) == pytest.approx(14.05)

    def test_a_part_leaves_room_for_wishes_too(self) -> None:
        mine = [SentRequest(float(at), Priority.POLL) for at in range(2)]
        assert available_at(Priority.USER, mine, limit=20, quota=4) == -math.inf
        assert available_at(Priority.POLL, mine, limit=20, quota=4) == pytest.approx(10.05)

    def test_the_rotations_of_all_together_have_half(self) -> None:
        sends = [SentRequest(float(at), Priority.BACKGROUND, own=at % 2 == 0) for at in range(10)]
        assert available_at(Priority.BACKGROUND, sends, limit=20, quota=20) == pytest.approx(10.05)
        assert available_at(Priority.POLL, sends, limit=20, quota=20) == -math.inf
