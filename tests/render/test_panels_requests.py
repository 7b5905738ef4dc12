"""The request log as rows."""

from __future__ import annotations

from comfytui.api.request_log import LogNote, RequestRecord
from comfytui.render.cells import Role
from comfytui.render.panels import request_rows
from comfytui.render.times import TimeStyle
from tests.support.clock import START
from tests.support.lines import plain_text

GOOD = RequestRecord(START, "GET", "/v1/runner?page=1", 200, "", 12, 345)
BAD = RequestRecord(START, "GET", "/v1/runner", 503, "maintenance", 7, 20)
LOST = RequestRecord(START, "GET", "/v1/runner", None, "no such host", 3, 0)


def test_the_newest_comes_first_with_what_it_took() -> None:
    bad, good = request_rows((GOOD, BAD), TimeStyle.LOCAL)
    assert plain_text(good.cells["path"]) == "GET /v1/runner?page=1"
    assert [plain_text(good.cells[key]) for key in ("status", "ms", "bytes", "error")] == ["200", "12", "345", ""]
    assert plain_text(bad.cells["error"]) == "maintenance"


def test_failed_requests_are_marked() -> None:
    lost, bad, good = request_rows((GOOD, BAD, LOST), TimeStyle.LOCAL)
    assert good.cells["status"][0].role is Role.GOOD
    assert bad.cells["status"][0].role is Role.BAD
    assert lost.cells["status"][0] == ("–", Role.BAD)


def test_a_note_has_the_whole_line() -> None:
    (row,) = request_rows((LogNote(START, "the request log cannot be written"),), TimeStyle.LOCAL)
    assert plain_text(row.full_width).endswith("  the request log cannot be written")


def test_a_row_keeps_its_id_as_others_come() -> None:
    assert request_rows((GOOD,), TimeStyle.LOCAL)[0].id == request_rows((GOOD, BAD), TimeStyle.LOCAL)[1].id
