"""Taking things out of the dashboard: to the clipboard, or into a file."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on

from comfytui.tui.screen_stack import ScreenStackApp
from comfytui.tui.screens.base import FollowingScreen
from comfytui.tui.screens.messages import Copied, Saved

if TYPE_CHECKING:
    from comfytui.clock import Clock
    from comfytui.tui.services import Setup


_TOAST = 4.0


class TakingApp(ScreenStackApp):
    """An app out of whose screens ids, items and whole views can be taken.

    Args:
        clock: Dates files.
        setup: Says where things go.
    """

    def __init__(self, clock: Clock, setup: Setup) -> None:
        super().__init__()
        self.clock = clock
        self.setup = setup

    def tell(self, sentence: str, seconds: float = _TOAST) -> None:
        """Say something for a while, in a corner; it may be text of the API's."""
        self.notify(sentence, markup=False, timeout=seconds)

    @on(Copied)
    def _copied(self, event: Copied) -> None:
        self.run_worker(self._copy(event.text, event.what), name="copy", exclusive=True, group="copy")

    @on(Saved)
    def _saved(self, event: Saved) -> None:
        from comfytui.render.export import ExportFormat, suggest_file_name
        from comfytui.tui.screens.save import SaveScreen

        if (screen := event.screen) is self.screen and isinstance(screen, FollowingScreen):
            what, _ = screen.exported()
            offered = suggest_file_name(what, self.clock.now().astimezone(), ExportFormat.TEXT)
            self.open_screen(SaveScreen(offered), partial(self._named, screen))

    def _named(self, screen: FollowingScreen, name: str | None) -> None:
        if name is not None:
            # The picture is taken once the box is gone from it.
            self.call_after_refresh(self._save, screen, name)

    async def _save(self, screen: FollowingScreen, name: str) -> None:

        text = self._content(screen, name)
        wrong = await asyncio.to_thread(save_file, self.setup.saves_in, name, text)
        self.tell(wrong or f"Saved in {name}")

    def _content(self, screen: FollowingScreen, name: str) -> str:
        from comfytui.render.export import (
            RUNNER_FIELDS,
            WORKFLOW_FIELDS,
            ExportFormat,
            format_for_name,
            strip_external_assets,
            to_csv,
            to_json,
            to_text,
        )

        what, items = screen.exported()
        match format_for_name(name):
            case ExportFormat.JSON:
                return to_json(items)
            case ExportFormat.CSV:
                return to_csv(items, RUNNER_FIELDS if what == "runners" else WORKFLOW_FIELDS)
            case ExportFormat.SVG:
                return strip_external_assets(self.export_screenshot(title=self.title))
            case _:
                return to_text(screen.lines)

    async def _copy(self, text: str, what: str) -> None:
        from comfytui.tui.terminal.clipboard import copy_text

        copied = await copy_text(text, self.setup.environ, self.write_to_terminal, self.setup.copies_in)
        self.tell(f"{what[:1].upper()}{what[1:]}: {copied.words}")

    def write_to_terminal(self, text: str) -> None:
        """Write to the terminal beside what is drawn; to nothing where there is none."""
        if self._driver is not None:
            self._driver.write(text)


def save_file(directory: Path, name: str, text: str) -> str | None:
    """Write a new file, and return None, or the sentence that says why it could not be written.

    A file that is there already, or a link, stays as it is. A file that cannot be written whole is not left behind.
    """
    from comfytui.config.paths import display_path
    from comfytui.files import os_error_message, write_new
    from comfytui.render.export import validate_file_name

    if (wrong := validate_file_name(name)) is not None:
        return wrong
    path = directory / name
    try:
        write_new(path, text)
    except FileExistsError:
        return f"{name} is there already, and was not overwritten."
    except OSError as error:
        return f"{display_path(path)} cannot be written: {os_error_message(error)}."
    return None
