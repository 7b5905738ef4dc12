"""The terminal itself: its title, its mouse, and what it sends. The one place that writes to it beside the screen."""

from __future__ import annotations

import os
import selectors
from codecs import getincrementaldecoder
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from textual import constants, events
from textual._keyboard_protocol import FUNCTIONAL_KEYS
from textual._xterm_parser import _MAX_SEQUENCE_SEARCH_THRESHOLD, XTermParser, _re_extended_key
from textual.drivers.linux_driver import LinuxDriver

from comfytui.tui.keyguard import ESCAPE, KeyGuard

if TYPE_CHECKING:
    from textual.driver import Driver

__all__ = ["MAX_TITLE", "RESTORE_TITLE", "Terminal", "TerminalDriver", "clean_title", "is_understood"]

MAX_TITLE = 200
"""Characters."""

# Titles are kept on a stack of the terminal's (xterm, XTWINOPS 22 and 23); what knows none ignores both.
SAVE_TITLE = "\x1b[22;0t"
RESTORE_TITLE = "\x1b[23;0t"

_MOUSE_IN_PIXELS_OFF = "\x1b[?1016l"

_LOOK_EVERY = 0.1
_LOOK_SOON = 0.02
# Seconds without anything sent after which whatever was begun has ended: nothing is looked for until more is sent.
_BEGUN = 1.0


class HasDriver(Protocol):
    """An app that says what it is driven by."""

    @property
    def driver(self) -> Driver | None:
        """Textual's driver while the app runs."""
        ...


class Terminal:
    """What an app may do with the terminal it runs in; where it runs without one, nothing happens.

    Args:
        app: The app.
    """

    def __init__(self, app: HasDriver) -> None:
        self._app = app

    @property
    def has_mouse(self) -> bool:
        """Whether the mouse is reported."""
        return (driver := self._driver) is not None and driver.has_mouse

    def set_title(self, text: str) -> None:
        """Have the terminal's title say this from now on; what it said before is put back at the end."""
        if (driver := self._driver) is not None:
            driver.set_title(clean_title(text))

    def set_mouse(self, *, on: bool) -> None:
        """Have the mouse reported, or leave it to the terminal, so that its own selecting works."""
        if (driver := self._driver) is not None:
            driver.set_mouse(on=on)

    @property
    def _driver(self) -> TerminalDriver | None:
        driver = self._app.driver
        return driver if isinstance(driver, TerminalDriver) else None


class TerminalDriver(LinuxDriver):
    """Textual's driver with a title, a mouse to switch, and keys that nothing is torn off.

    The title is put back whenever the terminal is given back: at the end as well as while the process is suspended.
    """

    _title = ""
    _woken = _waker = -1

    @property
    def has_mouse(self) -> bool:
        """Whether the mouse is reported."""
        return self._mouse

    def set_title(self, title: str) -> None:
        """Show a title, unless it is the one shown."""
        if title != self._title:
            self._title = title
            if self._is_writing:
                self._write_title()

    def set_mouse(self, *, on: bool) -> None:
        """Switch the reports of the mouse on or off."""
        if on == self._mouse:
            return
        if on:
            self._mouse = True
            self._enable_mouse_support()
            # The parser counts in pixels since the terminal told its size in them.
            if self._in_band_window_resize:
                self._enable_mouse_pixels()
        else:
            self._disable_mouse_support()
            self._mouse = False

    def start_application_mode(self) -> None:
        """Take the terminal over, and keep its title."""
        self._close_pipe()
        self._woken, self._waker = os.pipe()
        start: Callable[[], None] = super().start_application_mode
        start()
        if self._is_writing:
            self.write(SAVE_TITLE)
            self._write_title()

    def stop_application_mode(self) -> None:
        """Give the terminal back with the title it had."""
        self.write(RESTORE_TITLE)
        super().stop_application_mode()

    def disable_input(self) -> None:
        """Read no more of what the terminal sends: the thread that does is woken for that."""
        if self._waker >= 0:
            os.write(self._waker, b"\0")
        super().disable_input()

    def close(self) -> None:
        """Let go of what the driver holds."""
        super().close()
        self._close_pipe()

    def _close_pipe(self) -> None:
        # A new one for each time that the terminal is taken over: nobody may have read what wakes.
        for end in (self._woken, self._waker):
            if end >= 0:
                os.close(end)
        self._woken = self._waker = -1

    def run_input_thread(self) -> None:
        """Read what the terminal sends, and hand the app the events in it, until told to stop.

        A byte that is no UTF-8 is a character that no key has, not an error. While nothing is sent it sleeps: Textual's
        own looks ten times a second, for nothing.
        """
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")("replace").decode
        guard = KeyGuard(constants.ESCAPE_DELAY, is_understood)
        sent_on = monotonic()
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                pause = _LOOK_SOON if guard.is_waiting else _LOOK_EVERY
                at_rest = monotonic() - sent_on > _BEGUN
                ready = {key.fd for key, _ in selector.select(None if at_rest else pause)}
                if self._woken in ready:
                    return
                sent = decode(os.read(self.fileno, 4096)) if ready else ""
                sent_on = monotonic() if ready else sent_on
                self._take(parser, guard.feed(sent, monotonic()) if sent else "")
                self._take(parser, guard.tick(monotonic()))
                for message in parser.tick():
                    self.process_message(message)

    def _take(self, parser: XTermParser, text: str) -> None:
        if before := text.removesuffix(ESCAPE):
            for message in parser.feed(before):
                self.process_message(message)
        if before != text:
            # The guard has waited as long as the parser would.
            self.process_message(events.Key("escape", ESCAPE))

    @property
    def _is_writing(self) -> bool:
        """Whether the terminal is ours: not before the start, after the end, or in the background."""
        return self._writer_thread is not None and self._writer_thread.is_alive()

    def _write_title(self) -> None:
        # The consoles draw what they do not know.
        if self._title and not os.environ.get("TERM", "").startswith(("linux", "vt", "cons", "dumb")):
            self.write(f"\x1b]2;{self._title}\x07")

    def _disable_mouse_support(self) -> None:
        super()._disable_mouse_support()
        if self._mouse_pixels:
            self.write(_MOUSE_IN_PIXELS_OFF)

    def _get_terminal_size(self) -> tuple[int, int]:
        # Textual asks the environment and standard output, which need not be the terminal.
        try:
            columns, lines = os.get_terminal_size(self.fileno)
        except OSError:
            columns = lines = 0
        return (columns, lines) if columns and lines else super()._get_terminal_size()


def clean_title(text: str) -> str:
    """The text without what could end a title or be a sequence of its own, at most `MAX_TITLE` characters of it."""
    return "".join(char for char in text if char.isprintable())[:MAX_TITLE]


def is_understood(sequence: str) -> bool:
    """Whether Textual's parser makes of a whole control sequence what the terminal means, or nothing at all.

    What it cannot read it hands on as if it had been typed, character by character.
    """
    parser = XTermParser()
    try:
        made = list(parser.feed(sequence))
    except (ValueError, OverflowError):
        # A key's number that no character has.
        return False
    # What is still being read at the next ESC is handed on.
    if len(sequence) > _MAX_SEQUENCE_SEARCH_THRESHOLD or list(parser.feed(ESCAPE)):
        return False
    return not (any(isinstance(each, events.Key) for each in made) and _is_mistaken(sequence))


def _is_mistaken(sequence: str) -> bool:
    # The parser takes the number of a key it does not know for the key's character: F18, `32~`, for a space.
    # That is right for what ends in `u`, and for xterm's `27;modifiers;character~` (modifyOtherKeys).
    if constants.DISABLE_KITTY_KEY or (match := _re_extended_key.fullmatch(sequence)) is None:
        return False
    codes, final = match.groups()
    code, _, character = [*codes.split(";"), "", ""][:3]
    is_other_key = f"{code}{final}" == "27~" and bool(character)
    return final != "u" and not is_other_key and f"{code or 1}{final}" not in FUNCTIONAL_KEYS
