"""A RunnerSource whose list changes while it is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from comfytui.engine.protocol import PageKey
from comfytui.ratelimit.window import Priority
from tests.support.builders import make_page, make_runner
from tests.support.source import ScriptedSource

if TYPE_CHECKING:
    from comfytui.api.models import RunnerPage
    from comfytui.api.statuses import RunnerStatus
    from comfytui.clock import Clock
    from comfytui.ratelimit.window import OnSent, RateLimiter

__all__ = ["ChangingSource"]


class ChangingSource(ScriptedSource):
    """Cuts a list into pages as it is at the moment of each answer.

    Attributes:
        ids: The ids of the runners, newest first.
        changes: What the list becomes after each answer from now on, one after another.
        beyond: What pages beyond the last one raise; None if they are empty.
    """

    def __init__(self, clock: Clock, ids: list[str], rate_limiter: RateLimiter | None = None) -> None:
        super().__init__(clock, rate_limiter=rate_limiter)
        self.ids = ids
        self.beyond: Exception | None = None
        self.changes: list[Callable[[list[str]], list[str]]] = []

    async def list_runners(
        self,
        page: int = 1,
        per_page: int = 10,
        status: RunnerStatus | None = None,
        priority: Priority = Priority.POLL,
        on_sent: OnSent = None,
    ) -> RunnerPage:
        return await self._answer(PageKey(page, per_page, status), priority, on_sent, lambda: self._cut(page, per_page))

    def _cut(self, page: int, per_page: int) -> RunnerPage | Exception:
        if self.beyond is not None and page > 1 and (page - 1) * per_page >= len(self.ids):
            return self.beyond
        answer = make_page(*map(make_runner, self.ids[(page - 1) * per_page : page * per_page]), total=len(self.ids))
        if self.changes:
            self.ids = self.changes.pop(0)(self.ids)
        return answer
