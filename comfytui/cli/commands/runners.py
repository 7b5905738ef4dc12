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
from comfytui.query.filter import Query, QueryError, Requirement, RunnerData, parse
from comfytui.query.workflows import display_name
from comfytui.ratelimit.window import Priority
from comfytui.render.columns import DEFAULT_RUNNER_COLUMNS, RUNNER_COLUMNS, parse_columns, parse_sort, requirements
from comfytui.render.export import RUNNER_FIELDS, runner_to_dict

if TYPE_CHECKING:
    import argparse

    from comfytui.api.models import Runner, Workflow
    from comfytui.cli.client import RetryingClient
    from comfytui.cli.lookup import RunnerListing
    from comfytui.query.sorting import Sort


_RUNNER_TIMEOUT_S = 3.0
"""What a runner may take to be looked at: the API asks it before it answers, so it may be that one which is slow."""

_MAX_LATE = 2
_TYPED = re.compile(r'(?<= or quotes) ".*"', re.DOTALL)


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What is asked for.

    Attributes:
        status: Only runners with this status; None for all.
        query: Only those that match.
        sort: In which order; None is the API's.
        page: That page alone, of what is found; None for all.
        per_page: How many runners a page has; None for the usual number.
        columns: What is told of each.
    """

    status: RunnerStatus | None = None
    query: Query = field(default_factory=Query)
    sort: Sort | None = None
    page: int | None = None
    per_page: int | None = None
    columns: tuple[str, ...] = DEFAULT_RUNNER_COLUMNS


@dataclass(frozen=True, slots=True)
class ListResult:
    """What was found: what is known of each, and how many there are, on other pages too.

    Attributes:
        changed: True if the list changed again and again while it was read, so that runners may be missing.
    """

    facts: tuple[RunnerData, ...]
    total: int
    changed: bool = False


def run(args: argparse.Namespace) -> int:
    """List the runners; raises as `comfytui.cli.client.perform` does."""
    wanted = parse_options(args)
    has_columns = args.columns is not None

    async def work(asker: RetryingClient) -> CommandOutput:
        found = await list_runners(
            asker, wanted, in_columns=args.format is None or (args.format == "csv" and has_columns)
        )
        return _output(found, wanted.columns, only_columns=has_columns)

    return run_query(args, work)


def parse_options(args: argparse.Namespace) -> ListOptions:
    """What the command line asks for.

    Raises:
        SettingsError: A filter, key or column cannot be; the sentence says what can.
    """
    return ListOptions(
        status=None if args.status is None else RunnerStatus(args.status),
        query=parse_filter(args.filter),
        sort=parse_sort(args.sort, sorting.RUNNER_KEYS),
        page=args.page,
        per_page=args.per_page,
        columns=parse_columns(args.columns, tuple(RUNNER_COLUMNS), DEFAULT_RUNNER_COLUMNS),
    )


def parse_filter(text: str | None) -> Query:
    """What `--filter` asks for.

    Raises:
        SettingsError: It is no query; the sentence says why and where, and repeats nothing of it.
    """
    try:
        return parse(text or "")
    except QueryError as error:
        why = _TYPED.sub(" around the whole", str(error))
        raise SettingsError(f"--filter, character {error.index + 1}: {why}.") from None


async def list_runners(
    asker: RetryingClient, wanted: ListOptions, *, in_columns: bool, runner_seconds: float = _RUNNER_TIMEOUT_S
) -> ListResult:
    """Ask for all that this takes, and no more; raises as the asker does.

    Args:
        asker: Asks.
        wanted: What for.
        in_columns: Whether the columns are wanted, and not the runners alone.
        runner_seconds: What a runner may take to be looked at, where the list does not tell whether it answers.
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
    # The API of an older deployment does not know the parameter, and counts them all.
    runners = [runner for runner in found.runners if wanted.status in (None, runner.status)]
    # Plain servers have as long as the timeout says: no API asks them one after the other.
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
    """Return how many runners the pages have less than the API promises."""
    return max(0, (found.total or 0) - len(found.runners) - found.unreadable)


def _page_size(wanted: ListOptions) -> int:
    """As many as there may be, unless a number was asked for and no page of what is found has it."""
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
    """Asks for what the list does not tell of runners, each thing once; what does not come stays unknown."""

    def __init__(self, asker: RetryingClient, seconds: float) -> None:
        self._asker = asker
        self._seconds = seconds
        self._asked: set[tuple[Requirement, str]] = set()
        self._late = 0

    async def complete(self, facts: list[RunnerData], requirements: frozenset[Requirement]) -> list[RunnerData]:
        """The same with what is needed, as far as it can be known; raises as the asker does."""
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
                # It had not answered yet when it was listed, and has since.
                facts = facts._replace(runner=await self._refetch(facts.runner))
        if (Requirement.REACHABILITY, runner_id) in new:
            facts = facts._replace(reachable=await self._reachable(runner_id))
        return facts

    async def _history(self, runner_id: str) -> tuple[Workflow, ...] | None:
        try:
            return await self._asker.history(runner_id, Priority.POLL)
        except (NotFoundError, ServerError, InvalidResponseError):
            # It concerns this runner alone: the others are worth asking.
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
            # A slow one answers, and so does one that tells no numbers.
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
        return [tuple(RUNNER_COLUMNS[name](facts) for name in columns) for facts in found.facts]

    return CommandOutput(
        document={"runners": items, "total": found.total},
        items=items,
        rows=lambda: [dict(zip(columns, row, strict=True)) for row in rows()] if only_columns else items,
        fields=columns if only_columns else RUNNER_FIELDS,
        table=lambda: Table(columns, tuple(rows())),
        status=ExitCode.CHANGED if found.changed else ExitCode.OK,
    )
