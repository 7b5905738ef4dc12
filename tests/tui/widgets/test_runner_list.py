"""What of the list is made anew."""

from __future__ import annotations

from comfytui.tui.screens.dashboard import DashboardScreen
from tests.support.pilot import demo


async def test_a_row_of_which_nothing_is_news_is_the_very_same() -> None:
    async with demo((120, 20), runners=30) as driven:
        assert isinstance(driven.app.screen, DashboardScreen)
        runners = driven.app.screen.runners
        before = runners.rows
        known = set(driven.app.snapshot.histories)
        await driven.press("G")
        await driven.until(lambda: set(driven.app.snapshot.histories) > known)
        await driven.settled()
        anew = {row.id for row, was in zip(runners.rows, before, strict=True) if row is not was}
        assert anew == set(driven.app.snapshot.histories) - known
