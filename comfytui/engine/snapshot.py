"""Everything a screen may show, at one revision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from comfytui.engine.feed import Feed
from comfytui.engine.resources import PageKey

if TYPE_CHECKING:
    from comfytui.api.models import Runner, RunnerPage, Workflow

__all__ = ["Attention", "Snapshot"]

DEFAULT_INTERVAL = 5.0


@dataclass(frozen=True, slots=True)
class Attention:
    """What the person looks at: the engine polls this and nothing else.

    Attributes:
        page: The page of the list in view.
        runner_id: The runner under the cursor, None where there is none.
        paused: Whether polling is halted; what was never asked, and `Refresh`, is still asked once.
    """

    page: PageKey = field(default_factory=PageKey)
    runner_id: str | None = None
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One whole, immutable state of what is known; `replace` shares what did not change, so `is` detects it.

    Attributes:
        revision: Grows with every published change.
        attention: What was being looked at.
        interval: Seconds between polls of one resource.
        pages: Feeds of the pages asked so far.
        runners: Feeds of Get Runner by runner id.
        histories: Feeds of Get Runner History by runner id, newest created first.
    """

    revision: int = 0
    attention: Attention = field(default_factory=Attention)
    interval: float = DEFAULT_INTERVAL
    pages: Mapping[PageKey, Feed[RunnerPage]] = field(default_factory=dict)
    runners: Mapping[str, Feed[Runner]] = field(default_factory=dict)
    histories: Mapping[str, Feed[tuple[Workflow, ...]]] = field(default_factory=dict)

    @property
    def page(self) -> Feed[RunnerPage]:
        """The feed of the page in view."""
        return self.pages.get(self.attention.page, Feed())

    def runner(self, runner_id: str | None) -> Feed[Runner]:
        """The feed of a runner's details, an empty one where it was never asked."""
        return self.runners.get(runner_id, Feed()) if runner_id is not None else Feed()

    def history(self, runner_id: str | None) -> Feed[tuple[Workflow, ...]]:
        """The feed of a runner's history, an empty one where it was never asked."""
        return self.histories.get(runner_id, Feed()) if runner_id is not None else Feed()
