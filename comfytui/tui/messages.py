"""What screens say to the app."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from comfytui.engine.actions import Action

__all__ = ["OpenedWorkflow", "Wished"]


@dataclass
class Wished(Message):
    """The person wants this of the engine."""

    action: Action


@dataclass
class OpenedWorkflow(Message):
    """The person goes into this workflow of this runner."""

    runner_id: str
    workflow_id: str
