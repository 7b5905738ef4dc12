from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual import events, on
from textual.app import App

from comfytui.tui.keys.type_ahead import KeySequencer
from comfytui.tui.widgets.inputs import TextInput

if TYPE_CHECKING:
    from textual.app import ComposeResult


class EntryApp(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.given = ""
        self._key_sequencer = KeySequencer(self)

    async def on_event(self, event: events.Event) -> None:
        if not await self._key_sequencer.handle(event):
            await super().on_event(event)

    def compose(self) -> ComposeResult:
        yield TextInput("abc")

    @on(TextInput.Submitted)
    def _given(self, event: TextInput.Submitted) -> None:
        self.given = event.value


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (["backspace", "x"], "abx"),
        (["backspace", "backspace", "x", "y"], "axy"),
        (["left", "x"], "abxc"),
        (["home", "x", "right", "y"], "xaybc"),
        (["home", "delete", "x"], "xbc"),
        (["home", "end", "x"], "abcx"),
        (["x", "enter"], "abcx"),
    ],
)
async def test_keys_that_come_in_one_packet_act_in_their_order(keys: list[str], text: str) -> None:
    app = EntryApp()
    async with app.run_test() as pilot:
        for key in keys:
            # All of them before the app comes to any: as the terminal's driver hands on what it reads at once.
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        await pilot.pause()
        entry = app.query_one(TextInput)
        assert entry.value == text
        assert (app.given == text) == ("enter" in keys)
        assert not entry.cursor_blink
