"""A program in a pseudo terminal, and a person before it who reads the screen and presses keys.

    with Terminal(["comfytui", "--demo"], size=(80, 24)) as terminal:
        terminal.wait_for("Production GPU Runner")
        terminal.press("enter", "q")
        assert terminal.wait_exit() == 0

The terminal controls the program's session, as a real one does, so the system tells the program when its size
changes; of the tests' own environment it gets PATH alone, and a home that is empty and gone afterwards. Nothing here
waits for time to pass: every wait reads what the program writes until it has written what is waited for, and fails
with the screen after PATIENCE seconds.
"""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import tempfile
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyte

__all__ = ["PATIENCE", "Terminal"]

PATIENCE = 15.0
"""Seconds within which anything that is waited for has to happen."""

_A_MOMENT = 0.05

_KEYS = {
    "enter": b"\r",
    "escape": b"\x1b",
    "tab": b"\t",
    "space": b" ",
    "up": b"\x1b[A",
    "down": b"\x1b[B",
    "shift+tab": b"\x1b[Z",
    "ctrl+c": b"\x03",
    "ctrl+p": b"\x10",
}

_LEAST_ENVIRON = {
    "PATH": os.environ.get("PATH", os.defpath),
    "LANG": "C.UTF-8",
    "TERM": "xterm-256color",
    "COLORTERM": "truecolor",
    "TZ": "UTC",
}

_MODES = re.compile(rb"\x1b\[\?([0-9]+)([hl])")
_KITTY = re.compile(rb"\x1b\[(?:>[0-9]+|<)u")

_SYNC_QUERY = b"\x1b[?2026$p"
_SYNC_KNOWN = b"\x1b[?2026;2$y"
_FRAME_BEGINS = b"\x1b[?2026h"
_FRAME_ENDS = b"\x1b[?2026l"

# The emulator knows no private parameters but `?`, and would draw what follows the others.
_FOREIGN = re.compile(rb"\x1b\[[<=>][0-9;]*[a-zA-Z]")
_UNFINISHED = re.compile(rb"\x1b(\[[0-?]*[ -/]*)?\Z")


class Terminal:
    """A running program and the terminal it draws on.

    Attributes:
        raw: Every byte the program has written so far, in order.
        pid: The program's process id.
    """

    def __init__(
        self, command: Sequence[str], environ: Mapping[str, str] | None = None, size: tuple[int, int] = (120, 40)
    ) -> None:
        """Start the command on a terminal of so many columns and rows, its environment `environ` and little else.

        A terminal of 0 columns and rows reports no size, and has 80 and 24.
        """
        self.raw = bytearray()
        self._screen = pyte.Screen(size[0] or 80, size[1] or 24)
        self._stream = pyte.ByteStream(self._screen)
        self._undrawn = b""
        self._home = tempfile.TemporaryDirectory()
        home = {"HOME": self._home.name, "XDG_RUNTIME_DIR": self._home.name}
        self._master, slave = pty.openpty()
        self.resize(*size)
        self.pid = _spawn(command, {**_LEAST_ENVIRON, **home, **(environ or {})}, os.ttyname(slave))
        self._status: int | None = None
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._ended():
            os.killpg(self.pid, signal.SIGKILL)
            self.wait_exit()
        self.hang_up()
        self._home.cleanup()

    @property
    def home(self) -> Path:
        """The home directory of the program, gone with it."""
        return Path(self._home.name)

    @property
    def lines(self) -> list[str]:
        """What the screen shows, whole frames only, a string a line, without trailing blanks."""
        return [line.rstrip() for line in self._screen.display]

    @property
    def screen(self) -> str:
        """What the screen shows."""
        return "\n".join(self.lines)

    @property
    def unrestored(self) -> set[str]:
        """What the program changed of the terminal and left so: private modes, `keys` of the Kitty protocol, `line`.

        The cursor (25) and line wrapping (7) are on before, all other modes off; `line` is echo and editing by line.
        """
        last = {number.decode(): state for number, state in _MODES.findall(self.raw)}
        left = {number for number, state in last.items() if (state == b"h") != (number in {"7", "25"})}
        kitty = [change.startswith(b"\x1b[>") for change in _KITTY.findall(self.raw)]
        left |= {"keys"} if sum(kitty) * 2 != len(kitty) else set()
        wanted = termios.ECHO | termios.ICANON | termios.ISIG
        return left | ({"line"} if termios.tcgetattr(self._master)[3] & wanted != wanted else set())

    def wait_for(self, *wanted: str) -> None:
        """Read until the screen shows all of this at once."""
        self.wait_until(lambda: all(text in self.screen for text in wanted), f"to see {wanted}")

    def wait_gone(self, *unwanted: str) -> None:
        """Read until the screen shows none of this."""
        self.wait_until(lambda: not any(text in self.screen for text in unwanted), f"to see no {unwanted}")

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Read until this is so."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            left = deadline - time.monotonic()
            assert left > 0, f"waited {PATIENCE:g} seconds {what}:\n{self.screen}"
            assert self._read(left) is not None, f"it ended before one could come {what}:\n{self.screen}"

    def listen(self, seconds: float) -> bytes:
        """What the program writes during that time."""
        start, deadline = len(self.raw), time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            assert self._read(left) is not None, f"it ended meanwhile:\n{self.screen}"
        return bytes(self.raw[start:])

    def wait_quiet(self, seconds: float) -> None:
        """Read until the program writes nothing for that time."""
        deadline = time.monotonic() + PATIENCE
        while self.listen(seconds):
            assert time.monotonic() < deadline, f"it wrote for {PATIENCE:g} seconds without a pause:\n{self.screen}"

    def press(self, *keys: str) -> None:
        """Press keys one after another: names like `enter` and `ctrl+c`, or characters."""
        for key in keys:
            self.send(_KEYS.get(key) or key.encode())

    def send(self, data: bytes) -> None:
        """Send these bytes, which need not be what any key sends."""
        os.write(self._master, data)

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size, of which the system tells the program; 0 for one that is not reported."""
        self.reshape(columns or 80, rows or 24)
        termios.tcsetwinsize(self._master, (rows, columns))

    def reshape(self, columns: int, rows: int) -> None:
        """Give the terminal another size, of which the system knows nothing."""
        self._screen.resize(rows, columns)

    def signal(self, number: signal.Signals) -> None:
        """Send the program a signal."""
        os.kill(self.pid, number)

    def wait_exit(self) -> int:
        """Read until the program has ended, and return its exit status, negative where a signal ended it."""
        deadline = time.monotonic() + PATIENCE
        while self._read(_A_MOMENT) or not self._ended():
            assert time.monotonic() < deadline, f"it still runs after {PATIENCE:g} seconds:\n{self.screen}"
        return os.waitstatus_to_exitcode(self._status or 0)

    def ends_within(self, seconds: float, *, unread: bool = False) -> int | None:
        """The exit status if the program ends within that time, else None; `unread`: with nobody reading meanwhile."""
        deadline = time.monotonic() + seconds
        while not self._ended():
            if time.monotonic() > deadline:
                return None
            if unread or self._master < 0 or self._read(_A_MOMENT / 5) is None:
                select.select([], [], [], _A_MOMENT / 5)
        return os.waitstatus_to_exitcode(self._status or 0)

    def hang_up(self) -> None:
        """Close the terminal, whoever is still in it, as closing its window does; nothing can be read any more."""
        if self._master >= 0:
            os.close(self._master)
        self._master = -1

    def _ended(self) -> bool:
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = status if pid else None
        return self._status is not None

    def _read(self, seconds: float) -> bytes | None:
        """What comes within that time, nothing or not; None once nobody is left to write."""
        if not select.select([self._master], [], [], max(0.0, seconds))[0]:
            return b""
        try:
            data = os.read(self._master, 1 << 16)
        except OSError:
            return None
        self.raw += data
        self._answer(data)
        self._draw(data)
        return data or None

    def _answer(self, data: bytes) -> None:
        """Say that frames may be sent whole, as most of today's terminals do."""
        place = self.raw.find(_SYNC_QUERY, max(0, len(self.raw) - len(data) - len(_SYNC_QUERY) + 1))
        if place >= 0:
            os.write(self._master, _SYNC_KNOWN)

    def _draw(self, data: bytes) -> None:
        data = self._undrawn + data
        end = min(_end_of_whole_frames(data), _end_of_whole_sequences(data))
        self._undrawn = data[end:]
        self._stream.feed(_FOREIGN.sub(b"", data[:end]))


def _spawn(command: Sequence[str], environ: Mapping[str, str], terminal: str) -> int:
    """Start a session whose terminal this is: what its first process opens first, it is led by."""
    streams = [(os.POSIX_SPAWN_OPEN, number, terminal, os.O_RDWR, 0) for number in range(3)]
    return os.posix_spawn(command[0], list(command), environ, file_actions=streams, setsid=True)


def _end_of_whole_frames(data: bytes) -> int:
    begun = data.rfind(_FRAME_BEGINS)
    return begun if begun > data.rfind(_FRAME_ENDS) else len(data)


def _end_of_whole_sequences(data: bytes) -> int:
    found = _UNFINISHED.search(data)
    return found.start() if found else len(data)
