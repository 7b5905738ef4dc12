"""What screens say to the app.

Written out, for a dataclass takes a quarter of a millisecond of every start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from textual.screen import Screen

    from comfytui.config.state import ViewState
    from comfytui.engine.protocol import EngineCommand


class Wished(Message):
    """The person wants this of the engine."""

    def __init__(self, action: EngineCommand) -> None:
        super().__init__()
        self.action = action


class OpenedWorkflow(Message):
    """The person goes into this workflow of this runner."""

    def __init__(self, runner_id: str, workflow_id: str) -> None:
        super().__init__()
        self.runner_id = runner_id
        self.workflow_id = workflow_id


class OpenedRunner(Message):
    """The person goes to this runner, on whatever page it is."""

    def __init__(self, runner_id: str) -> None:
        super().__init__()
        self.runner_id = runner_id


class SwitchedProfile(Message):
    """The person wants to watch the fleet of this profile."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class Arrived(Message):
    """The person is somewhere else now: the way there, from the list inwards."""

    def __init__(self, trail: tuple[str, ...]) -> None:
        super().__init__()
        self.trail = trail


class Rearranged(Message):
    """The person lists the runners in another way, which is to be remembered."""

    def __init__(self, view: ViewState) -> None:
        super().__init__()
        self.view = view


class Copied(Message):
    """The person wants this text outside; `what` says what it is."""

    def __init__(self, text: str, what: str) -> None:
        super().__init__()
        self.text = text
        self.what = what


class Saved(Message):
    """The view of a screen is to be kept, whichever screen is on top once this is read."""

    def __init__(self, screen: Screen[None]) -> None:
        super().__init__()
        self.screen = screen
