"""Copies to the clipboard and saved views."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from comfytui.tui.screen_stack import notify_user, open_screen
from comfytui.tui.screens.base import SnapshotScreen

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import App
    from textual.screen import Screen

    from comfytui.clock import Clock
    from comfytui.tui.services import AppServices


class Exporter:
    """Copy of texts to the clipboard, and of the data on a screen into a file.

    Args:
        app: The app whose screens are exported.
        clock: Clock that dates files.
        services: Directories and environment of the export.
        write_to_terminal: Writes an escape sequence to the terminal.
    """

    def __init__(
        self, app: App[None], clock: Clock, services: AppServices, write_to_terminal: Callable[[str], None]
    ) -> None:
        self._app = app
        self._clock = clock
        self._services = services
        self._write_to_terminal = write_to_terminal

    def copy(self, text: str, label: str) -> None:
        """Copy a text to the clipboard, or into a file if there is no clipboard.

        Args:
            text: The text to copy.
            label: Name of the text in the notification.
        """
        self._app.run_worker(self._copy(text, label), name="copy", exclusive=True, group="copy")

    def save(self, screen: Screen[None]) -> None:
        """Ask for a file name and save the view of this screen, unless another one is on top by now."""
        from comfytui.render.export import ExportFormat, suggest_file_name
        from comfytui.tui.screens.save import SaveScreen

        if screen is self._app.screen and isinstance(screen, SnapshotScreen):
            what, _ = screen.export_items()
            offered = suggest_file_name(what, self._clock.now().astimezone(), ExportFormat.TEXT)
            open_screen(self._app, SaveScreen(offered), partial(self._save_as, screen))

    async def _copy(self, text: str, label: str) -> None:
        from comfytui.tui.terminal.clipboard import copy_text

        copied = await copy_text(text, self._services.environ, self._write_to_terminal, self._services.clipboard_dir)
        notify_user(self._app, f"{label[:1].upper()}{label[1:]}: {copied.message}")

    def _save_as(self, screen: SnapshotScreen, name: str | None) -> None:
        if name is not None:
            # A picture is taken only after the dialog is gone from the screen.
            self._app.call_after_refresh(self._save, screen, name)

    async def _save(self, screen: SnapshotScreen, name: str) -> None:
        text = self._content(screen, name)
        error = await asyncio.to_thread(save_file, self._services.export_dir, name, text)
        notify_user(self._app, error or f"Saved in {name}")

    def _content(self, screen: SnapshotScreen, name: str) -> str:
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

        what, items = screen.export_items()
        match format_for_name(name):
            case ExportFormat.JSON:
                return to_json(items)
            case ExportFormat.CSV:
                return to_csv(items, RUNNER_FIELDS if what == "runners" else WORKFLOW_FIELDS)
            case ExportFormat.SVG:
                return strip_external_assets(self._app.export_screenshot(title=self._app.title))
            case _:
                return to_text(screen.lines)


def save_file(directory: Path, name: str, text: str) -> str | None:
    """Write a new file and return None, or return the sentence that says why it could not be written.

    An existing file or link stays unchanged. A file that cannot be written completely is removed.
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
        return f"{name} already exists and was not overwritten."
    except OSError as error:
        return f"{display_path(path)} cannot be written: {os_error_message(error)}."
    return None
