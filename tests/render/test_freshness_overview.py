"""What is found out of a snapshot once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from comfytui.engine.feed import Feed
from comfytui.engine.protocol import PageKey, Viewport
from comfytui.engine.snapshot import Snapshot
from comfytui.render.freshness import summarize
from tests.support.builders import make_page, make_runner

if TYPE_CHECKING:
    from comfytui.api.models import RunnerPage

PAGES = {
    PageKey(): Feed(make_page(make_runner("a"), total=230), fetched_monotonic=5.0),
    PageKey(1, 100): Feed(make_page(make_runner("a"), total=250), fetched_monotonic=9.0),
    PageKey(2, 100): Feed(make_page(make_runner("b"), total=250), fetched_monotonic=7.0),
}


@pytest.mark.parametrize("viewport", [Viewport(), Viewport(all_pages=True, runner_id="a"), Viewport(focused=False)])
@pytest.mark.parametrize("pages", [{}, PAGES])
def test_summary_equals_the_snapshot(viewport: Viewport, pages: dict[PageKey, Feed[RunnerPage]]) -> None:
    snapshot = Snapshot(viewport=viewport, pages=pages)
    seen = summarize(snapshot)
    assert (seen.total, seen.page_feed) == (snapshot.total, snapshot.page)
    assert (seen.interval_s, seen.list_interval_s) == (snapshot.interval_s, snapshot.list_interval_s)
