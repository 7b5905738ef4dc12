from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from comfytui.api.allowance import Send, Use
from comfytui.api.ledger import Claim, Ledger, Trouble
from tests.support.clock import FakeClock

HOST = "api.example.com"
WINDOW = 10.0

IN_THE_MIDDLE = """
import sqlite3, sys, time
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 1")
database.execute("BEGIN IMMEDIATE")
database.execute("DELETE FROM sends")
database.executemany("INSERT INTO sends VALUES (?, 'other', 1000.0, 'poll')", [(sys.argv[2],)] * 5000)
print("in the middle", flush=True)
time.sleep(60)
"""

ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
from comfytui.api.allowance import Use
from comfytui.api.ledger import Ledger
from comfytui.clock import SystemClock
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
print(Ledger(SystemClock(), Path(sys.argv[1]), "host", 20, 10.0).claim((Use.WISH,), (), 0.0))
"""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "allowance.sqlite"


@contextmanager
def ledgers(clock: FakeClock, path: Path, count: int = 1, share: int = 20) -> Iterator[list[Ledger]]:
    """That many processes' access to the file."""
    opened = [Ledger(clock, path, HOST, share, WINDOW) for _ in range(count)]
    try:
        yield opened
    finally:
        for ledger in opened:
            ledger.close()


def claim(ledger: Ledger, use: Use = Use.WISH, cooling_until: float = 0.0) -> Claim:
    outcome = ledger.claim((use,), (), cooling_until)
    assert isinstance(outcome, Claim)
    assert (not outcome.rows) == (outcome.wait > 0)
    return outcome


def granted(ledger: Ledger, use: Use, tries: int = 30) -> int:
    return sum(claim(ledger, use).rows != () for _ in range(tries))


def trouble(ledger: Ledger) -> str:
    outcome = ledger.claim((Use.WISH,), (), 0.0)
    assert isinstance(outcome, Trouble)
    return outcome.words


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
            assert [claim(first).rows != () for _ in range(12)] == [True] * 12
            assert [claim(second).rows != () for _ in range(8)] == [True] * 8
            assert claim(third).wait == pytest.approx(10.05)

    def test_what_one_sent_the_other_knows(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path, 2) as (first, second):
            claim(first, Use.POLL)
            standing = claim(second, Use.WISH).standing
            now = clock.monotonic()
            assert set(standing.sends) == {Send(now, Use.POLL, mine=False), Send(now, Use.WISH, mine=True)}

    async def test_what_is_older_than_the_window_is_free_again(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path) as (ledger,):
            assert granted(ledger, Use.WISH) == 20
            await clock.advance(WINDOW)
            assert granted(ledger, Use.WISH) == 0
            await clock.advance(0.06)
            assert granted(ledger, Use.WISH) == 20

    @pytest.mark.parametrize(("use", "count"), [(Use.WISH, 20), (Use.POLL, 18), (Use.ROTATION, 10)])
    def test_what_a_use_may_spend(self, clock: FakeClock, path: Path, use: Use, count: int) -> None:
        with ledgers(clock, path, 2) as (first, second):
            assert granted(first, use) == count
            assert granted(second, use) == 0

    def test_hosts_are_kept_apart(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path) as (ledger,), closing(Ledger(clock, path, "other", 20, WINDOW)) as other:
            assert granted(ledger, Use.WISH) == 20
            assert granted(other, Use.WISH) == 20

    def test_of_several_at_once_as_many_are_granted_as_there_is_room_for(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path) as (ledger,):
            first = ledger.claim((Use.POLL,) * 15, (), 0.0)
            second = ledger.claim((Use.POLL,) * 15, (), 0.0)
            third = ledger.claim((Use.POLL,) * 15, (), 0.0)
        assert isinstance(first, Claim)
        assert isinstance(second, Claim)
        assert isinstance(third, Claim)
        assert (len(first.rows), first.wait) == (15, 0.0)
        assert (len(second.rows), second.wait) == (3, 0.0)
        assert third.rows == ()
        assert third.wait > 0
        assert len(third.standing.sends) == len(set(first.rows) | set(second.rows)) == 18

    def test_what_is_given_back_is_free_again(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path, share=4) as (ledger,):
            rows = [row for _ in range(4) for row in claim(ledger).rows]
            assert ledger.give_back(rows[2]) is None
            assert granted(ledger, Use.WISH) == 1

    def test_what_was_sent_without_the_ledger_is_entered(self, clock: FakeClock, path: Path) -> None:
        now = clock.monotonic()
        with ledgers(clock, path, 2) as (first, second):
            first.claim((Use.WISH,), tuple(Send(now - age, Use.POLL) for age in (100, 9, 5)), 0.0)
            sends = claim(second).standing.sends
            assert [send.at for send in sends] == [now - 9, now - 5, now, now]


class TestFairness:
    async def test_who_has_more_than_its_part_gives_way_to_who_waits(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path, 2) as (greedy, late):
            for _ in range(20):
                claim(greedy)
                await clock.advance(0.5)
            await clock.advance(0.1)
            assert claim(greedy).rows != ()
            assert claim(late).rows == ()
            await clock.advance(0.6)
            assert claim(greedy).rows == ()
            assert claim(late).rows != ()

    def test_nobody_is_held_to_a_part_while_nobody_waits(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path, 4) as (first, *others):
            for other in others:
                claim(other)
            assert granted(first, Use.WISH) == 17

    @pytest.mark.parametrize(("count", "part"), [(2, 10), (3, 6), (4, 5), (5, 4), (8, 4)])
    def test_the_parts_are_equal_and_never_too_small(self, clock: FakeClock, path: Path, count: int, part: int) -> None:
        with ledgers(clock, path, count) as (first, *others):
            until = clock.monotonic() + 30
            for other in others:
                assert claim(other, cooling_until=until).rows == ()
            assert claim(first).standing.part == part

    async def test_who_waited_and_died_holds_nobody_back(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path, 2) as (first, other):
            claim(other, cooling_until=clock.monotonic() + 1)
            assert claim(first).standing.part == 10
            await clock.advance(3)
            assert claim(first).standing.part == 20

    def test_the_rotation_is_nothing_to_give_way_for(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path, 2) as (first, other):
            assert granted(first, Use.WISH, 20) == 20
            assert claim(other, Use.ROTATION).rows == ()
            assert claim(first).standing.part == 20


class TestCoolingDown:
    async def test_it_holds_for_all_and_the_longer_one_wins(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path, 2) as (first, second):
            assert first.tell(clock.monotonic() + 30) is None
            assert first.tell(clock.monotonic() + 10) is None
            assert claim(second).wait == pytest.approx(30)
            await clock.advance(30)
            assert claim(second).rows != ()


class TestTimes:
    async def test_who_asked_lately_and_how_often(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path, 3) as (one, other, onlooker):
            assert onlooker.lately() == (0, 0)
            assert [granted(one, Use.WISH, tries) for tries in (1, 2)] + [granted(other, Use.POLL, 1)] == [1, 2, 1]
            assert onlooker.lately() == (2, 4)
            await clock.advance(11)
            assert onlooker.lately() == (2, 0)
            await clock.advance(60)
            assert onlooker.lately() == (0, 0)

    @pytest.mark.parametrize("seconds", [200.0, 3600.0, 1e9])
    async def test_rows_of_another_boot_are_dropped(self, clock: FakeClock, path: Path, seconds: float) -> None:
        before = FakeClock()
        await before.advance(seconds)
        with ledgers(before, path, 2) as (ledger, other):
            assert granted(ledger, Use.WISH) == 20
            assert claim(other, cooling_until=before.monotonic() + 60).wait == 60
        with ledgers(clock, path) as (ledger,):
            claimed = claim(ledger)
            assert (len(claimed.standing.sends), claimed.standing.part) == (1, 20)

    async def test_the_file_does_not_grow(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path) as (ledger,):
            for _ in range(200):
                claim(ledger)
                await clock.advance(1)
            assert len(contents(path)) < 64 * 1024
            assert len(claim(ledger).standing.sends) <= 62


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
            assert len(claim(second).standing.sends) == 4

    def test_a_process_that_is_stopped_in_the_middle_is_no_longer_waited_for(
        self, clock: FakeClock, path: Path
    ) -> None:
        with ledgers(clock, path) as (ledger,):
            claim(ledger)
            with in_the_middle(path) as process:
                process.send_signal(signal.SIGSTOP)
                assert trouble(ledger) == "database is locked"
                assert isinstance(ledger.tell(0.0), Trouble)
                assert isinstance(ledger.give_back(1), Trouble)
                process.send_signal(signal.SIGKILL)
                process.wait(10)
            assert len(claim(ledger).standing.sends) == 2

    def test_a_file_that_somebody_removed_is_made_again(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path, 2) as (first, second):
            claim(first)
            path.unlink()
            claim(second)
            assert len(claim(first).standing.sends) == 2

    @pytest.mark.parametrize(
        ("content", "words"),
        [(b"no database at all, and longer than a header is. " * 100, "file is not a database"), (None, "disk image")],
        ids=["another file", "damaged"],
    )
    def test_a_file_that_is_corrupt(self, clock: FakeClock, path: Path, content: bytes | None, words: str) -> None:
        with ledgers(clock, path) as (ledger,):
            claim(ledger)
        path.write_bytes(content or path.read_bytes()[:4096] + b"\xff" * 8192)
        with ledgers(clock, path) as (ledger,):
            assert words in trouble(ledger)

    @pytest.mark.parametrize(
        "table", ["sends (host, process, at, use, more)", "wants (other)", "cooling (host, until)"]
    )
    def test_a_file_of_another_version(self, clock: FakeClock, path: Path, table: str) -> None:
        path.parent.mkdir()
        with closing(sqlite3.connect(path)) as database:
            database.execute(f"CREATE TABLE {table}")
        with ledgers(clock, path) as (ledger,):
            assert trouble(ledger)

    def test_a_use_that_nobody_knows(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path) as (ledger,):
            claim(ledger)
            with closing(sqlite3.connect(path, isolation_level=None)) as database:
                database.execute("UPDATE sends SET use = 'fun'")
            assert "fun" in trouble(ledger)

    @pytest.mark.parametrize("path", [Path("/dev/null/allowance"), Path("/proc/comfytui/allowance"), Path("/dev/full")])
    def test_a_place_where_nothing_can_be_written(self, clock: FakeClock, path: Path) -> None:
        with ledgers(clock, path) as (ledger,):
            assert trouble(ledger)

    @pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
    def test_a_directory_that_may_only_be_read(self, clock: FakeClock, path: Path) -> None:
        path.parent.mkdir(mode=0o500)
        with ledgers(clock, path) as (ledger,):
            assert trouble(ledger) == "Permission denied"

    def test_a_disk_that_is_full(self, clock: FakeClock, path: Path) -> None:
        command = [sys.executable, "-c", ON_A_FULL_DISK, str(path)]
        outcome = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
        assert outcome.startswith("Trouble(words=")
        with ledgers(clock, path) as (ledger,):
            assert claim(ledger).rows != ()
