"""A terminal that says when: each piece that a program writes is stamped as it comes, and drawn later.

    with Stopwatch(["comfytui", "--demo"]) as watch:
        watch.wait_written("Production GPU Runner")
        watch.rest(0.5, most=4.0)
        print(watch.until_shown("Recent workflows"), watch.press_timed("down"))

Drawing takes longer than reading, and a processor that the program may need. So while something is timed nothing is
drawn: what was on the screen when is found out afterwards, by drawing what came piece after piece.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.support.terminal import PATIENCE, Terminal

__all__ = ["Press", "Stopwatch"]

# Seconds without output after which what is written next is the answer to a key.
_CALM = 0.08
_CALM_BY = 1.0
# Seconds after which a key is taken to have done nothing.
_DEAD = 1.0
# A column within the first pane.
_WITHIN = 4
# Seconds that a key's consequences may go on writing.
_FOLLOWED = 1.5


@dataclass(frozen=True, slots=True)
class Press:
    """What came of a key press.

    Attributes:
        first: Seconds until the first byte.
        written: Bytes until the program wrote no more.
    """

    first: float
    written: int


class Stopwatch(Terminal):
    """A running program, and the moments at which it wrote; they are in seconds since it was started."""

    def __init__(
        self, command: Sequence[str], environ: Mapping[str, str] | None = None, size: tuple[int, int] = (120, 40)
    ) -> None:
        self._pieces: deque[tuple[float, bytes]] = deque()
        self._last = self._drawn = 0.0
        super().__init__(command, environ, size)
        self._began = time.perf_counter()

    @property
    def moment(self) -> float:
        """Seconds since the program was started."""
        return time.perf_counter() - self._began

    @property
    def lines(self) -> list[str]:
        """What the screen shows, all that was written by now."""
        while self._pieces:
            self._draw_next()
        return super().lines

    @property
    def cursor(self) -> tuple[tuple[int, str], ...]:
        """The lines that stand out by their background, each with its number: where the cursor of a list is."""
        lines = self.lines
        grounds = [self._screen.buffer[number][_WITHIN].bg for number in range(len(lines))]
        usual = max(grounds, key=grounds.count)
        return tuple((number, lines[number]) for number, ground in enumerate(grounds) if ground != usual)

    def wait_written(self, text: str) -> None:
        """Read until the program has written this in one piece, without drawing anything."""
        wanted = text.encode()
        self.wait_until(lambda: wanted in self.raw, f"until {text!r} was written")

    def until_shown(self, *wanted: str, patience: float = PATIENCE) -> float:
        """The moment at which the screen showed all of this at once, the last look's if it did so then.

        What was written after that moment is left for the next look.

        Raises:
            AssertionError: It did not come within so many seconds.
        """
        deadline = time.monotonic() + patience
        while not self._shows(wanted):
            if self._pieces:
                self._draw_next()
                continue
            left = deadline - time.monotonic()
            assert left > 0, f"waited {patience:g} seconds to see {wanted}:\n{self.screen}"
            assert self._read(left) is not None, f"it ended before one could see {wanted}:\n{self.screen}"
        return self._drawn

    def rest(self, seconds: float, most: float) -> None:
        """Read until the program writes nothing for so long, but no longer than `most`."""
        deadline = time.monotonic() + most
        while (left := deadline - time.monotonic()) > 0 and self._read(min(seconds, left)):
            pass

    def press_timed(self, key: str, quiet: float) -> Press | None:
        """Press a key while nothing is written, and see what comes until nothing was written for `quiet` seconds.

        None where nothing came within a second, as of a key that can do nothing.
        """
        self.rest(_CALM, _CALM_BY)
        before, pressed = len(self.raw), self.moment
        self.press(key)
        if not self._read(_DEAD):
            return None
        first = self._last - pressed
        self.rest(quiet, _FOLLOWED)
        return Press(first, len(self.raw) - before)

    def quit_timed(self) -> float:
        """Press `q`; seconds until the process has ended."""
        pressed = self.moment
        self.press("q")
        status = self.wait_exit()
        took = self.moment - pressed
        assert status == 0, f"it ended with {status}"
        return took

    def _shows(self, wanted: Sequence[str]) -> bool:
        screen = "\n".join(super().lines)
        return all(text in screen for text in wanted)

    def _draw(self, data: bytes) -> None:
        self._last = self.moment
        self._pieces.append((self._last, data))

    def _draw_next(self) -> None:
        self._drawn, data = self._pieces.popleft()
        super()._draw(data)
