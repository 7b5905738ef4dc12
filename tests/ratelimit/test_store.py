from __future__ import annotations

import itertools
import math
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from comfytui.ratelimit.store import AcquireResult, RateLimitStore, RequestedSlot, SlotChange, StoreUnavailable
from comfytui.ratelimit.window import API_LIMIT, SOLO_LIMIT, Priority, SentRequest
from tests.support.clock import FakeClock

API = "https://api.example.com"
HOST = "api.example.com"
WINDOW = 10.0

IN_THE_MIDDLE = """
import sqlite3, sys, time
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 1")
database.execute("BEGIN IMMEDIATE")
database.execute("DELETE FROM sends")
rows = [(number, sys.argv[2]) for number in range(5000)]
database.executemany("INSERT INTO sends VALUES ('other', ?, ?, 1000.0, 'poll')", rows)
print("in the middle", flush=True)
time.sleep(60)
"""

ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
from typing import Any
from comfytui.ratelimit.window import Priority
from comfytui.ratelimit.store import RateLimitStore, RequestedSlot
from comfytui.clock import SystemClock
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
store = RateLimitStore(SystemClock(), [Path(sys.argv[1])], "https://host", 20, 10.0)
print(store.acquire((RequestedSlot(1, Priority.USER),), (), 0.0))
"""


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)


def remove(path: Path) -> None:
    path.unlink()


def replace_by_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "something").touch()


def replace_by_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("elsewhere")


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


SPOILED: dict[str, Callable[[Path], object]] = {
    "no database": lambda path: path.write_bytes(b"no database at all, and longer than a header is. " * 100),
    "a few bytes": lambda path: path.write_bytes(b"few"),
    "nothing": lambda path: path.write_bytes(b""),
    "damaged": lambda path: path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 8192),
    "cut": lambda path: os.truncate(path, 4096),
    "another column": lambda path: execute(path, "ALTER TABLE sends ADD COLUMN more"),
    "no table": lambda path: execute(path, "DROP TABLE wants"),
    "another table": lambda path: execute(path, "DROP TABLE wants", "CREATE TABLE wants (other)"),
    "a table that lets NULL in": lambda path: execute(
        path,
        "DROP TABLE sends",
        "CREATE TABLE sends (process, number, host, at, use)",
        "INSERT INTO sends VALUES (NULL, NULL, 'api.example.com', 1000, NULL)",
    ),
    "a trigger": lambda path: execute(
        path, "CREATE TRIGGER no BEFORE INSERT ON sends BEGIN SELECT RAISE(ABORT, 'no'); END"
    ),
    "text that is none": lambda path: execute(path, "UPDATE sends SET process = CAST(x'ff' AS TEXT)"),
    "a directory": replace_by_directory,
    "a symbolic link": replace_by_link,
    "a pipe": replace_by_pipe,
    "a directory as its journal": lambda path: path.with_name(f"{path.name}-journal").mkdir(),
}


@pytest.fixture(autouse=True)
def certain(monkeypatch: pytest.MonkeyPatch) -> None:
    """No doubt about a file that was only made: most tests begin with one."""
    monkeypatch.setattr("comfytui.ratelimit.store._NEW_FILE_DOUBT_S", 0.0)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "allowance.sqlite"


@contextmanager
def ledgers(clock: FakeClock, path: Path, count: int = 1, share: int = 20) -> Iterator[list[RateLimitStore]]:
    """That many processes' access to the file."""
    opened = [RateLimitStore(clock, [path], API, share, WINDOW) for _ in range(count)]
    try:
        yield opened
    finally:
        for ledger in opened:
            ledger.close()


NUMBERS = itertools.count(1)


def wanted(*priorities: Priority) -> list[RequestedSlot]:
    return [RequestedSlot(next(NUMBERS), priority) for priority in priorities]


def claim(ledger: RateLimitStore, priority: Priority = Priority.USER, cooling_until: float = 0.0) -> AcquireResult:
    outcome = ledger.acquire(wanted(priority), (), cooling_until)
    assert isinstance(outcome, AcquireResult)
    assert (not outcome.grants) == (outcome.delay > 0)
    return outcome


def change(ledger: RateLimitStore, *changes: SlotChange, cooling_until: float = 0.0) -> None:
    assert isinstance(ledger.acquire((), changes, cooling_until), AcquireResult)


def granted(ledger: RateLimitStore, priority: Priority, tries: int = 30) -> int:
    return sum(claim(ledger, priority).grants != () for _ in range(tries))


def trouble(ledger: RateLimitStore) -> str:
    outcome = ledger.acquire(wanted(Priority.USER), (), 0.0)
    assert isinstance(outcome, StoreUnavailable)
    return outcome.message


def contents(path: Path) -> bytes:
    return path.read_bytes()


@contextmanager
def in_the_middle(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has begun a transaction and spilled half of it into the file."""
    command = [sys.executable, "-c", IN_THE_MIDDLE, str(path), HOST]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "in the middle\n"
            yield process
        finally:
            process.kill()


class TestSharing:
    def test_all_processes_together_have_the_share(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path, 3) as (first, second, third):
            assert [claim(first).grants != () for _ in range(12)] == [True] * 12
            assert [claim(second).grants != () for _ in range(8)] == [True] * 8
            assert claim(third).delay == pytest.approx(10.3)

    def test_sends_are_visible_to_other_processes(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path, 2) as (first, second):
            claim(first, Priority.POLL)
            standing = claim(second, Priority.USER).state
            now = clock.monotonic()
            assert [send._replace(number=0) for send in standing.sends] == [
                SentRequest(now, Priority.POLL, own=False),
                SentRequest(now, Priority.USER, own=True),
            ]

    async def test_slot_is_free_after_the_window(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path) as (ledger,):
            assert granted(ledger, Priority.USER) == 20
            await clock.advance(WINDOW)
            assert granted(ledger, Priority.USER) == 0
            await clock.advance(0.06)
            assert granted(ledger, Priority.USER) == 20

    @pytest.mark.parametrize(
        ("priority", "count"), [(Priority.USER, 20), (Priority.POLL, 18), (Priority.BACKGROUND, 10)]
    )
    def test_priority_limits_its_share(self, clock: FakeClock, path: Path, priority: Priority, count: int) -> None:
        with ledgers(clock, path, 2) as (first, second):
            assert granted(first, priority) == count
            assert granted(second, priority) == 0

    def test_hosts_are_kept_apart(self, clock: FakeClock, path: Path) -> None:
        with (
            ledgers(clock, path) as (ledger,),
            closing(RateLimitStore(clock, [path], "https://other", 20, WINDOW)) as other,
        ):
            assert granted(ledger, Priority.USER) == 20
            assert granted(other, Priority.USER) == 20

    def test_several_requests_get_the_free_slots(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path) as (ledger,):
            first = ledger.acquire(wanted(*[Priority.POLL] * 15), (), 0.0)
            second = ledger.acquire(wanted(*[Priority.POLL] * 15), (), 0.0)
            third = ledger.acquire(wanted(*[Priority.POLL] * 15), (), 0.0)
        assert isinstance(first, AcquireResult)
        assert isinstance(second, AcquireResult)
        assert isinstance(third, AcquireResult)
        assert (len(first.grants), first.delay) == (15, 0.0)
        assert (len(second.grants), second.delay) == (3, 0.0)
        assert third.grants == ()
        assert third.delay > 0
        assert len(third.state.sends) == len(set(first.grants) | set(second.grants)) == 18

    def test_released_slot_is_free(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path, share=4) as (ledger,):
            grants = [grant for _ in range(4) for grant in claim(ledger).grants]
            change(ledger, SlotChange(grants[2].number, Priority.USER, None))
            assert granted(ledger, Priority.USER) == 1

    def test_sends_without_the_store_are_inserted(self, clock: FakeClock, path: Path) -> None:
        now = clock.monotonic()
        with ledgers(clock, path, 2) as (first, second):
            changes = [SlotChange(next(NUMBERS), Priority.POLL, now - age) for age in (100, 9, 5)]
            first.acquire(wanted(Priority.USER), changes, 0.0)
            sends = claim(second).state.sends
            assert [send.monotonic for send in sends] == [now - 9, now - 5, now, now]


class TestFairness:
    async def test_process_over_its_quota_gives_way(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path, 2) as (greedy, late):
            for _ in range(20):
                claim(greedy)
                await clock.advance(0.5)
            await clock.advance(0.1)
            assert claim(greedy).grants != ()
            assert claim(late).grants == ()
            await clock.advance(0.75)
            assert claim(greedy).grants == ()
            assert claim(late).grants != ()

    def test_quota_applies_only_while_others_wait(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path, 4) as (first, *others):
            for other in others:
                claim(other)
            assert granted(first, Priority.USER) == 17

    @pytest.mark.parametrize(("count", "part"), [(2, 10), (3, 6), (4, 5), (5, 4), (8, 4)])
    def test_the_parts_are_equal_and_never_too_small(self, clock: FakeClock, path: Path, count: int, part: int) -> None:
        with ledgers(clock, path, count) as (first, *others):
            until = clock.monotonic() + 30
            for other in others:
                assert claim(other, cooling_until=until).grants == ()
            assert claim(first).state.quota == part

    async def test_dead_waiter_delays_no_other(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path, 2) as (first, other):
            claim(other, cooling_until=clock.monotonic() + 1)
            assert claim(first).state.quota == 10
            await clock.advance(3)
            assert claim(first).state.quota == 20

    def test_the_rotation_is_nothing_to_give_way_for(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path, 2) as (first, other):
            assert granted(first, Priority.USER, 20) == 20
            assert claim(other, Priority.BACKGROUND).grants == ()
            assert claim(first).state.quota == 20


class TestCoolingDown:
    async def test_longest_cooldown_applies_to_all(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path, 2) as (first, second):
            change(first, cooling_until=clock.monotonic() + 30)
            change(first, cooling_until=clock.monotonic() + 10)
            assert claim(second).delay == pytest.approx(30)
            await clock.advance(30)
            assert claim(second).grants != ()


class TestTimes:
    async def test_recent_usage_counts_processes_and_requests(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path, 3) as (one, other, onlooker):
            assert onlooker.recent_usage() == (0, 0)
            assert [granted(one, Priority.USER, tries) for tries in (1, 2)] + [granted(other, Priority.POLL, 1)] == [
                1,
                2,
                1,
            ]
            assert onlooker.recent_usage() == (2, 4)
            await clock.advance(11)
            assert onlooker.recent_usage() == (2, 0)
            await clock.advance(60)
            assert onlooker.recent_usage() == (0, 0)

    @pytest.mark.parametrize("seconds", [200.0, 3600.0, 1e9])
    async def test_rows_of_another_boot_are_dropped(self, clock: FakeClock, path: Path, seconds: float) -> None:
        before = FakeClock()
        await before.advance(seconds)
        with ledgers(before, path, 2) as (ledger, other):
            assert granted(ledger, Priority.USER) == 20
            assert claim(other, cooling_until=before.monotonic() + 60).delay == 60
        with ledgers(clock, path) as (ledger,):
            claimed = claim(ledger)
            assert (len(claimed.state.sends), claimed.state.quota) == (1, 20)

    async def test_the_file_does_not_grow(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path) as (ledger,):
            for _ in range(200):
                claim(ledger)
                await clock.advance(1)
            assert len(contents(path)) < 64 * 1024
            assert len(claim(ledger).state.sends) <= 62


class TestTrouble:
    def test_the_file_is_private(self, clock: FakeClock, path: Path) -> None:
        old = os.umask(0)
        try:
            with ledgers(clock, path) as (ledger,):
                claim(ledger)
                assert path.stat().st_mode & 0o777 == 0o600
                assert path.parent.stat().st_mode & 0o777 == 0o700
                assert all(each.stat().st_mode & 0o077 == 0 for each in path.parent.iterdir())
        finally:
            os.umask(old)

    def test_a_process_that_is_killed_in_the_middle_leaves_nothing(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path, 2) as (first, second):
            for _ in range(3):
                claim(first)
            with in_the_middle(path) as process:
                assert path.with_name(f"{path.name}-journal").stat().st_size > 0
                process.send_signal(signal.SIGKILL)
                process.wait(10)
            assert len(claim(second).state.sends) == 4

    def test_lock_held_for_ever_file_is_set_aside(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path, 2) as (first, second):
            claim(first)
            with in_the_middle(path) as process:
                process.send_signal(signal.SIGSTOP)
                standing = claim(first).state
                assert (len(standing.sends), standing.doubtful_until) == (2, clock.monotonic() + WINDOW)
                assert len(claim(second).state.sends) == 3
                process.send_signal(signal.SIGKILL)
                process.wait(10)
            assert len(claim(first).state.sends) == 4

    @pytest.mark.parametrize("lock", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
    def test_file_found_locked_for_ever_is_set_aside(self, clock: FakeClock, path: Path, lock: str) -> None:
        with ledgers(clock, path) as (ledger,):
            claim(ledger)
        with closing(sqlite3.connect(path, isolation_level=None)) as holder:
            holder.execute(lock)
            with ledgers(clock, path, 2) as (first, second):
                assert claim(first).state.doubtful_until == clock.monotonic() + WINDOW
                assert len(claim(second).state.sends) == 2

    def test_endless_reader_delays_no_other(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path, 2) as (first, second):
            claim(first)
            with closing(sqlite3.connect(path, isolation_level=None)) as reader:
                reader.execute("BEGIN")
                reader.execute("SELECT * FROM sends").fetchall()
                assert len(claim(first).state.sends) == 2
                assert len(claim(second).state.sends) == 3

    def test_removed_file_is_made_again_with_what_each_process_knew(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path, 3) as (first, second, third):
            claim(first)
            claim(second)
            claim(first)
            path.unlink()
            assert len(claim(third).state.sends) == 1
            # The second knows of one of the first, and the first of all but that of the third.
            assert len(claim(second).state.sends) == 4
            assert len(claim(first).state.sends) == 6

    async def test_removed_file_lets_each_process_send_little_for_a_window(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path, 2) as (first, second):
            assert granted(first, Priority.USER, 4) == 4
            assert claim(second).grants
            remove(path)
            assert granted(first, Priority.USER) == SOLO_LIMIT - 4
            assert granted(second, Priority.USER) == SOLO_LIMIT - 1
            assert claim(second).delay <= WINDOW
            await clock.advance(WINDOW + 0.5)
            assert granted(first, Priority.USER) == 20

    def test_file_removed_at_every_turn_six_processes_stay_below_the_limit(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path, 6) as opened:
            for ledger in opened:
                claim(ledger)
            sent = len(opened)
            for _ in range(10):
                for ledger in opened:
                    path.unlink(missing_ok=True)
                    sent += len(claim(ledger).grants)
            assert sent == 6 * SOLO_LIMIT < API_LIMIT

    async def test_file_just_made_lets_little_be_sent_for_a_second(
        self, clock: FakeClock, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.undo()
        with ledgers(clock, path, 2) as (first, second):
            assert granted(first, Priority.USER) == SOLO_LIMIT
            assert claim(first).delay == 1.0
            assert granted(second, Priority.USER, 4) == 4
            await clock.advance(1.0)
            assert granted(first, Priority.USER) == 20 - SOLO_LIMIT - 4

    def test_file_removed_from_the_start_six_processes_stay_below_the_limit(
        self, clock: FakeClock, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.undo()
        with ledgers(clock, path, 6) as opened:
            sent = 0
            for _ in range(3):
                for ledger in opened:
                    path.unlink(missing_ok=True)
                    outcome = ledger.acquire(wanted(*[Priority.USER] * 40), (), 0.0)
                    assert isinstance(outcome, AcquireResult)
                    sent += len(outcome.grants)
            assert sent == 6 * SOLO_LIMIT < API_LIMIT

    def test_file_lost_within_a_transaction_is_written_again(
        self, clock: FakeClock, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with ledgers(clock, path, 2) as (first, second):
            claim(first)
            decide = RateLimitStore._grant

            def interrupted(*args: Any) -> AcquireResult:
                monkeypatch.undo()
                path.unlink()
                return decide(*args)

            monkeypatch.setattr(RateLimitStore, "_grant", interrupted)
            assert len(claim(first).grants) == 1
            assert len(claim(second).state.sends) == 3

    @pytest.mark.parametrize("name", SPOILED)
    def test_spoiled_file_is_set_aside_and_begun_anew(self, clock: FakeClock, path: Path, name: str) -> None:
        with ledgers(clock, path, 2) as (first, second):
            claim(first)
            SPOILED[name](path)
            assert len(claim(first).state.sends) == 2
            claim(second)
            assert len(claim(first).state.sends) == 4
            assert granted(second, Priority.USER) == SOLO_LIMIT - 1

    @pytest.mark.parametrize("name", SPOILED)
    def test_spoiled_file_is_replaced_at_the_start(self, clock: FakeClock, path: Path, name: str) -> None:
        with ledgers(clock, path) as (ledger,):
            claim(ledger)
        SPOILED[name](path)
        for _ in range(2):
            with ledgers(clock, path) as (ledger,):
                claim(ledger)
        assert path.is_file()
        assert not path.is_symlink()

    @pytest.mark.parametrize("value", ["text", math.inf, -math.inf, b"\xff", 1e300, 0])
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE sends SET at = ?",
            "UPDATE wants SET until = ?",
            "UPDATE cooling SET until = ?",
            "UPDATE doubt SET until = ?",
        ],
    )
    def test_implausible_times_count_for_nothing(
        self, clock: FakeClock, path: Path, statement: str, value: str | float | bytes
    ) -> None:
        with ledgers(clock, path, 2) as (first, second):
            assert granted(first, Priority.USER) == 20
            claim(second, cooling_until=clock.monotonic() + 60)
            with closing(sqlite3.connect(path, isolation_level=None)) as database:
                database.execute("INSERT OR REPLACE INTO doubt VALUES (1, 1005)")
                database.execute(statement, (value,))
            claim(first)
            change(first, cooling_until=clock.monotonic() + 20)
            assert claim(second).delay in (pytest.approx(20), pytest.approx(60))

    def test_unknown_use_counts_as_a_request(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path, 2) as (first, second):
            claim(first)
            execute(path, "UPDATE sends SET use = 'fun'")
            assert len(claim(second).state.sends) == 2

    @pytest.mark.parametrize("path", [Path("/proc/comfytui/allowance"), Path("/proc/version/allowance")])
    def test_a_place_where_nothing_can_be_written(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path) as (ledger,):
            assert trouble(ledger)

    def test_place_that_cannot_be_used_is_gone_around_with_less(self, clock: FakeClock, tmp_path: Path) -> None:
        best, next_best = tmp_path / "file" / "budget", tmp_path / "next" / "budget"
        best.parent.write_text("no directory")
        with closing(RateLimitStore(clock, [best, next_best], API, 20, WINDOW)) as ledger:
            assert ledger.path == best
            assert granted(ledger, Priority.USER) == 10
            assert ledger.path == next_best
        assert best.parent.read_text() == "no directory"

    async def test_best_place_is_tried_again_with_what_was_sent(self, clock: FakeClock, tmp_path: Path) -> None:
        best, next_best = tmp_path / "best" / "budget", tmp_path / "next" / "budget"
        best.parent.write_text("no directory")
        with closing(RateLimitStore(clock, [best, next_best], API, 20, WINDOW)) as ledger:
            claim(ledger)
            best.parent.unlink()
            await clock.advance(59)
            claim(ledger)
            assert ledger.path == next_best
            await clock.advance(1)
            assert len(claim(ledger).state.sends) == 3
            assert ledger.path == best

    @pytest.mark.parametrize("mode", [0o777, 0o720])
    def test_directory_that_others_may_write_is_gone_around(self, clock: FakeClock, tmp_path: Path, mode: int) -> None:
        best, next_best = tmp_path / "open" / "budget", tmp_path / "next" / "budget"
        best.parent.mkdir()
        best.parent.chmod(mode)
        with closing(RateLimitStore(clock, [best, next_best], API, 20, WINDOW)) as ledger:
            claim(ledger)
            assert ledger.path == next_best
        assert best.parent.stat().st_mode & 0o777 == mode

    def test_directory_of_another_user_is_gone_around(
        self, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
        with closing(RateLimitStore(clock, [tmp_path / "run" / "budget"], API, 20, WINDOW)) as ledger:
            assert trouble(ledger) == "it is no directory of this user alone"

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device")
    def test_device_is_left_alone(self, clock: FakeClock, path: Path) -> None:
        path.parent.mkdir(mode=0o700)
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        with ledgers(clock, path) as (ledger,):
            assert trouble(ledger) == "it is a device"
        assert stat.S_ISCHR(path.stat().st_mode)
        assert len(list(path.parent.iterdir())) == 1

    def test_a_disk_that_is_full(self, clock: FakeClock, path: Path) -> None:
        command = [sys.executable, "-c", ON_A_FULL_DISK, str(path)]
        outcome = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
        assert outcome.startswith("StoreUnavailable(message=")
        with ledgers(clock, path) as (ledger,):
            assert claim(ledger).grants != ()
