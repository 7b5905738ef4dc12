"""`comfytui runner`, `history` and `stats`: one runner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from comfytui.cli.client import run_query
from comfytui.cli.lookup import fetch_for_runner
from comfytui.cli.output import CommandOutput, Table
from comfytui.config.settings import SettingsError
from comfytui.query.columns import WORKFLOW_COLUMNS, command_columns, default_columns
from comfytui.query.sorting import WORKFLOW_KEYS, sort_workflows
from comfytui.render.columns import WORKFLOW_TEXTS, parse_columns, parse_sort
from comfytui.render.export import RUNNER_FIELDS, WORKFLOW_FIELDS, runner_to_dict, workflow_to_dict

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable, Sequence

    from comfytui.api.models import Runner, RunnerStats, Workflow
    from comfytui.cli.client import RetryingClient


def run(args: argparse.Namespace) -> int:
    """Run the command; raises as `comfytui.cli.client.run_command` does."""
    if not args.id:
        raise SettingsError("ID: expected a runner's id, the beginning of it, or its name.")
    return run_query(args, _ANSWERS[args.command](args))


def runner_output(runner: Runner) -> CommandOutput:
    """Return the output of `runner`."""
    data = runner_to_dict(runner)
    return CommandOutput({"runner": data}, [data], lambda: [data], RUNNER_FIELDS, lambda: _fields(data))


def stats_output(runner_id: str, stats: RunnerStats) -> CommandOutput:
    """Return the output of `stats`."""
    data = stats_to_dict(stats)
    row = dict(_flatten(data))
    return CommandOutput(
        {"runner_id": runner_id, "stats": data}, [data], lambda: [row], tuple(row), lambda: _fields(data)
    )


def history_output(
    runner_id: str, workflows: Sequence[Workflow], columns: tuple[str, ...], now: datetime, *, only_columns: bool
) -> CommandOutput:
    """Return the output of `history`; with `only_columns` CSV has the columns instead of all fields."""
    items = [workflow_to_dict(workflow) for workflow in workflows]

    def rows() -> list[tuple[str, ...]]:
        return [tuple(WORKFLOW_TEXTS[name](workflow, now) for name in columns) for workflow in workflows]

    return CommandOutput(
        document={"runner_id": runner_id, "workflows": items},
        items=items,
        rows=lambda: [dict(zip(columns, row, strict=True)) for row in rows()] if only_columns else items,
        fields=columns if only_columns else WORKFLOW_FIELDS,
        table=lambda: Table(columns, tuple(rows())),
    )


def stats_to_dict(stats: RunnerStats) -> dict[str, object]:
    """Return stats by the API's names (page get-runner-stats), None if missing, memory in bytes."""
    return {
        "system": stats.system._asdict(),
        "devices": [device._asdict() for device in stats.devices],
        "dev_mode": stats.dev_mode,
        "extensions": list(stats.extensions),
    }


def _runner(args: argparse.Namespace) -> Callable[[RetryingClient], Awaitable[CommandOutput]]:
    async def answer(asker: RetryingClient) -> CommandOutput:
        _, runner = await fetch_for_runner(asker, args.id, asker.runner)
        return runner_output(runner)

    return answer


def _stats(args: argparse.Namespace) -> Callable[[RetryingClient], Awaitable[CommandOutput]]:
    async def answer(asker: RetryingClient) -> CommandOutput:
        return stats_output(*await fetch_for_runner(asker, args.id, asker.stats))

    return answer


def _history(args: argparse.Namespace) -> Callable[[RetryingClient], Awaitable[CommandOutput]]:
    sort = parse_sort(args.sort, WORKFLOW_KEYS)
    columns = parse_columns(args.columns, command_columns(WORKFLOW_COLUMNS), default_columns(WORKFLOW_COLUMNS))

    async def answer(asker: RetryingClient) -> CommandOutput:
        runner_id, workflows = await fetch_for_runner(asker, args.id, asker.history)
        now = asker.now()
        ordered = workflows if sort is None else sort_workflows(workflows, sort, now)
        return history_output(runner_id, ordered, columns, now, only_columns=args.columns is not None)

    return answer


def _fields(data: Mapping[str, object]) -> Table:
    """Return a table with a row per field."""
    return Table(("", ""), tuple(_flatten(data)))


def _flatten(data: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield dotted names and values such as `headers.X-Name` and `devices.0.type`."""
    for name, value in data.items():
        match value:
            case Mapping():
                yield from _flatten(value, f"{prefix}{name}.")
            case list() if any(isinstance(each, Mapping) for each in value):
                yield from _flatten({str(place): each for place, each in enumerate(value)}, f"{prefix}{name}.")
            case list():
                yield f"{prefix}{name}", " ".join(map(str, value))
            case None:
                yield f"{prefix}{name}", ""
            case bool():
                yield f"{prefix}{name}", "true" if value else "false"
            case _:
                yield f"{prefix}{name}", str(value)


_ANSWERS: Mapping[str, Callable[[argparse.Namespace], Callable[[RetryingClient], Awaitable[CommandOutput]]]] = {
    "runner": _runner,
    "history": _history,
    "stats": _stats,
}
