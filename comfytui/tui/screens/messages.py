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


class EngineCommandIssued(Message):
    """The person wants this of the engine."""

    def __init__(self, command: EngineCommand) -> None:
        super().__init__()
        self.command = command


class WorkflowRequested(Message):
    """The person goes into this workflow of this runner."""

    def __init__(self, runner_id: str, workflow_id: str) -> None:
        super().__init__()
        self.runner_id = runner_id
        self.workflow_id = workflow_id


class RunnerRequested(Message):
    """The person goes to this runner, on whatever page it is."""

    def __init__(self, runner_id: str) -> None:
        super().__init__()
        self.runner_id = runner_id


class ProfileSelected(Message):
    """The person wants to watch the fleet of this profile."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class BreadcrumbChanged(Message):
    """The person is somewhere else now: the way there, from the list inwards."""

    def __init__(self, breadcrumb: tuple[str, ...]) -> None:
        super().__init__()
        self.breadcrumb = breadcrumb


class ListViewChanged(Message):
    """The person lists the runners in another way, which is to be remembered."""

    def __init__(self, view: ViewState) -> None:
        super().__init__()
        self.view = view


class CopyRequested(Message):
    """The person wants this text outside; `what` says what it is."""

    def __init__(self, text: str, what: str) -> None:
        super().__init__()
        self.text = text
        self.what = what


class SaveRequested(Message):
    """The view of a screen is to be kept, whichever screen is on top once this is read."""

    def __init__(self, screen: Screen[None]) -> None:
        super().__init__()
        self.screen = screen
