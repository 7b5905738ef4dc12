from __future__ import annotations

from comfytui.engine.protocol import HistoryKey, PageKey
from comfytui.engine.wishes import Wishes

PAGE, HISTORY = PageKey(), HistoryKey("r1")


def test_a_wish_is_for_now_until_it_is_granted() -> None:
    wishes = Wishes()
    wishes.add([PAGE, HISTORY], 100.0, 2.0)
    wishes.add([PAGE], 101.0, 2.0)
    assert wishes.moments == {PAGE: 100.0, HISTORY: 100.0}
    wishes.grant(PAGE, 101.0)
    assert wishes.moments == {HISTORY: 100.0}


def test_one_that_comes_soon_after_the_last_is_put_off() -> None:
    wishes = Wishes()
    wishes.add([PAGE], 100.0, 2.0)
    wishes.grant(PAGE, 100.0)
    wishes.add([PAGE], 100.1, 2.0)
    assert wishes.moments == {PAGE: 102.0}
    wishes.grant(PAGE, 102.0)
    wishes.add([PAGE], 105.0, 2.0)
    assert wishes.moments == {PAGE: 105.0}


def test_what_is_asked_by_time_puts_off_no_wish() -> None:
    wishes = Wishes()
    wishes.grant(PAGE, 100.0)
    wishes.add([PAGE], 100.1, 2.0)
    assert wishes.moments == {PAGE: 100.1}


def test_what_is_no_longer_looked_at_is_no_longer_wished_for() -> None:
    wishes = Wishes()
    wishes.add([PAGE, HISTORY], 100.0, 2.0)
    wishes.keep([HISTORY])
    assert wishes.moments == {HISTORY: 100.0}
    wishes.clear()
    assert wishes.moments == {}
