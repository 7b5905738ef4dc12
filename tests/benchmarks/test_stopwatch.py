from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.benchmarks.stopwatch import Stopwatch

# Answers each line, which the terminal does not echo.
PROGRAM = """
import sys, termios
attributes = termios.tcgetattr(0)
attributes[3] &= ~termios.ECHO
termios.tcsetattr(0, termios.TCSANOW, attributes)
print("first", flush=True)
print("second", flush=True)
for line in sys.stdin:
    print("third", flush=True)
"""


@pytest.fixture
def watch() -> Iterator[Stopwatch]:
    with Stopwatch((sys.executable, "-S", "-c", PROGRAM)) as watch:
        watch.wait_written("second")
        yield watch


def test_time_of_a_shown_text_is_found(watch: Stopwatch) -> None:
    before = watch.moment
    watch.press("enter")
    watch.wait_written("third")
    first, second, third = (watch.until_shown(word) for word in ("first", "second", "third"))
    assert 0 < first <= second < before < third < watch.moment
    assert watch.until_shown("first") == third, "it still shows that"


def test_a_key_is_timed_and_its_bytes_are_counted(watch: Stopwatch) -> None:
    watch.rest(0.1, most=1.0)
    press = watch.press_timed("enter", quiet=0.1)
    assert press is not None
    assert press.written == len("third\r\n")
    assert 0 < press.first < watch.moment


def test_a_key_that_does_nothing_is_not_timed(watch: Stopwatch) -> None:
    watch.rest(0.1, most=1.0)
    assert watch.press_timed("x", quiet=0.1) is None


def test_cursor_is_found_by_its_background() -> None:
    draw = r"print('\x1b[44msecond line\x1b[m\r\nend', end='', flush=True); input()"
    with Stopwatch((sys.executable, "-S", "-c", f"print('first line', end='\\r\\n'); {draw}")) as watch:
        watch.wait_written("end")
        assert watch.cursor == ((1, "second line"),)


def test_missing_text_fails_with_the_screen(watch: Stopwatch) -> None:
    with pytest.raises(AssertionError, match=r"third.*\n(?s:.*)second"):
        watch.until_shown("third", patience=0.1)
