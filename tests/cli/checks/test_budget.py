from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from comfytui.cli.checks.budget import look_at_budget
from comfytui.cli.checks.check import Check, Result
from comfytui.ratelimit.store import Claim, Ledger, Wanted
from comfytui.ratelimit.window import SHARE, WINDOW, Use
from tests.support.clock import FakeClock

API = "https://api.example.com"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "allowance.sqlite"


async def look(path: Path, clock: FakeClock, seconds: float = 5.0) -> Check:
    return await look_at_budget([path], API, clock, seconds)


def spend(path: Path, clock: FakeClock, count: int, api: str = API) -> None:
    """What another process of this person does."""
    ledger = Ledger(clock, [path], api, SHARE, WINDOW)
    for number in range(count):
        assert isinstance(ledger.claim((Wanted(number, Use.WISH),), (), 0.0), Claim)
    ledger.close()


def scribble(path: Path) -> None:
    path.write_text("this is no database, " * 100)


async def test_looking_spends_nothing(path: Path) -> None:
    for _ in range(2):
        check = await look(path, FakeClock())
        assert check.result is Result.OK
        assert "nobody asked lately; 0 of 40 requests in 10 s spent, 20 may be" in check.found


async def test_all_processes_of_one_host_count(path: Path) -> None:
    clock = FakeClock()
    spend(path, clock, 2)
    assert "one process asked lately; 2 of 40" in (await look(path, clock)).found
    await clock.advance(WINDOW + 1)
    spend(path, clock, 3)
    spend(path, clock, 5, "https://elsewhere.example.com")
    assert "2 processes asked lately; 3 of 40" in (await look(path, clock)).found


async def test_a_cool_down_of_others_stays(path: Path) -> None:
    clock = FakeClock()
    ledger = Ledger(clock, [path], API, SHARE, WINDOW)
    assert isinstance(ledger.claim((), (), clock.monotonic() + 8.0), Claim)
    await look(path, clock)
    claim = ledger.claim((Wanted(1, Use.WISH),), (), 0.0)
    ledger.close()
    assert isinstance(claim, Claim)
    assert claim.wait == 8.0


async def test_unusable_file_is_set_aside(path: Path) -> None:
    path.parent.mkdir()
    scribble(path)
    check = await look(path, FakeClock())
    assert check.result is Result.OK
    assert path.with_name(f"{path.name}.aside").exists()


async def test_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    check = await look(tmp_path / "missing" / "run" / "allowance.sqlite", FakeClock())
    assert check.result is Result.WARN
    assert "cannot be used: No such file or directory" in check.found


async def test_a_file_that_somebody_holds(path: Path) -> None:
    clock = FakeClock()
    await look(path, clock)
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        check = await look(path, clock, 0.05)
    assert check.result is Result.WARN
    assert "cannot be used: it does not answer" in check.found
