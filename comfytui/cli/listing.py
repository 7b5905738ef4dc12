"""`comfytui runners`: the list, filtered and ordered as in the dashboard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from comfytui.api.allowance import Use
from comfytui.api.errors import NotFound, ServerError, TimedOut, Unintelligible
from comfytui.api.statuses import RunnerStatus
from comfytui.cli.asking import ask, is_silence
from comfytui.cli.columns import RUNNER_COLUMNS, USUAL_OF_RUNNERS, chosen, needs, order
from comfytui.cli.finding import all_runners, one_page
from comfytui.cli.tables import Table
from comfytui.cli.writing import Answer, write
from comfytui.config.settings import DEFAULT_PER_PAGE, MAX_PER_PAGE, SettingsError
from comfytui.engine import sorting
from comfytui.engine.query import Facts, Need, Query, QueryError, parse
from comfytui.tui.present.export import runner_data

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable

    from comfytui.api.models import Runner
    from comfytui.cli.asking import Asker
    from comfytui.engine.sorting import Sort

__all__ = ["Listed", "Wanted", "listed", "query_of", "run", "wanted_by"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Wanted:
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
    columns: tuple[str, ...] = USUAL_OF_RUNNERS


@dataclass(frozen=True, slots=True)
class Listed:
    """What was found: what is known of each, and how many there are, on other pages too."""

    facts: tuple[Facts, ...]
    total: int


def run(args: argparse.Namespace) -> int:
    """List the runners; raises as `comfytui.cli.asking.perform` does."""
    wanted = wanted_by(args)
    has_columns = args.columns is not None

    async def work(asker: Asker) -> None:
        found = await listed(asker, wanted, in_columns=args.format is None or (args.format == "csv" and has_columns))
        write(_answer(found, wanted.columns, only_columns=has_columns), args.format)

    return ask(args, work)


def wanted_by(args: argparse.Namespace) -> Wanted:
    """What the command line asks for.

    Raises:
        SettingsError: A filter, key or column cannot be; the sentence says what can.
    """
    return Wanted(
        status=None if args.status is None else RunnerStatus(args.status),
        query=query_of(args.filter),
        sort=order(args.sort, sorting.RUNNER_KEYS),
        page=args.page,
        per_page=args.per_page,
        columns=chosen(args.columns, tuple(RUNNER_COLUMNS), USUAL_OF_RUNNERS),
    )


def query_of(text: str | None) -> Query:
    """What `--filter` asks for.

    Raises:
        SettingsError: It is no query; the sentence says why.
    """
    try:
        return parse(text or "")
    except QueryError as error:
        raise SettingsError(f"--filter: {error}.") from None


async def listed(asker: Asker, wanted: Wanted, *, in_columns: bool) -> Listed:
    """Ask for all that this takes, and no more; raises as the asker does.

    Args:
        asker: Asks.
        wanted: What for.
        in_columns: Whether the columns are wanted, and not the runners alone.
    """
    if wanted.page is not None and not (wanted.query or wanted.sort):
        found = await one_page(asker, wanted.page, wanted.per_page or DEFAULT_PER_PAGE, wanted.status)
    else:
        found = await all_runners(asker, _page_size(wanted), wanted.status)
    if found.unreadable:
        asker.progress.say(f"{found.unreadable} entries of the list are no runners, and left out.")
    facts = await _ordered(asker, await _matching(asker, found.runners, wanted.query), wanted.sort)
    total = len(facts) if wanted.query or found.total is None else found.total
    if wanted.page is not None and (wanted.query or wanted.sort):
        size = wanted.per_page or DEFAULT_PER_PAGE
        facts = facts[(wanted.page - 1) * size : wanted.page * size]
    if in_columns:
        facts = await _informed(asker, facts, needs(wanted.columns))
    return Listed(tuple(facts), total)


def _page_size(wanted: Wanted) -> int:
    """As many as there may be, unless a number was asked for and no page of what is found has it."""
    return MAX_PER_PAGE if wanted.page is not None or wanted.per_page is None else wanted.per_page


async def _matching(asker: Asker, runners: Sequence[Runner], query: Query) -> list[Facts]:
    by_list = Query(terms=tuple(term for term in query.terms if term.need is None))
    facts = [each for each in map(Facts, runners) if by_list.matches(each)]
    return [each for each in await _informed(asker, facts, query.needs) if query.matches(each)]


async def _ordered(asker: Asker, facts: list[Facts], sort: Sort | None) -> list[Facts]:
    if sort is None:
        return facts
    return sorting.sort_runners(await _informed(asker, facts, sorting.needs(sort)), sort)


async def _informed(asker: Asker, facts: list[Facts], needs: frozenset[Need]) -> list[Facts]:
    """The same with what is needed, as far as it is not known yet."""
    told = []
    for place, each in enumerate(facts):
        if needs:
            asker.progress.tell(f"asking about runner {place + 1} of {len(facts)}")
        told.append(await _learned(asker, each, needs))
    return told


async def _learned(asker: Asker, facts: Facts, needs: frozenset[Need]) -> Facts:
    runner_id = facts.runner.id
    if Need.HISTORY in needs and facts.history is None:
        facts = replace(facts, history=await _known(partial(asker.history, runner_id, Use.POLL)))
    if Need.REACHABILITY in needs and facts.reachable is None:
        facts = replace(facts, reachable=await _known(partial(_reachable, asker, runner_id)))
    return facts


async def _known(question: Callable[[], Awaitable[_T]]) -> _T | None:
    """The answer; None where it concerns this runner alone that there is none: the others are worth asking."""
    try:
        return await question()
    except (NotFound, ServerError, Unintelligible):
        return None


async def _reachable(asker: Asker, runner_id: str) -> bool | None:
    try:
        await asker.stats(runner_id, Use.POLL)
    except ServerError as error:
        if is_silence(error):
            return False
        raise
    except TimedOut:
        # The API asks the runner before it answers, so it may be that one which is slow.
        return None
    return True


def _answer(found: Listed, columns: tuple[str, ...], *, only_columns: bool) -> Answer:
    items = [runner_data(facts.runner) for facts in found.facts]

    def rows() -> list[tuple[str, ...]]:
        return [tuple(RUNNER_COLUMNS[name](facts) for name in columns) for facts in found.facts]

    return Answer(
        document={"runners": items, "total": found.total},
        items=items,
        rows=lambda: [dict(zip(columns, row, strict=True)) for row in rows()] if only_columns else items,
        table=lambda: Table(columns, tuple(rows())),
    )
