"""What refreshing costs on the wire, measured where it is paid."""

from __future__ import annotations

import re

from tests.support.installed import client_environ, dashboard
from tests.support.misbehaving import MisbehavingServer

A_CELL = 320
A_ROW = 1000

_FRAME = re.compile(rb"\x1b\[\?2026h(.*?)\x1b\[\?2026l", re.DOTALL)


def frames(written: bytes) -> list[bytes]:
    """What was written, by frame."""
    return _FRAME.findall(written) or ([written] if written else [])


def test_a_changed_cell_costs_what_it_is_worth_and_its_mark_goes_again() -> None:
    with (
        MisbehavingServer(runners=3).in_a_thread() as server,
        dashboard(environ=client_environ(server.url, server.token)) as terminal,
    ):
        server.be_still()
        terminal.wait_for("● live", "Recent workflows  ", "not found (404)")
        terminal.wait_quiet(5.5)
        start = len(terminal.raw)
        server.fleet[2]["tags"] = ["changed"]
        terminal.wait_for("∆", "changed")
        terminal.wait_gone("∆")
        written = bytes(terminal.raw[start:])
        assert terminal.listen(5.5) == b"", "nothing has changed since"
        terminal.press("q")
        assert terminal.wait_exit() == 0
    assert len(written) <= A_ROW
    assert [len(frame) <= A_CELL for frame in frames(written)] == [True, True], "one when it comes, one when it goes"
