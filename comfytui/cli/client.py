"""Client of scripts: requests with retries and timeouts, and the exit status of failures."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from comfytui.api.errors import (
    ComfyControlError,
    ConnectionFailedError,
    InvalidArgumentError,
    InvalidResponseError,
    RateLimitedError,
    RequestError,
    RequestTimeoutError,
    ServerError,
    SilentRunnerError,
    StatusError,
    UnauthorizedError,
)
from comfytui.api.histories import MAX_HISTORY, CutHistory
from comfytui.api.library_imports import trim_library_imports
from comfytui.api.statuses import RunnerState
from comfytui.backends import UnusableTokenError
from comfytui.cli.context import open_context
from comfytui.cli.deadlines import CooldownError, extend_deadlines, pausable_timeout, progress_after
from comfytui.cli.exit_codes import ExitCode
from comfytui.cli.output import require_stdout, write_output
from comfytui.cli.progress import Progress
from comfytui.clock import SystemClock
from comfytui.config.credentials import has_token_source, kill_token_commands, missing_token_message
from comfytui.config.settings import DEFAULT_TIMEOUT
from comfytui.query.workflows import display_name
from comfytui.ratelimit.window import Priority
from comfytui.threads import LooseThreads

if TYPE_CHECKING:
    import argparse
    from datetime import datetime

    from comfytui.api.models import Runner, RunnerPage, RunnerStats, Workflow
    from comfytui.api.statuses import RunnerStatus
    from comfytui.cli.context import CommandContext
    from comfytui.cli.output import CommandOutput
    from comfytui.clock import Clock
    from comfytui.config.settings import Server
    from comfytui.engine.protocol import RunnerSource


_PAUSES = (0.5, 1.0)
"""Seconds before each repeat."""
_SLOW_PAUSE = 1.0
"""Seconds before a slow runner is requested again."""

_MAX_RATE_LIMITS = 3
_RUNNER_IS_SILENT = 500

_FAILURES = (
    (SilentRunnerError, ExitCode.UNREACHABLE, ""),
    (ConnectionFailedError, ExitCode.UNREACHABLE, "The API cannot be reached: "),
    (RequestTimeoutError, ExitCode.UNREACHABLE, "The API does not answer: "),
    (InvalidResponseError, ExitCode.FAILED, "Invalid response: "),
    (RequestError, ExitCode.FAILED, ""),
)
"""Exit status of each kind of failed request, and the beginning of its message."""

_T = TypeVar("_T")


class RunnerLookupError(Exception):
    """The API has no such runner; the message is for users."""


class RetryingClient:
    """Client that repeats failed requests if that may help.

    Connection failures, timeouts and server errors are repeated twice, a 429 after its cooldown; other errors are
    final.

    Args:
        source: Source of the responses.
        clock: Clock of the pauses.
        progress: Progress display.
        no_wait: Raise CooldownError during a cooldown instead of waiting.
        timeout: Seconds to wait in all for runners that a gateway calls slow.
        names: Names of runners by id; those of listed runners are added.

    Attributes:
        asks_servers: True if the runners are plain servers, requested from this process.
        waiting_for: Name of the runner that is requested; empty if unknown or for the list.
    """

    def __init__(
        self,
        source: RunnerSource,
        clock: Clock,
        progress: Progress,
        *,
        no_wait: bool = False,
        timeout: float = DEFAULT_TIMEOUT,
        names: Mapping[str, str] | None = None,
    ) -> None:
        self._source = source
        self._clock = clock
        self._no_wait = no_wait
        self._names = dict(names or {})
        self._left_for_slow = timeout
        self._has_said_cut = False
        self.asks_servers = bool(names)
        self.timeout = timeout
        self.waiting_for = ""
        self.progress = progress
        self.failure: ServerError | None = None
        """Last response if it was a failure that is repeated, else None."""

    def now(self) -> datetime:
        """Current time of the server."""
        from datetime import timedelta

        return self._clock.now() + timedelta(seconds=self._source.clock_skew)

    async def page(self, page: int, per_page: int, status: RunnerStatus | None = None) -> RunnerPage:
        """Return a page of runners; raises ComfyControlError or CooldownError, as all methods do."""
        priority = Priority.USER if page == 1 else Priority.POLL
        answer = await self._fetch("", lambda: self._source.list_runners(page, per_page, status, priority))
        self._names |= {runner.id: display_name(runner.name, runner.id) for runner in answer.runners}
        if answer.is_cut:
            self._warn_if_cut("runners than were asked for")
        return answer

    async def runner(self, runner_id: str) -> Runner:
        """Return a runner."""
        return await self._fetch(runner_id, lambda: self._source.get_runner(runner_id, Priority.USER))

    async def history(self, runner_id: str, priority: Priority = Priority.USER) -> tuple[Workflow, ...]:
        """Return a runner's newest workflows."""
        history = await self._fetch(runner_id, lambda: self._source.get_history(runner_id, priority))
        if isinstance(history, CutHistory):
            self._warn_if_cut(f"workflows than the {MAX_HISTORY} that a history has")
        return history

    def _warn_if_cut(self, what: str) -> None:
        if not self._has_said_cut:
            self._has_said_cut = True
            self.progress.print(f"The API sent more {what}: the rest is left out.")

    async def stats(self, runner_id: str, priority: Priority = Priority.USER) -> RunnerStats:
        """Return the stats of a runner's machine; a ServerError of status 500 means it is unreachable."""
        return await self._fetch(
            runner_id, lambda: self._source.get_stats(runner_id, priority), is_answer=is_runner_unreachable
        )

    async def _fetch(
        self,
        runner_id: str,
        ask: Callable[[], Awaitable[_T]],
        is_answer: Callable[[ServerError], bool] = lambda _: False,
    ) -> _T:
        self.waiting_for = self._names.get(runner_id, "")
        async with progress_after(self.progress, self._clock, f"waiting for {self.waiting_for or 'an answer'}"):
            try:
                answer = await self._with_retries(ask, is_answer)
            except (StatusError, InvalidResponseError):
                extend_deadlines()
                raise
        extend_deadlines()
        return answer

    async def _with_retries(self, ask: Callable[[], Awaitable[_T]], is_answer: Callable[[ServerError], bool]) -> _T:
        pauses = iter(_PAUSES)
        limited = 0
        asked_at = self._clock.monotonic()
        slow: SilentRunnerError | None = None
        self.failure = None
        while True:
            try:
                return await self._try_once(ask, slow)
            except RateLimitedError as error:
                limited += 1
                if self._no_wait:
                    raise CooldownError(error.retry_after) from None
                if limited > _MAX_RATE_LIMITS:
                    raise
            except SilentRunnerError as error:
                self.failure = slow = error
                extend_deadlines()
                if not error.state.is_pending or not await self._wait_for_slow(error, asked_at):
                    raise
                asked_at = self._clock.monotonic()
            except (ConnectionFailedError, RequestTimeoutError, ServerError) as error:
                pause = next(pauses, None)
                if pause is None or (isinstance(error, ServerError) and is_answer(error)):
                    raise
                self.failure = error if isinstance(error, ServerError) else None
                self.progress.update(f"{error.message}; asking again", pause)
                await self._clock.sleep(pause)

    async def _try_once(self, ask: Callable[[], Awaitable[_T]], slow: SilentRunnerError | None) -> _T:
        """Request once; a runner that was slow before has what is left of the timeout."""
        try:
            async with asyncio.timeout(None if slow is None else self._left_for_slow):
                return await ask()
        except TimeoutError:
            if slow is None:
                raise
            self._left_for_slow = 0.0
            raise slow from None

    async def _wait_for_slow(self, error: SilentRunnerError, asked_at: float) -> bool:
        """Wait before a slow runner is requested again; return False if no time is left."""
        self._left_for_slow -= self._clock.monotonic() - asked_at
        pause = min(_SLOW_PAUSE, self._left_for_slow)
        if pause <= 0:
            return False
        self._left_for_slow -= pause
        self.progress.update(error.message, pause)
        await self._clock.sleep(pause)
        return True


def is_runner_unreachable(error: ServerError) -> bool:
    """Return True if the error means an unreachable runner (page get-runner-stats), so repeating is no use."""
    return error.status == _RUNNER_IS_SILENT


def run_query(args: argparse.Namespace, work: Callable[[RetryingClient], Awaitable[CommandOutput]]) -> int:
    """Run the requests of a command and write its output; raises as `run_command` does."""

    async def asked(source: CommandContext, progress: Progress) -> ExitCode:
        timeout = args.timeout or DEFAULT_TIMEOUT
        answer = await fetch(source, progress, work, no_wait=args.no_wait, seconds=timeout)
        progress.clear()
        write_output(answer, args.format)
        return answer.status

    return run_command(args, asked)


async def fetch(
    source: CommandContext,
    progress: Progress,
    work: Callable[[RetryingClient], Awaitable[_T]],
    *,
    no_wait: bool = False,
    seconds: float = DEFAULT_TIMEOUT,
) -> _T:
    """Return the result of `work` and close the source; raises what it raises.

    Args:
        source: Source of the responses.
        progress: Progress display.
        work: The requests.
        no_wait: As for `RetryingClient`.
        seconds: Timeout without any response; waits for the rate limiter do not count.

    Raises:
        RequestTimeoutError: No response within the timeout.
        ServerError: The only response.
        UnusableTokenError: The source of the token did not answer.
    """
    # A fleet in this process always answers, and a large one takes time to build.
    client = None if source.settings.url else await source.connect()
    asker = None
    try:
        async with pausable_timeout(seconds):
            if client is None:
                async with progress_after(progress, source.clock, "waiting for a token"):
                    client = await source.connect()
            try:
                names = _names_of(source.settings.servers)
                asker = RetryingClient(client, source.clock, progress, no_wait=no_wait, timeout=seconds, names=names)
                return await work(asker)
            finally:
                await client.aclose()
    except TimeoutError:
        if client is None:
            raise UnusableTokenError(f"There was no token within {seconds:g} seconds.") from None
        if asker is not None and asker.failure is not None:
            raise asker.failure from None
        words = f"no answer within {seconds:g} seconds"
        if asker is not None and asker.waiting_for and source.settings.servers:
            # The API is in this process, so the server is at fault.
            words, state = f"{asker.waiting_for}: {words}", RunnerState.WAITING
            raise SilentRunnerError("GET", "/v1/runner", words, 503, state, words) from None
        raise RequestTimeoutError("GET", "/v1/runner", words) from None


def _names_of(servers: Sequence[Server]) -> Mapping[str, str]:
    """Return the names of plain servers by the ids that they have as runners."""
    if not servers:
        return {}
    from comfytui.gateway.comfyui.mapping import runner_id_for

    return {runner_id_for(server.url): server.name for server in servers}


def run_command(args: argparse.Namespace, work: Callable[[CommandContext, Progress], Awaitable[ExitCode]]) -> int:
    """Open the backend, do the work and return the exit status.

    Raises:
        SettingsError: A setting cannot be used.
        OutputError: Standard output cannot be written.
        PipeClosedError: The reader of standard output is gone.
        KeyboardInterrupt: Ctrl+C.
    """
    require_stdout()
    clock = SystemClock()
    with (
        Progress(clock) as progress,
        open_context(args, clock, progress, no_wait=args.no_wait, timeout=args.timeout or DEFAULT_TIMEOUT) as source,
    ):
        if source.settings.url and not has_token_source(os.environ, source.settings.tokens):
            progress.print(missing_token_message(source.settings.tokens))
            return ExitCode.NO_TOKEN
        trim_library_imports()
        has_servers = bool(source.settings.servers)
        return asyncio.run(_perform(partial(work, source, progress), progress, has_servers=has_servers))


async def _perform(work: Callable[[], Awaitable[ExitCode]], progress: Progress, *, has_servers: bool) -> ExitCode:
    asyncio.get_running_loop().set_default_executor(LooseThreads())
    try:
        return await work()
    except (ComfyControlError, CooldownError, RunnerLookupError) as error:
        status, words = exit_for_error(error)
        progress.print(words)
        # The API of plain servers is in this process, so a failure means a server that does not answer.
        return ExitCode.UNREACHABLE if has_servers and isinstance(error, ServerError) else status
    finally:
        kill_token_commands()


def exit_for_error(error: ComfyControlError | CooldownError | RunnerLookupError) -> tuple[ExitCode, str]:
    """Return the exit status and message of an error."""
    match error:
        case CooldownError():
            return ExitCode.COOLING_DOWN, str(error)
        case UnusableTokenError():
            return ExitCode.NO_TOKEN, str(error)
        case InvalidArgumentError():
            return ExitCode.USAGE, str(error)
        case UnauthorizedError():
            return ExitCode.NO_TOKEN, error.message
        case RateLimitedError():
            return ExitCode.FAILED, f"Still rate limited after {_MAX_RATE_LIMITS + 1} attempts (HTTP 429)."
        case RequestError():
            status, lead = next((status, lead) for kind, status, lead in _FAILURES if isinstance(error, kind))
            return status, f"{lead}{error.message}"
        case _:
            return ExitCode.FAILED, str(error)
