"""Messages of screens to the app.

They are plain classes, for a dataclass would cost each start a quarter of a millisecond.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from textual.screen import Screen

    from comfytui.config.state import ViewState
    from comfytui.engine.protocol import EngineCommand


class EngineCommandIssued(Message):
    """A command for the engine was issued."""

    def __init__(self, command: EngineCommand) -> None:
        super().__init__()
        self.command = command


class WorkflowRequested(Message):
    """A workflow of a runner is to be opened."""

    def __init__(self, runner_id: str, workflow_id: str) -> None:
        super().__init__()
        self.runner_id = runner_id
        self.workflow_id = workflow_id


class RunnerRequested(Message):
    """The cursor is to move to a runner, on whatever page it is."""

    def __init__(self, runner_id: str) -> None:
        super().__init__()
        self.runner_id = runner_id


class ProfileSelected(Message):
    """The fleet of another profile is to be watched."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class BreadcrumbChanged(Message):
    """The breadcrumb changed, from the list inwards."""

    def __init__(self, breadcrumb: tuple[str, ...]) -> None:
        super().__init__()
        self.breadcrumb = breadcrumb


class ListViewChanged(Message):
    """Filter, order or columns changed and are to be saved."""

    def __init__(self, view: ViewState) -> None:
        super().__init__()
        self.view = view


class CopyRequested(Message):
    """A text is to be copied; `what` names it."""

    def __init__(self, text: str, what: str) -> None:
        super().__init__()
        self.text = text
        self.what = what


class SaveRequested(Message):
    """The view of a screen is to be saved to a file."""

    def __init__(self, screen: Screen[None]) -> None:
        super().__init__()
        self.screen = screen
