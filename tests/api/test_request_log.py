from __future__ import annotations

from pathlib import Path

import pytest

from comfytui.api.request_log import MAX_ENTRIES, LogNote, RequestLog, RequestRecord
from comfytui.files import RotatingAppendFile
from tests.support.clock import START, FakeClock

RECORD = RequestRecord(START, "GET", "/v1/runner?page=1", 200, "", 38, 1234)
NO_ANSWER = RECORD._replace(status=None, error="no such host", ms=5, size=0)


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (RECORD, "2026-11-21T14:00:00.000+00:00 GET /v1/runner?page=1 200 38 ms 1234 B"),
        (NO_ANSWER, "2026-11-21T14:00:00.000+00:00 GET /v1/runner?page=1 – 5 ms 0 B no such host"),
        (LogNote(START, "all is well"), "2026-11-21T14:00:00.000+00:00 all is well"),
    ],
    ids=["request", "no answer", "note"],
)
def test_an_entry_is_one_line(entry: RequestRecord | LogNote, line: str) -> None:
    assert str(entry) == line


def test_entries_stand_in_order_the_newest_last() -> None:
    clock = FakeClock()
    log = RequestLog(clock)
    log.add(RECORD)
    clock.jump(3)
    log.note("all is \x1b[31mwell")
    assert log.entries == (RECORD, LogNote(clock.now(), "all is ␛[31mwell"))


def test_only_the_last_ones_are_kept() -> None:
    log = RequestLog(FakeClock())
    for ms in range(MAX_ENTRIES + 7):
        log.add(RECORD._replace(ms=ms))
    assert [entry.ms for entry in log.entries if isinstance(entry, RequestRecord)] == list(range(7, MAX_ENTRIES + 7))


def test_a_file_holds_what_the_memory_holds(tmp_path: Path) -> None:
    path = tmp_path / "state" / "requests.log"
    log = RequestLog(FakeClock(), path)
    log.add(RECORD)
    log.note("all is well")
    log.close()
    assert path.read_text().splitlines() == [str(entry) for entry in log.entries]


def test_records_of_a_batch_are_written_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    monkeypatch.setattr(RotatingAppendFile, "append", lambda _self, *lines: written.append(len(lines)))
    log = RequestLog(FakeClock(), tmp_path / "requests.log")
    for _ in range(7):
        log.add(RECORD)
    log.close()
    assert written == [7]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_file_that_cannot_be_written_is_noted_once_and_disturbs_nothing() -> None:
    log = RequestLog(FakeClock(), Path("/dev/full"))
    for _ in range(5):
        log.add(RECORD)
    log.close()
    assert log.entries.count(RECORD) == 5
    assert log.write_error == "the request log cannot be written to /dev/full: No space left on device"
    assert [entry for entry in log.entries if isinstance(entry, LogNote)] == [
        LogNote(START, "the request log cannot be written to /dev/full: No space left on device")
    ]
