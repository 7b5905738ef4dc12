"""What a prompt says to the screen that opened it; that screen has to know it before there is any prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from comfytui.tui.widgets.prompt import Prompt

__all__ = ["Dropped", "Edited", "Given", "Puzzled"]


class Edited(Message):
    """Something else stands in the line now."""

    def __init__(self, prompt: Prompt, text: str) -> None:
        super().__init__()
        self.prompt = prompt
        self.text = text


class Given(Message):
    """This is the line."""

    def __init__(self, prompt: Prompt, text: str) -> None:
        super().__init__()
        self.prompt = prompt
        self.text = text


class Dropped(Message):
    """Never mind."""

    def __init__(self, prompt: Prompt) -> None:
        super().__init__()
        self.prompt = prompt


class Puzzled(Message):
    """What can be typed into a filter?"""
