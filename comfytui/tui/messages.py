"""What screens say to the app."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from comfytui.config.state import ViewState
    from comfytui.engine.actions import Action

__all__ = [
    "Arrived",
    "Copied",
    "OpenedRunner",
    "OpenedWorkflow",
    "Rearranged",
    "Saved",
    "SwitchedProfile",
    "Wished",
]


@dataclass
class Wished(Message):
    """The person wants this of the engine."""

    action: Action


@dataclass
class OpenedWorkflow(Message):
    """The person goes into this workflow of this runner."""

    runner_id: str
    workflow_id: str


@dataclass
class OpenedRunner(Message):
    """The person goes to this runner, on whatever page it is."""

    runner_id: str


@dataclass
class SwitchedProfile(Message):
    """The person wants to watch the fleet of this profile."""

    name: str


@dataclass
class Arrived(Message):
    """The person is somewhere else now: the way there, from the list inwards."""

    trail: tuple[str, ...]


@dataclass
class Rearranged(Message):
    """The person lists the runners in another way, which is to be remembered."""

    view: ViewState


@dataclass
class Copied(Message):
    """The person wants this text outside; `what` says what it is."""

    text: str
    what: str


@dataclass
class Saved(Message):
    """The person wants to keep the view of the screen that says so."""
