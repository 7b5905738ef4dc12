"""What the main screen says of what it knows, and of what it does not."""

from __future__ import annotations

from textual.events import AppBlur, AppFocus

from comfytui.api.errors import NotFoundError, RateLimitedError, ServerError
from comfytui.api.histories import CutHistory
from comfytui.engine.protocol import HistoryKey, PageKey
from comfytui.tui.screens.dashboard import DashboardScreen
from tests.support.builders import make_page, make_runner, make_workflow
from tests.support.pilot import Driven, demo, scripted

ID = "550e8400-e29b-41d4-a716-446655440000"


def dashboard(driven: Driven) -> DashboardScreen:
    screen = driven.app.screen_stack[0]
    assert isinstance(screen, DashboardScreen)
    return screen


async def test_pausing_is_loud_and_asks_nothing_until_told() -> None:
    page = make_page(make_runner("a"))
    async with scripted(page) as (driven, source):
        await driven.press("space")
        await driven.sees("PAUSED")
        source.forget()
        await driven.passes(60)
        assert source.asked == []
        await driven.press("r")
        await driven.until(lambda: PageKey() in source.asked)
        await driven.press("space")
        await driven.sees("● live")


async def test_refresh_asks_again_at_once() -> None:
    async with scripted(make_page(make_runner("a"))) as (driven, source):
        source.pages[PageKey()] = make_page(make_runner("a", name="Renamed"))
        await driven.press("r")
        await driven.sees("Renamed")


async def test_polling_shows_what_changed_without_a_key() -> None:
    async with scripted(make_page(make_runner("a"))) as (driven, source):
        source.pages[PageKey()] = make_page(make_runner("b", name="New Runner"), make_runner("a"))
        await driven.passes(5)
        await driven.sees("New Runner", "1–2 of 2")
        assert dashboard(driven).runners.cursor_id == "a"


async def test_a_failed_poll_keeps_the_rows_and_says_what_since_when_and_what_next() -> None:
    async with scripted(make_page(make_runner("a"))) as (driven, source):
        source.pages[PageKey()] = ServerError("GET", "/v1/runner", "out of order", 503)
        await driven.passes(5)
        await driven.sees("Runner a", "stale since", "503 from the API: out of order", "retry in")
        source.pages[PageKey()] = make_page(make_runner("a"))
        await driven.passes(6)
        await driven.sees("● live")
        assert "stale" not in driven.text


async def test_a_feed_that_was_not_answered_for_long_is_late() -> None:
    async with scripted(make_page(make_runner("a"))) as (driven, source):
        source.hold(PageKey())
        await driven.clock.advance(12)
        driven.redraw()
        await driven.sees("late 12 s")
        source.release(PageKey())


async def test_a_runner_that_is_gone_leaves_the_list_and_the_cursor_goes_to_its_neighbour() -> None:
    page = make_page(make_runner("a"), make_runner("b"), make_runner("c"))
    async with scripted(page) as (driven, source):
        await driven.press("j")
        source.runners["b"] = source.histories["b"] = NotFoundError(
            "GET", "/v1/runner/b", "requested entity not found", 404
        )
        source.pages[PageKey()] = make_page(make_runner("a"), make_runner("c"))
        await driven.passes(5)
        await driven.sees("Runner b is no longer registered", "of 2")
        assert [row.id for row in dashboard(driven).runners.rows] == ["a", "c"]
        assert dashboard(driven).runners.cursor_id == "c"


async def test_a_runner_that_left_the_page_under_the_cursor_is_named_for_a_while() -> None:
    async with scripted(make_page(make_runner("a"), make_runner("b"))) as (driven, source):
        source.pages[PageKey()] = make_page(make_runner("b"))
        await driven.passes(5)
        await driven.sees("Runner a is no longer on this page")
        assert dashboard(driven).runners.cursor_id == "b"
        await driven.passes(16)
        assert "no longer" not in driven.text


async def test_a_cool_down_is_counted_down_and_then_over() -> None:
    async with scripted(make_page(make_runner("a"))) as (driven, source):
        source.pages[PageKey()] = RateLimitedError("GET", "/v1/runner", "too many requests", 429)
        await driven.clock.advance(5)
        driven.redraw()
        await driven.sees("Runner a", "cooling down")
        source.pages[PageKey()] = make_page(make_runner("a"))
        await driven.passes(12)
        await driven.sees("● live")


async def test_a_pane_says_for_itself_that_its_answer_is_overdue() -> None:
    async with scripted(make_page(make_runner("a"))) as (driven, source):
        source.hold(HistoryKey("a"))
        await driven.clock.advance(13)
        driven.redraw()
        await driven.sees("● live", "╰─ ◔ late 13 s ─")
        source.release(HistoryKey("a"))


async def test_out_of_focus_it_polls_four_times_less() -> None:
    async with scripted(make_page(make_runner("a"))) as (driven, source):
        driven.app.post_message(AppBlur())
        await driven.sees("every 20 s")
        source.forget()
        await driven.clock.advance(19)
        assert PageKey() not in source.asked
        driven.app.post_message(AppFocus())
        await driven.sees("every 5 s")
        await driven.until(lambda: PageKey() in source.asked)


async def test_an_empty_account_an_empty_filter_and_an_empty_history_have_their_sentences() -> None:
    async with scripted(make_page()) as (driven, _):
        await driven.sees("No runners yet.", "page 1/1  0 of 0")
        await driven.press("s")
        await driven.sees("No active runners.")
    async with scripted(make_page(make_runner("a"))) as (driven, _):
        await driven.sees("No workflows on this runner yet.")


async def test_a_list_that_shrank_below_the_page_in_view_goes_to_its_last_page() -> None:
    async with scripted(make_page(make_runner("a"), total=60)) as (driven, source):
        source.pages[PageKey(2)] = make_page(make_runner("m"), total=60)
        source.pages[PageKey(3)] = make_page(make_runner("z"), total=60)
        await driven.press("n", "n")
        await driven.sees("page 3/3")
        source.pages[PageKey(3)] = make_page(total=30)
        source.pages[PageKey(2)] = make_page(make_runner("m"), total=30)
        await driven.passes(5)
        await driven.sees("page 2/2", "Runner m")


async def test_hostile_text_is_shown_and_never_obeyed() -> None:
    name = "[/x] [bold] \x1b]0;pwned\x07 \u202e 日本語 🚀 {} %s"
    runners = (make_runner("a", name=name, tags=[name], endpoint=name, status=name, headers={name: name}, more=name),)
    workflow = make_workflow("w", name=name, status=name, tags=[name], created_at=name, started_at=5, extra=[name])
    async with scripted(make_page(*runners), (workflow,)) as (driven, _):
        await driven.sees("[/x] [bold] ␛]0;pwned␇", "日本語 🚀")
        await driven.press("enter", "enter")
        await driven.sees("[/x] [bold] ␛]0;pwned␇")
        assert not any(ord(char) < 32 for line in driven.lines for char in line)


async def test_rows_of_nothing_but_an_id_are_shown() -> None:
    nothing = {"name": None, "status": None, "endpoint": None, "tags": None, "headers": None}
    async with scripted(make_page(make_runner("only-an-id", **nothing)), (make_workflow("w-1", name=""),)) as (
        driven,
        _,
    ):
        await driven.sees("only-an-id", "–")
        await driven.press("enter", "enter")
        await driven.sees("w-1")


async def test_a_long_name_is_cut_in_the_list_and_whole_in_the_detail() -> None:
    name = "".join(f"<{number}>" for number in range(60))
    async with scripted(make_page(make_runner("a", name=name))) as (driven, _):
        row = next(line for line in driven.lines if line.startswith("│ ●"))
        assert "<0>" in row
        assert "…" in row
        await driven.sees("<59>")


async def test_header_values_are_revealed_until_the_selection_moves() -> None:
    async with demo() as driven:
        await driven.press("H")
        await driven.sees("Bearer secret_token")
        await driven.press("H")
        assert "secret_token" not in driven.text
        await driven.press("H", "j", "k")
        await driven.sees("Authorization  ••••••••")
        assert "secret_token" not in driven.text


async def test_answers_with_more_than_asked_for_say_that_they_are_cut() -> None:
    page = make_page(make_runner("a")).model_copy(update={"is_cut": True})
    async with scripted(page) as (driven, source):
        await driven.sees("page 1/1", "cut: the API sent more than requested")
        source.pages[PageKey()] = make_page(make_runner("a"))
        source.histories["a"] = CutHistory([make_workflow("w")])
        await driven.passes(6)
        await driven.sees("Workflow w", "cut: the API sent more than requested")
        source.histories["a"] = (make_workflow("w"),)
        await driven.passes(6)
        await driven.until(lambda: "cut: the API" not in driven.text)
