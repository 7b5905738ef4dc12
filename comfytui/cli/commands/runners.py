"""`comfytui runners`: the list, filtered and ordered as in the dashboard."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from comfytui.api.errors import InvalidResponseError, NotFoundError, RequestTimeoutError, ServerError, SilentRunnerError
from comfytui.api.statuses import RunnerState, RunnerStatus
from comfytui.cli.client import is_runner_unreachable, run_query
from comfytui.cli.deadlines import pausable_timeout
from comfytui.cli.exit_codes import ExitCode
from comfytui.cli.lookup import fetch_all, fetch_page
from comfytui.cli.output import CommandOutput, Table
from comfytui.config.settings import DEFAULT_PER_PAGE, MAX_PER_PAGE, SettingsError
from comfytui.query import sorting
from comfytui.query.columns import RUNNER_COLUMNS, Requirement, command_columns, default_columns
from comfytui.query.filter import Query, QueryError, RunnerData, parse
from comfytui.query.workflows import display_name
from comfytui.ratelimit.window import Priority
from comfytui.render.columns import RUNNER_TEXTS, parse_columns, parse_sort, requirements
from comfytui.render.export import RUNNER_FIELDS, runner_to_dict

if TYPE_CHECKING:
    import argparse

    from comfytui.api.models import Runner, Workflow
    from comfytui.cli.client import RetryingClient
    from comfytui.cli.lookup import RunnerListing
    from comfytui.query.sorting import Sort


_RUNNER_TIMEOUT_S = 3.0
"""Timeout of a runner's details, for the API asks the runner, which may be slow."""

_MAX_LATE = 2
_TYPED = re.compile(r'(?<= or quotes) ".*"', re.DOTALL)


@dataclass(frozen=True, slots=True)
class ListOptions:
    """Options of the list.

    Attributes:
        status: Status of the runners, or None for all.
        query: Filter.
        sort: Order, or None for the API's.
        page: Only this page of the result, or None for all.
        per_page: Runners per page, or None for the default.
        columns: Columns of the output.
    """

    status: RunnerStatus | None = None
    query: Query = field(default_factory=Query)
    sort: Sort | None = None
    page: int | None = None
    per_page: int | None = None
    columns: tuple[str, ...] = default_columns(RUNNER_COLUMNS)


@dataclass(frozen=True, slots=True)
class ListResult:
    """Result of the list: data of the runners, and the total over all pages.

    Attributes:
        changed: True if the list changed again and again while it was read, so that runners may be missing.
    """

    facts: tuple[RunnerData, ...]
    total: int
    changed: bool = False


def run(args: argparse.Namespace) -> int:
    """List the runners; raises as `comfytui.cli.client.run_command` does."""
    wanted = parse_options(args)
    has_columns = args.columns is not None

    async def work(asker: RetryingClient) -> CommandOutput:
        found = await list_runners(
            asker, wanted, in_columns=args.format is None or (args.format == "csv" and has_columns)
        )
        return _output(found, wanted.columns, only_columns=has_columns)

    return run_query(args, work)


def parse_options(args: argparse.Namespace) -> ListOptions:
    """Return the options of a command line.

    Raises:
        SettingsError: A filter, key or column is invalid; the message tells what is valid.
    """
    return ListOptions(
        status=None if args.status is None else RunnerStatus(args.status),
        query=parse_filter(args.filter),
        sort=parse_sort(args.sort, sorting.RUNNER_KEYS),
        page=args.page,
        per_page=args.per_page,
        columns=parse_columns(args.columns, command_columns(RUNNER_COLUMNS), default_columns(RUNNER_COLUMNS)),
    )


def parse_filter(text: str | None) -> Query:
    """Parse `--filter`.

    Raises:
        SettingsError: It is invalid; the message tells why and where without repeating the text.
    """
    try:
        return parse(text or "")
    except QueryError as error:
        why = _TYPED.sub(" around the whole", str(error))
        raise SettingsError(f"--filter, character {error.index + 1}: {why}.") from None


async def list_runners(
    asker: RetryingClient, wanted: ListOptions, *, in_columns: bool, runner_seconds: float = _RUNNER_TIMEOUT_S
) -> ListResult:
    """Return the list with exactly the requests that it needs; raises as the client does.

    Args:
        asker: Client.
        wanted: Options of the list.
        in_columns: True if the columns are needed, not the runners alone.
        runner_seconds: Timeout of a runner's details.
    """
    is_whole = wanted.page is None or bool(wanted.query or wanted.sort)
    if not is_whole:
        found = await fetch_page(asker, wanted.page or 1, wanted.per_page or DEFAULT_PER_PAGE, wanted.status)
    else:
        found = await fetch_all(asker, _page_size(wanted), wanted.status)
    if found.unreadable:
        asker.progress.print(f"{found.unreadable} entries of the list are no runners, and left out.")
    if is_whole and not found.changed and wanted.status is None and _missing(found):
        asker.progress.print(f"The API promises {found.total} runners, but its pages have {len(found.runners)}.")
    # An older deployment ignores the parameter and counts all runners.
    runners = [runner for runner in found.runners if wanted.status in (None, runner.status)]
    # Plain servers have the whole timeout: no API asks them one after the other.
    inquiry = _DetailFetcher(asker, asker.timeout if asker.asks_servers else runner_seconds)
    facts = await _ordered(inquiry, await _matching(inquiry, runners, wanted.query), wanted.sort)
    is_counted = is_whole and (bool(wanted.query) or len(runners) < len(found.runners))
    total = len(facts) if is_counted or found.total is None else found.total
    if wanted.page is not None and is_whole:
        size = wanted.per_page or DEFAULT_PER_PAGE
        facts = facts[(wanted.page - 1) * size : wanted.page * size]
    if in_columns:
        facts = await inquiry.complete(facts, requirements(wanted.columns))
    return ListResult(tuple(facts), total, found.changed)


def _missing(found: RunnerListing) -> int:
    """Return the number of runners that the total promises and the pages lack."""
    return max(0, (found.total or 0) - len(found.runners) - found.unreadable)


def _page_size(wanted: ListOptions) -> int:
    """Return the page size of the requests: the most, unless the pages of the API are asked for."""
    return MAX_PER_PAGE if wanted.page is not None or wanted.per_page is None else wanted.per_page


async def _matching(inquiry: _DetailFetcher, runners: Iterable[Runner], query: Query) -> list[RunnerData]:
    by_list = Query(terms=tuple(term for term in query.terms if term.requirement is None))
    facts = [each for each in map(RunnerData, runners) if by_list.matches(each)]
    return [each for each in await inquiry.complete(facts, query.requirements) if query.matches(each)]


async def _ordered(inquiry: _DetailFetcher, facts: list[RunnerData], sort: Sort | None) -> list[RunnerData]:
    if sort is None:
        return facts
    return sorting.sort_runners(await inquiry.complete(facts, sorting.requirements(sort)), sort)


class _DetailFetcher:
    """Fetcher of the details that the list lacks, each once; failures stay unknown."""

    def __init__(self, asker: RetryingClient, seconds: float) -> None:
        self._asker = asker
        self._seconds = seconds
        self._asked: set[tuple[Requirement, str]] = set()
        self._late = 0

    async def complete(self, facts: list[RunnerData], requirements: frozenset[Requirement]) -> list[RunnerData]:
        """Return the data completed with what is required, as far as known; raises as the client does."""
        told = []
        for place, each in enumerate(facts):
            if requirements:
                name = display_name(each.runner.name, each.runner.id)
                self._asker.progress.update(f"asking about {name}, {place + 1} of {len(facts)}")
            told.append(await self._fetch_missing(each, requirements))
        return told

    async def _fetch_missing(self, facts: RunnerData, requirements: frozenset[Requirement]) -> RunnerData:
        runner_id = facts.runner.id
        new = {(need, runner_id) for need in requirements} - self._asked
        self._asked |= new
        if (Requirement.HISTORY, runner_id) in new:
            facts = facts._replace(history=await self._history(runner_id))
            if facts.runner.tells_queue and facts.runner.queue_pending is None:
                # A server that had not answered when it was listed has answered since.
                facts = facts._replace(runner=await self._refetch(facts.runner))
        if (Requirement.REACHABILITY, runner_id) in new:
            facts = facts._replace(reachable=await self._reachable(runner_id))
        return facts

    async def _history(self, runner_id: str) -> tuple[Workflow, ...] | None:
        try:
            return await self._asker.history(runner_id, Priority.POLL)
        except (NotFoundError, ServerError, InvalidResponseError):
            # The failure concerns this runner alone.
            return None

    async def _refetch(self, runner: Runner) -> Runner:
        try:
            return await self._asker.runner(runner.id)
        except (NotFoundError, ServerError, InvalidResponseError):
            return runner

    async def _reachable(self, runner_id: str) -> bool | None:
        if self._late >= _MAX_LATE and not self._asker.asks_servers:
            self._show_progress_once()
            return None
        try:
            async with pausable_timeout(self._seconds):
                await self._asker.stats(runner_id, Priority.POLL)
        except (RequestTimeoutError, TimeoutError):
            self._late += 1
            return None
        except SilentRunnerError as error:
            # A slow runner is reachable, and so is one without stats.
            self._late = 0
            return error.state not in (RunnerState.WAITING, RunnerState.HANGING, RunnerState.UNREACHABLE)
        except (NotFoundError, ServerError, InvalidResponseError) as error:
            self._late = 0
            return False if isinstance(error, ServerError) and is_runner_unreachable(error) else None
        self._late = 0
        return True

    def _show_progress_once(self) -> None:
        if self._late == _MAX_LATE:
            self._late += 1
            self._asker.progress.print(
                "The API does not say in time whether runners answer: of the rest it stays unknown."
            )


def _output(found: ListResult, columns: tuple[str, ...], *, only_columns: bool) -> CommandOutput:
    items = [runner_to_dict(facts.runner) for facts in found.facts]

    def rows() -> list[tuple[str, ...]]:
        return [tuple(RUNNER_TEXTS[name](facts) for name in columns) for facts in found.facts]

    return CommandOutput(
        document={"runners": items, "total": found.total},
        items=items,
        rows=lambda: [dict(zip(columns, row, strict=True)) for row in rows()] if only_columns else items,
        fields=columns if only_columns else RUNNER_FIELDS,
        table=lambda: Table(columns, tuple(rows())),
        status=ExitCode.CHANGED if found.changed else ExitCode.OK,
    )
