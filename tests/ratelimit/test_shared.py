from __future__ import annotations

import asyncio
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import pytest

from comfytui.api.request_log import LogNote, RequestLog
from comfytui.clock import Clock, SystemClock
from comfytui.ratelimit.shared import SharedRateLimiter
from comfytui.ratelimit.store import AcquireResult, RateLimitStore, RequestedSlot, SlotChange, StoreUnavailable
from comfytui.ratelimit.window import API_LIMIT, COOLDOWN_S, SOLO_LIMIT, Permit, Priority
from tests.ratelimit.test_store import in_the_middle
from tests.support.clock import FakeClock, settle

API = "https://api.example.com"
SHORT = 1.0

SPEND = """
import asyncio, sys, time
from pathlib import Path
from comfytui.ratelimit.window import Priority
from comfytui.api.request_log import RequestLog
from comfytui.ratelimit.shared import SharedRateLimiter
from comfytui.clock import SystemClock

async def main(path, window, seconds):
    clock = SystemClock()
    log = RequestLog(clock)
    allowance = SharedRateLimiter(clock, [Path(path)], "https://api.example.com", note=log.note, window=float(window))
    end = clock.monotonic() + float(seconds)
    while clock.monotonic() < end:
        await allowance.acquire(Priority.POLL)
        print(clock.monotonic(), flush=True)
    for note in log.entries:
        print(note, file=sys.stderr)

asyncio.run(main(*sys.argv[1:]))
"""


def most_in_a_window(sent: Sequence[float], window: float) -> int:
    return max(sum(0 <= at - first <= window for at in sent) for first in sent)


@contextmanager
def spenders(path: Path, count: int, seconds: float) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that send as fast as they may, for so long, and print when."""
    command = [sys.executable, "-c", SPEND, str(path), str(SHORT), str(seconds)]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(count)
    ]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


def times_of(process: subprocess.Popen[str]) -> list[float]:
    out, err = process.communicate(timeout=30)
    assert err == ""
    return [float(line) for line in out.split()]


@pytest.fixture(autouse=True)
def certain(monkeypatch: pytest.MonkeyPatch) -> None:
    """No doubt about a file that was only made: most tests begin with one."""
    monkeypatch.setattr("comfytui.ratelimit.store._NEW_FILE_DOUBT_S", 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "allowance.sqlite"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def log(clock: FakeClock) -> RequestLog:
    return RequestLog(clock)


@asynccontextmanager
async def shared(
    clock: Clock, path: Path, log: RequestLog, count: int = 1, window: float = 10.0
) -> AsyncIterator[list[SharedRateLimiter]]:
    rate_limiters = [SharedRateLimiter(clock, [path], API, note=log.note, window=window) for _ in range(count)]
    try:
        yield rate_limiters
    finally:
        for rate_limiter in rate_limiters:
            rate_limiter.close()


async def spend(rate_limiter: SharedRateLimiter, count: int, priority: Priority = Priority.USER) -> None:
    for _ in range(count):
        await rate_limiter.acquire(priority)


def notes(log: RequestLog) -> list[str]:
    return [entry.text for entry in log.entries if isinstance(entry, LogNote)]


def block(path: Path) -> None:
    """Leave no way to the file."""
    if path.parent.exists():
        shutil.rmtree(path.parent)
    path.parent.write_text("no directory")


def unblock(path: Path) -> None:
    path.parent.unlink()


def sends_in(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        (count,) = database.execute("SELECT count(*) FROM sends").fetchone()
        return int(count)


class TestTogether:
    async def test_no_window_holds_more_than_the_share(self, path: Path, log: RequestLog) -> None:
        clock, sent = SystemClock(), list[float]()

        async def customer(rate_limiter: SharedRateLimiter, priority: Priority) -> None:
            for _ in range(15):
                await rate_limiter.acquire(priority)
                sent.append(clock.monotonic())

        async with shared(clock, path, log, 3, SHORT) as rate_limiters:
            await asyncio.gather(
                *(customer(each, priority) for each, priority in zip(rate_limiters, Priority, strict=True))
            )
        assert len(sent) == 45
        assert most_in_a_window(sent, SHORT) <= 20
        assert notes(log) == []

    async def test_usage_includes_all_processes(self, clock: FakeClock, path: Path, log: RequestLog) -> None:
        async with shared(clock, path, log, 2) as (first, second):
            await spend(first, 3)
            await spend(second, 2, Priority.POLL)
            now = clock.monotonic()
            assert (first.usage.in_window(now), second.usage.in_window(now)) == (3, 5)
            assert (second.usage.limit, second.usage.blocked_until) == (20, None)
            await spend(first, 1)
            assert first.usage.in_window(now) == 6

    async def test_waiting_is_foretold(self, clock: FakeClock, path: Path, log: RequestLog) -> None:
        async with shared(clock, path, log, 2) as (first, second):
            assert [first.delay(priority) for priority in Priority] == [0.0] * 3
            await spend(first, 17)
            await spend(second, 1)
            assert [second.delay(priority) for priority in Priority] == [0.0, pytest.approx(10.3), pytest.approx(10.3)]

    async def test_a_wish_passes_a_poll_that_waits(self, path: Path, log: RequestLog) -> None:
        async with shared(SystemClock(), path, log, window=60.0) as (rate_limiter,):
            await spend(rate_limiter, 18, Priority.POLL)
            poll = asyncio.create_task(rate_limiter.acquire(Priority.POLL))
            await settle()
            await asyncio.wait_for(rate_limiter.acquire(Priority.USER), 5)
            assert not poll.done()
            poll.cancel()

    async def test_a_cool_down_holds_for_all(self, path: Path, log: RequestLog) -> None:
        clock = SystemClock()
        async with shared(clock, path, log, 2, SHORT) as (first, second):
            start = clock.monotonic()
            first.block_for(0.4)
            assert 0.3 < first.delay(Priority.USER) <= 0.4
            first.close()
            await second.acquire(Priority.USER)
            assert clock.monotonic() - start >= 0.4

    async def test_delay_tells_the_rest_of_a_cooldown(self, clock: FakeClock, path: Path, log: RequestLog) -> None:
        async with shared(clock, path, log) as (rate_limiter,):
            rate_limiter.block_for(30)
            rate_limiter.block_for(COOLDOWN_S)
            assert rate_limiter.usage.cooldown_left(clock.monotonic()) == 30
            rate_limiter.block_for(1e9)
            assert rate_limiter.usage.cooldown_left(clock.monotonic()) == 120
            await clock.advance(120)
            assert rate_limiter.usage.blocked_until is None


class TestCancelling:
    async def test_cancelled_waiter_delays_no_other(self, path: Path, log: RequestLog) -> None:
        async with shared(SystemClock(), path, log, window=SHORT) as (rate_limiter,):
            await spend(rate_limiter, 20)
            first = asyncio.create_task(rate_limiter.acquire(Priority.USER))
            second = asyncio.create_task(rate_limiter.acquire(Priority.USER))
            await asyncio.sleep(0.05)
            first.cancel()
            await asyncio.wait_for(second, 5)

    async def test_grant_of_a_cancelled_waiter_is_released(self, path: Path, log: RequestLog) -> None:
        async with shared(SystemClock(), path, log) as (rate_limiter,):
            await spend(rate_limiter, 1)
            with closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                leaver = asyncio.create_task(rate_limiter.acquire(Priority.USER))
                await asyncio.sleep(0.05)
                leaver.cancel()
                await asyncio.gather(leaver, return_exceptions=True)
                other.execute("COMMIT")
            await spend(rate_limiter, 1)
        assert leaver.cancelled()
        assert sends_in(path) == 2

    async def test_grants_are_acquired_for_waiters_behind(self, path: Path, log: RequestLog) -> None:
        async with shared(SystemClock(), path, log) as (rate_limiter,):
            priorities = [Priority.BACKGROUND, Priority.POLL, Priority.BACKGROUND, Priority.POLL, Priority.USER]
            takers = [asyncio.create_task(rate_limiter.acquire(priority)) for priority in priorities]
            await takers[-1]
            # The first asked for all others: nobody is asked any more.
            await settle()
            assert all(taker.done() for taker in takers)
            kinds = sorted(send.priority for send in rate_limiter._standing.sends)
        assert sends_in(path) == 5
        assert kinds == sorted(priorities)

    @pytest.mark.parametrize(
        ("first", "claims"),
        [
            (Priority.POLL, [(Priority.POLL, Priority.BACKGROUND)]),
            (Priority.USER, [(Priority.USER,), (Priority.BACKGROUND,)]),
        ],
        ids=["a poll", "a wish"],
    )
    async def test_all_but_a_wish_wait_for_what_comes_with_them(
        self,
        path: Path,
        log: RequestLog,
        monkeypatch: pytest.MonkeyPatch,
        first: Priority,
        claims: list[tuple[Priority, ...]],
    ) -> None:
        claimed: list[tuple[Priority, ...]] = []
        claim = RateLimitStore.acquire

        def note(
            ledger: RateLimitStore, wanted: Sequence[RequestedSlot], changes: Sequence[SlotChange], until: float
        ) -> AcquireResult | StoreUnavailable:
            claimed.append(tuple(each.priority for each in wanted))
            return claim(ledger, wanted, changes, until)

        monkeypatch.setattr(RateLimitStore, "acquire", note)
        async with shared(SystemClock(), path, log) as (rate_limiter,):
            asked = asyncio.create_task(rate_limiter.acquire(first))
            await asyncio.sleep(0)
            await asyncio.gather(asked, asyncio.create_task(rate_limiter.acquire(Priority.BACKGROUND)))
        assert claimed == claims

    @pytest.mark.parametrize("steps", range(0, 40, 4))
    async def test_cancelled_waiter_costs_no_grant(self, path: Path, log: RequestLog, steps: int) -> None:
        async with shared(SystemClock(), path, log) as (rate_limiter,):
            await spend(rate_limiter, 1)
            takers = [asyncio.create_task(rate_limiter.acquire(Priority.POLL)) for _ in range(12)]
            await takers[0]
            await settle(steps)
            for leaver in takers[2::3]:
                leaver.cancel()
            await asyncio.gather(*takers, return_exceptions=True)
        assert sends_in(path) == 1 + sum(not taker.cancelled() for taker in takers)


class TestAlone:
    async def test_unusable_file_lets_little_be_spent_and_is_said_once(
        self, clock: FakeClock, path: Path, log: RequestLog
    ) -> None:
        block(path)
        async with shared(clock, path, log) as (rate_limiter,):
            await spend(rate_limiter, SOLO_LIMIT)
            assert rate_limiter.delay(Priority.USER) == pytest.approx(10.05)
            assert rate_limiter.usage.limit == SOLO_LIMIT
            assert rate_limiter.usage.in_window(clock.monotonic()) == SOLO_LIMIT
            await clock.advance(10.1)
            await spend(rate_limiter, SOLO_LIMIT)
        (note,) = notes(log)
        assert note == (
            f"the request budget cannot be shared with other terminals by way of {path}: "
            "it is no directory of this user alone; this one spends at most 6 of 40 requests in 10 s by itself"
        )

    def test_six_alone_stay_below_the_limit(self) -> None:
        assert 6 * SOLO_LIMIT < API_LIMIT

    async def test_known_sends_count_on_its_own(self, clock: FakeClock, path: Path, log: RequestLog) -> None:
        async with shared(clock, path, log, 2) as (rate_limiter, other):
            await spend(other, 15)
            await spend(rate_limiter, 4)
            block(path)
            await spend(rate_limiter, 1)
            # Twenty are known of, five of them this one's.
            assert rate_limiter.delay(Priority.USER) == pytest.approx(10.3)
            assert rate_limiter.usage.in_window(clock.monotonic()) == 5

    async def test_unusable_file_is_tried_again_and_the_others_hear_what_was_sent(
        self, clock: FakeClock, path: Path, log: RequestLog
    ) -> None:
        block(path)
        async with shared(clock, path, log, 2) as (rate_limiter, other):
            await spend(rate_limiter, 3)
            unblock(path)
            await clock.advance(9.9)
            await spend(rate_limiter, 2)
            assert not await asyncio.to_thread(path.exists)
            await clock.advance(0.2)
            while "again" not in notes(log)[-1]:
                await clock.advance(10)
                await spend(rate_limiter, 1)
                await asyncio.sleep(0.01)
            assert rate_limiter.usage.limit == 20
            sent = rate_limiter.usage.in_window(clock.monotonic())
            await spend(other, 1)
            assert other.usage.in_window(clock.monotonic()) == sent + 1
        assert notes(log)[1:] == ["the request budget is shared with other terminals again"]

    async def test_cool_down_while_alone_is_told_to_the_others_later(
        self, clock: FakeClock, path: Path, log: RequestLog
    ) -> None:
        block(path)
        async with shared(clock, path, log, 2) as (rate_limiter, other):
            await spend(rate_limiter, 1)
            unblock(path)
            rate_limiter.block_for(100)
            assert rate_limiter.delay(Priority.USER) == 100
            asking = asyncio.create_task(rate_limiter.acquire(Priority.USER))
            while "again" not in notes(log)[-1]:
                await clock.advance(1)
                await asyncio.sleep(0.01)
            await asyncio.wait_for(until_cooling(other, clock), 5)
            asking.cancel()
            assert 0 < other.usage.cooldown_left(clock.monotonic()) <= 90

    async def test_locked_file_blocks_nothing_and_is_replaced(self, path: Path, log: RequestLog) -> None:
        async with shared(SystemClock(), path, log) as (rate_limiter,):
            await spend(rate_limiter, 1)
            with in_the_middle(path) as process:
                process.send_signal(signal.SIGSTOP)
                turns = await turns_until(rate_limiter.acquire(Priority.USER))
                assert turns > 10
                assert await turns_until(rate_limiter.acquire(Priority.USER)) <= turns
                process.kill()
            assert rate_limiter.usage.limit == 20
        assert notes(log) == []

    async def test_disk_that_hangs_is_not_waited_for(
        self, path: Path, log: RequestLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("comfytui.ratelimit.shared._STORE_TIMEOUT_S", 0.1)
        over = threading.Event()
        async with shared(SystemClock(), path, log) as (rate_limiter,):
            rate_limiter._worker.submit(lambda: over.wait(20))
            await asyncio.wait_for(spend(rate_limiter, SOLO_LIMIT), 5)
            assert rate_limiter.usage.in_window(SystemClock().monotonic()) == SOLO_LIMIT
            over.set()
        assert "it does not answer" in notes(log)[0]
        assert len(notes(log)) == 1


class TestPermits:
    async def test_permit_used_at_once_is_one_transaction(
        self, clock: FakeClock, path: Path, log: RequestLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        claims: list[int] = []
        claim = RateLimitStore.acquire

        def note(
            ledger: RateLimitStore, wanted: Sequence[RequestedSlot], changes: Sequence[SlotChange], until: float
        ) -> AcquireResult | StoreUnavailable:
            claims.append(len(wanted))
            return claim(ledger, wanted, changes, until)

        monkeypatch.setattr(RateLimitStore, "acquire", note)
        async with shared(clock, path, log) as (rate_limiter,):
            takers = [asyncio.create_task(rate_limiter.acquire(Priority.POLL)) for _ in range(9)]
            for permit in await asyncio.gather(*takers):
                await permit.confirm()
                permit.mark_sent()
        assert claims == [9]

    async def test_permit_sent_late_counts_from_then(self, clock: FakeClock, path: Path, log: RequestLog) -> None:
        async with shared(clock, path, log, 2) as (rate_limiter, other):
            permits = [await rate_limiter.acquire(Priority.USER) for _ in range(20)]
            await clock.advance(0.2)
            for permit in permits:
                await permit.confirm()
            await clock.advance(3)
            for permit in permits:
                permit.mark_sent()
            assert rate_limiter.delay(Priority.USER) == pytest.approx(10.05)
            await settled(rate_limiter)
            waiting = asyncio.create_task(other.acquire(Priority.USER))
            await asyncio.wait([waiting], timeout=0.3)
            assert other.delay(Priority.USER) == pytest.approx(10.3)
            waiting.cancel()

    async def test_permit_that_aged_is_asked_for_anew(self, clock: FakeClock, path: Path, log: RequestLog) -> None:
        async with shared(clock, path, log) as (rate_limiter,):
            permit = await rate_limiter.acquire(Priority.USER)
            await spend(rate_limiter, 19)
            await clock.advance(5)
            await permit.confirm()
            assert rate_limiter.usage.in_window(clock.monotonic()) == 20
            await clock.advance(5.1)
            assert rate_limiter.usage.in_window(clock.monotonic()) == 1

    async def test_permit_that_aged_goes_before_those_who_wait(
        self, clock: FakeClock, path: Path, log: RequestLog
    ) -> None:
        async with shared(clock, path, log) as (rate_limiter,):
            permits = [await rate_limiter.acquire(Priority.POLL) for _ in range(18)]
            waiting = [
                asyncio.create_task(rate_limiter.acquire(priority))
                for priority in (*[Priority.POLL] * 10, *[Priority.BACKGROUND] * 10)
            ]
            await asyncio.sleep(0.05)
            await clock.advance(1.5)
            await asyncio.wait_for(asyncio.gather(*(permit.confirm() for permit in permits)), 5)
            assert not any(each.done() for each in waiting)
            for each in waiting:
                each.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def test_permit_older_than_the_window_waits_for_room(
        self, clock: FakeClock, path: Path, log: RequestLog
    ) -> None:
        async with shared(clock, path, log) as (rate_limiter,):
            permit = await rate_limiter.acquire(Priority.USER)
            await clock.advance(11)
            await spend(rate_limiter, 20)
            confirming = asyncio.create_task(permit.confirm())
            await asyncio.sleep(0.1)
            assert not confirming.done()
            for _ in range(200):
                await clock.advance(0.1)
                await asyncio.sleep(0.001)
            await asyncio.wait_for(confirming, 5)

    async def test_permit_waits_for_a_cool_down(self, clock: FakeClock, path: Path, log: RequestLog) -> None:
        async with shared(clock, path, log) as (rate_limiter,):
            permit = await rate_limiter.acquire(Priority.USER)
            rate_limiter.block_for(10)
            confirming = asyncio.create_task(permit.confirm())
            await asyncio.sleep(0.1)
            assert not confirming.done()
            confirming.cancel()
            await asyncio.gather(confirming, return_exceptions=True)
            permit.release()
        assert sends_in(path) == 0

    async def test_permit_that_is_not_used_is_free_for_others(
        self, clock: FakeClock, path: Path, log: RequestLog
    ) -> None:
        async with shared(clock, path, log, 2) as (rate_limiter, other):
            permits = [await rate_limiter.acquire(Priority.USER) for _ in range(20)]
            permits[3].release()
            permits[3].release()
            await settled(rate_limiter)
            await asyncio.wait_for(other.acquire(Priority.USER), 5)


async def settled(rate_limiter: SharedRateLimiter) -> None:
    """Return once the ledger knows what is new."""
    await asyncio.wrap_future(rate_limiter._worker.submit(lambda: None))


class TestProcesses:
    def test_processes_share_fairly_within_the_limit(self, path: Path) -> None:
        with spenders(path, 4, seconds=3.2) as started:
            sent = [times_of(process) for process in started]
        assert most_in_a_window([at for each in sent for at in each], SHORT) <= 20
        assert min(len(each) for each in sent) >= 3

    def test_killed_process_blocks_no_other(self, path: Path) -> None:
        with spenders(path, 3, seconds=2.5) as started:
            victim, *others = started
            assert victim.stdout is not None
            victim.stdout.readline()
            victim.kill()
            died = time.monotonic()
            sent = [times_of(process) for process in others]
        assert all(max(each) > died + SHORT for each in sent)


async def until_cooling(rate_limiter: SharedRateLimiter, clock: FakeClock) -> None:
    """Ask until the answer is that nothing may be sent yet."""
    asking = asyncio.create_task(rate_limiter.acquire(Priority.USER))
    while rate_limiter.usage.cooldown_left(clock.monotonic()) == 0:
        await settle()
    asking.cancel()


async def turns_until(task: Awaitable[Permit]) -> int:
    """How many times others had their turn, a hundredth of a second apart, until this was done."""
    future, turns = asyncio.ensure_future(task), 0
    while not future.done():
        await asyncio.wait([future], timeout=0.01)
        turns += 1
    return turns
