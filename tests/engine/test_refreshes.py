from __future__ import annotations

from comfytui.engine.protocol import HistoryKey, PageKey
from comfytui.engine.refreshes import RefreshQueue

PAGE, HISTORY = PageKey(), HistoryKey("r1")


def test_refresh_is_due_at_once_until_it_is_sent() -> None:
    refreshes = RefreshQueue()
    refreshes.add([PAGE, HISTORY], 100.0, 2.0)
    refreshes.add([PAGE], 101.0, 2.0)
    assert refreshes.due == {PAGE: 100.0, HISTORY: 100.0}
    refreshes.mark_sent(PAGE, 101.0)
    assert refreshes.due == {HISTORY: 100.0}


def test_refresh_soon_after_the_last_is_put_off() -> None:
    refreshes = RefreshQueue()
    refreshes.add([PAGE], 100.0, 2.0)
    refreshes.mark_sent(PAGE, 100.0)
    refreshes.add([PAGE], 100.1, 2.0)
    assert refreshes.due == {PAGE: 102.0}
    refreshes.mark_sent(PAGE, 102.0)
    refreshes.add([PAGE], 105.0, 2.0)
    assert refreshes.due == {PAGE: 105.0}


def test_poll_puts_off_no_refresh() -> None:
    refreshes = RefreshQueue()
    refreshes.mark_sent(PAGE, 100.0)
    refreshes.add([PAGE], 100.1, 2.0)
    assert refreshes.due == {PAGE: 100.1}


def test_refresh_of_what_left_the_viewport_is_forgotten() -> None:
    refreshes = RefreshQueue()
    refreshes.add([PAGE, HISTORY], 100.0, 2.0)
    refreshes.retain([HISTORY])
    assert refreshes.due == {HISTORY: 100.0}
    refreshes.clear()
    assert refreshes.due == {}
