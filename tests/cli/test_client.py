from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from comfytui.api.errors import (
    BadRequestError,
    ComfyControlError,
    ConnectionFailedError,
    ForbiddenError,
    InvalidArgumentError,
    InvalidResponseError,
    NotFoundError,
    RateLimitedError,
    RequestTimeoutError,
    ServerError,
    SilentRunnerError,
    UnauthorizedError,
)
from comfytui.api.statuses import RunnerState
from comfytui.backends import UnusableTokenError
from comfytui.cli.client import RetryingClient, RunnerLookupError, exit_for_error, fetch
from comfytui.cli.context import CommandContext
from comfytui.cli.deadlines import CooldownError, pausable_timeout
from comfytui.cli.exit_codes import ExitCode
from comfytui.cli.progress import Progress
from comfytui.config.credentials import MISSING_TOKEN, TOKEN_VARIABLE
from comfytui.config.settings import API_URL_VARIABLE, Server, Settings
from comfytui.engine.protocol import PageKey, RunnerKey
from comfytui.gateway.comfyui.mapping import runner_id_for
from comfytui.ratelimit.local import LocalRateLimiter
from tests.support.builders import make_page, make_runner
from tests.support.clock import FakeClock, settle
from tests.support.scripted import ScriptedServer, error_reply, html_reply, json_reply, reply
from tests.support.source import ScriptedSource

if TYPE_CHECKING:
    from comfytui.api.models import Runner
    from comfytui.backends import Connect
    from tests.cli.conftest import Outcome, Run
    from tests.support.scripted import Answer

RUNNER = {"id": "r1", "name": "gpu", "status": "active"}
PAGE = {"runners": [RUNNER], "total": 1}

AT = ("GET", "/v1/runner")


class Failing(ScriptedSource):
    """Raises these one after the other, then answers."""

    def __init__(self, clock: FakeClock, *errors: ComfyControlError) -> None:
        super().__init__(clock)
        self.errors = list(errors)
        self.tries = 0
        self.hangs = False

    async def get_runner(self, runner_id: str, *_use: object) -> Runner:
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)
        if self.hangs:
            await asyncio.Event().wait()
        return make_runner(runner_id)


@pytest.fixture
async def server(environ: pytest.MonkeyPatch) -> AsyncIterator[ScriptedServer]:
    """An API that says what a test wants said, and a token for it."""
    environ.setenv(TOKEN_VARIABLE, "cfc_sekret")
    async with ScriptedServer() as scripted:
        environ.setenv(API_URL_VARIABLE, scripted.url)
        yield scripted


def failing(
    *errors: ComfyControlError, no_wait: bool = False, timeout: float = 10.0
) -> tuple[RetryingClient, Failing, FakeClock]:
    clock = FakeClock()
    source = Failing(clock, *errors)
    return RetryingClient(source, clock, Progress(clock), no_wait=no_wait, timeout=timeout), source, clock


def server_error(status: int = 503) -> ServerError:
    return ServerError(*AT, "down", status)


@pytest.mark.parametrize(
    "errors",
    [
        [ConnectionFailedError(*AT, "refused")],
        [RequestTimeoutError(*AT, "late"), server_error()],
        [server_error(500), server_error(502)],
        [RateLimitedError(*AT, "slow down", retry_after=0.0)] * 3,
    ],
)
async def test_transient_failures_are_retried(errors: list[ComfyControlError]) -> None:
    asker, source, clock = failing(*errors)
    task = asyncio.create_task(asker.runner("r1"))
    await clock.advance(0.4)
    assert task.done() is isinstance(errors[0], RateLimitedError)
    await clock.advance(1.1)
    assert (await task).id == "r1"
    assert source.tries == len(errors) + 1


@pytest.mark.parametrize(
    "error",
    [
        BadRequestError(*AT, "no", 400),
        UnauthorizedError(*AT, "no", 401),
        ForbiddenError(*AT, "no", 403),
        NotFoundError(*AT, "no", 404),
        InvalidResponseError(*AT, "no"),
        InvalidArgumentError("no"),
    ],
)
async def test_a_no_is_a_no(error: ComfyControlError) -> None:
    asker, source, _ = failing(error)
    with pytest.raises(type(error)):
        await asker.runner("r1")
    assert source.tries == 1


async def test_client_gives_up_after_three_tries(capsys: pytest.CaptureFixture[str]) -> None:
    asker, source, clock = failing(*[ConnectionFailedError(*AT, "Connection refused")] * 3)
    task = asyncio.create_task(asker.runner("r1"))
    await clock.advance(1.5)
    with pytest.raises(ConnectionFailedError):
        await task
    assert source.tries == 3
    assert capsys.readouterr().err == "comfytui: Connection refused; asking again\n"


def opened_with(connect: Connect, *, url: str = "https://api.example.com") -> CommandContext:
    clock = FakeClock()
    return CommandContext(Settings(source_name="api", url=url), connect, clock, LocalRateLimiter(clock))


async def test_client_cancels_and_closes_a_hanging_source() -> None:
    clock = FakeClock()
    source = Failing(clock, ConnectionFailedError(*AT, "refused"))

    async def connect() -> Failing:
        return source

    # Its clock stands still, so it pauses for ever.
    with pytest.raises(RequestTimeoutError, match=r"no answer within 0\.01 seconds"):
        await fetch(opened_with(connect), Progress(clock), lambda asker: asker.runner("r1"), seconds=0.01)
    assert source.closed == 1


async def test_an_api_that_fails_slowly_has_said_no() -> None:
    clock = FakeClock()
    source = Failing(clock, ConnectionFailedError(*AT, "refused"), server_error())

    async def connect() -> Failing:
        return source

    at = opened_with(connect)
    task = asyncio.create_task(fetch(at, Progress(clock), lambda asker: asker.runner("r1"), seconds=0.05))
    assert isinstance(at.clock, FakeClock)
    await at.clock.advance(0.5)
    with pytest.raises(ServerError, match="down"):
        await task


async def test_a_token_that_does_not_come_is_given_up_too(capsys: pytest.CaptureFixture[str]) -> None:
    async def connect() -> Failing:
        return await asyncio.Future[Failing]()

    at = opened_with(connect)
    with pytest.raises(UnusableTokenError, match=r"no token within 0\.01 seconds"):
        await fetch(at, Progress(at.clock), lambda asker: asker.runner("r1"), seconds=0.01)


@pytest.mark.parametrize("error", [None, server_error(500), NotFoundError(*AT, "gone", 404)])
async def test_an_answer_gives_it_as_much_time_again(error: ComfyControlError | None) -> None:
    clock, loop = FakeClock(), asyncio.get_running_loop()
    source = ScriptedSource(clock)
    if error is not None:
        source.stats["r1"] = error
    asker = RetryingClient(source, clock, Progress(clock))
    async with pausable_timeout(60.0) as deadline:
        deadline.reschedule(loop.time() + 30.0)
        with suppress(NotFoundError, ServerError):
            await asker.stats("r1")
        when = deadline.when()
        assert when is not None
        assert when - loop.time() > 59.0


async def test_no_answer_gives_it_no_more_time() -> None:
    asker, _, clock = failing(*[ConnectionFailedError(*AT, "refused")] * 3)
    async with pausable_timeout(60.0) as deadline:
        before = deadline.when()
        task = asyncio.create_task(asker.runner("r1"))
        await clock.advance(1.5)
        with pytest.raises(ConnectionFailedError):
            await task
        assert deadline.when() == before


def silent(state: RunnerState, words: str = "slow, last answered 12 s ago") -> SilentRunnerError:
    return SilentRunnerError(*AT, f"gpu2: {words}", 503, state, words)


async def test_slow_runner_is_asked_for_until_it_answers() -> None:
    asker, source, clock = failing(*(silent(RunnerState.SLOW) for _ in range(7)))
    task = asyncio.create_task(asker.runner("r1"))
    await clock.advance(6.9)
    assert not task.done()
    await clock.advance(0.1)
    assert (await task).id == "r1"
    assert source.tries == 8


async def test_slow_runners_are_waited_for_as_long_as_the_timeout_says_in_all() -> None:
    asker, source, clock = failing(*(silent(RunnerState.WAITING) for _ in range(30)))
    task = asyncio.create_task(asker.runner("r1"))
    await clock.advance(9.9)
    assert not task.done()
    await clock.advance(0.1)
    with pytest.raises(SilentRunnerError, match=r"gpu2: slow"):
        await task
    tries = source.tries
    with pytest.raises(SilentRunnerError):
        await asker.runner("r2")
    assert (tries, source.tries) == (11, 12)


async def test_slow_runner_that_hangs_when_asked_again_takes_no_longer_than_the_timeout_says() -> None:
    asker, source, clock = failing(silent(RunnerState.SLOW), timeout=1.001)
    source.hangs = True
    task = asyncio.create_task(asker.runner("r1"))
    await clock.advance(1.0)
    with pytest.raises(SilentRunnerError, match=r"gpu2: slow"):
        await task
    assert source.tries == 2


@pytest.mark.parametrize("state", [RunnerState.UNREACHABLE, RunnerState.PARTIAL])
async def test_runner_that_does_not_answer_is_asked_for_once(state: RunnerState) -> None:
    asker, source, _ = failing(silent(state, "connection refused"))
    with pytest.raises(SilentRunnerError) as caught:
        await asker.runner("r1")
    assert source.tries == 1
    assert exit_for_error(caught.value) == (ExitCode.UNREACHABLE, "gpu2: connection refused")


async def test_runner_waited_for_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    source = ScriptedSource(clock)
    source.pages[PageKey(1, 100)] = make_page(make_runner("r2", name="gpu-07"))
    asker = RetryingClient(source, clock, Progress(clock), names={"r1": "studio"})
    await asker.page(1, 100)
    for id, name in (("r1", "studio"), ("r2", "gpu-07")):
        source.hold(RunnerKey(id))
        task = asyncio.create_task(asker.runner(id))
        await clock.advance(10)
        assert capsys.readouterr().err == f"comfytui: waiting for {name}\n"
        task.cancel()


async def test_server_that_does_not_answer_at_all_is_named() -> None:
    clock = FakeClock()
    source = ScriptedSource(clock)
    server = Server("http://gpu2:8188", "studio")
    source.hold(RunnerKey(runner_id_for(server.url)))

    async def connect() -> ScriptedSource:
        return source

    at = CommandContext(
        Settings(source_name="comfyui", url="", servers=(server,)), connect, clock, LocalRateLimiter(clock)
    )
    with pytest.raises(SilentRunnerError, match=r" studio: no answer within 0\.01 seconds$"):
        await fetch(at, Progress(clock), lambda asker: asker.runner(runner_id_for(server.url)), seconds=0.01)


async def test_progress_tells_the_reason_of_a_wait(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    source = ScriptedSource(clock)
    source.hold(RunnerKey("r1"))
    task = asyncio.create_task(RetryingClient(source, clock, Progress(clock)).runner("r1"))
    await clock.advance(0.9)
    assert capsys.readouterr().err == ""
    await clock.advance(0.1)
    assert capsys.readouterr().err == "comfytui: waiting for an answer\n"
    source.release(RunnerKey("r1"))
    await task


async def test_being_sent_away_is_not_borne_where_it_is_not_to_wait() -> None:
    asker, source, _ = failing(RateLimitedError(*AT, "slow down", retry_after=7.2), no_wait=True)
    with pytest.raises(CooldownError, match="retry in 8 s"):
        await asker.runner("r1")
    assert source.tries == 1


async def test_being_sent_away_is_borne_for_a_while() -> None:
    asker, source, _ = failing(*[RateLimitedError(*AT, "slow down", retry_after=7.2)] * 9)
    with pytest.raises(RateLimitedError) as raised:
        await asker.runner("r1")
    assert source.tries == 4
    assert exit_for_error(raised.value) == (ExitCode.FAILED, "Still rate limited after 4 attempts (HTTP 429).")


async def test_a_runner_that_is_silent_is_an_answer() -> None:
    clock = FakeClock()
    source = ScriptedSource(clock)
    source.stats = {"r1": server_error(500)}
    with pytest.raises(ServerError):
        await RetryingClient(source, clock, Progress(clock)).stats("r1")
    assert len(source.asked) == 1


def test_the_time_is_the_servers() -> None:
    clock = FakeClock()
    source = ScriptedSource(clock)
    source.clock_skew = 60.0
    assert (RetryingClient(source, clock, Progress(clock)).now() - clock.now()).total_seconds() == 60.0


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (UnauthorizedError(*AT, "token expired", 401), ExitCode.NO_TOKEN, "token expired"),
        (UnusableTokenError("it failed"), ExitCode.NO_TOKEN, "it failed"),
        (InvalidArgumentError("http:// would show it"), ExitCode.USAGE, "http:// would show it"),
        (ConnectionFailedError(*AT, "refused"), ExitCode.UNREACHABLE, "The API cannot be reached: refused"),
        (RequestTimeoutError(*AT, "late"), ExitCode.UNREACHABLE, "The API does not answer: late"),
        (ForbiddenError(*AT, "not your tier", 403), ExitCode.FAILED, "not your tier"),
        (server_error(), ExitCode.FAILED, "down"),
        (InvalidResponseError(*AT, "HTML"), ExitCode.FAILED, "Invalid response: HTML"),
        (RunnerLookupError("none"), ExitCode.FAILED, "none"),
        (ComfyControlError("anything"), ExitCode.FAILED, "anything"),
        (CooldownError(3.0), ExitCode.COOLING_DOWN, "retry in 3 s"),
    ],
)
def test_error_has_its_exit_status(
    error: ComfyControlError | CooldownError | RunnerLookupError, status: ExitCode, words: str
) -> None:
    assert exit_for_error(error)[0] is status
    assert words in exit_for_error(error)[1]


async def called(run: Run, *argv: str) -> Outcome:
    """The outcome of a call in a thread of its own, while this loop serves it."""
    return await asyncio.to_thread(run, *argv)


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (error_reply(401, "token expired"), 3, "token expired"),
        (error_reply(403, "your tier does not allow it"), 1, "your tier does not allow it"),
        (error_reply(400, "bad page"), 1, "bad page"),
        (html_reply(), 1, "HTML"),
    ],
)
async def test_api_error_ends_the_command(
    server: ScriptedServer, run: Run, answer: Answer, status: int, words: str
) -> None:
    server.on("/v1/runner", answer)
    outcome = await called(run, "runners", "--json", "--page", "1")
    assert (outcome.status, outcome.out) == (status, "")
    assert words in outcome.err
    assert "sekret" not in outcome.err
    assert len(server.requests) == 1


async def test_fine(server: ScriptedServer, run: Run, tmp_path: Path) -> None:
    server.on("/v1/runner", json_reply(PAGE))
    log = tmp_path / "own.log"
    outcome = await called(run, "runners", "--ndjson", "--log", str(log))
    assert outcome.status == 0
    assert outcome.err == ""
    assert outcome.out.startswith('{"id":"r1",')
    assert "GET /v1/runner?page=1&per_page=100 200" in log.read_text()
    assert server.requests[0].headers["authorization"] == "Bearer cfc_sekret"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no such device here")
async def test_a_log_that_was_asked_for_and_cannot_be_written_is_told(server: ScriptedServer, run: Run) -> None:
    server.on("/v1/runner", json_reply(PAGE))
    outcome = await called(run, "runners", "--ndjson", "--log", "/dev/full")
    assert (outcome.status, outcome.out[:12]) == (0, '{"id":"r1","')
    assert outcome.err == "comfytui: the request log cannot be written to /dev/full: No space left on device\n"


async def test_unreachable(server: ScriptedServer, run: Run) -> None:
    await server.refuse()
    outcome = await called(run, "stats", "550e8400-e29b-41d4-a716-446655440000")
    assert (outcome.status, outcome.out) == (4, "")
    assert "refused" in outcome.err


async def test_cooling_down_and_not_to_wait(server: ScriptedServer, run: Run) -> None:
    server.on("/v1/runner", reply(b"{}", 429, {"Retry-After": "30"}))
    first = await called(run, "runners", "--no-wait")
    again = await called(run, "runners", "--no-wait")
    assert (first.status, again.status) == (5, 5)
    assert "retry in 30 s" in first.err
    assert "Rate limited: retry in " in again.err
    assert len(server.requests) == 1


async def test_without_a_token_nothing_is_asked(server: ScriptedServer, run: Run, environ: pytest.MonkeyPatch) -> None:
    environ.delenv(TOKEN_VARIABLE)
    for argv in (["runners"], ["stats", "x"], ["--profile", "none", "runners"]):
        outcome = await called(run, *argv)
        assert outcome.out == ""
        assert outcome.status == (2 if "--profile" in argv else 3)
    assert MISSING_TOKEN in (await called(run, "history", "x")).err
    assert server.requests == []


async def test_a_token_command_that_fails(
    server: ScriptedServer, run: Run, environ: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environ.delenv(TOKEN_VARIABLE)
    config = tmp_path / "given.toml"
    config.write_text("token_command = 'false'")
    outcome = await called(run, "runners", "--config", str(config))
    assert (outcome.status, outcome.out) == (3, "")
    assert "token_command" in outcome.err


async def test_a_token_is_not_shown_to_everybody(server: ScriptedServer, run: Run) -> None:
    outcome = await called(run, "runners", "--url", "http://somebody:sekret@192.0.2.1")
    assert (outcome.status, outcome.out) == (2, "")
    assert "sekret" not in outcome.err
    await settle()
