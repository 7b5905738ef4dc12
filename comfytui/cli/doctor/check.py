"""Result of one check, and all results as lines, as JSON and as an exit status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from comfytui.cli.exit_codes import ExitCode
from comfytui.text import sanitize

_WORST_FIRST = (ExitCode.NO_TOKEN, ExitCode.UNREACHABLE, ExitCode.FAILED)


class Result(StrEnum):
    """Severity of a check."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """Result of one check; it holds no secrets.

    Attributes:
        name: Subject of the check, such as "dns".
        result: Severity.
        detail: Finding, in words.
        hint: Remedy, empty if nothing is wrong.
        status: Exit status of the process if this check failed.
    """

    name: str
    result: Result
    detail: str
    hint: str = ""
    status: ExitCode = ExitCode.FAILED


def ok(name: str, detail: str) -> Check:
    """Return a check without fault."""
    return Check(name, Result.OK, detail)


def warn(name: str, detail: str, hint: str) -> Check:
    """Return a check with a fault that does not keep comfytui from working, or that was skipped."""
    return Check(name, Result.WARN, detail, hint)


def fail(name: str, detail: str, hint: str, status: ExitCode = ExitCode.FAILED) -> Check:
    """Return a failed check."""
    return Check(name, Result.FAIL, detail, hint, status)


def exit_code(checks: Sequence[Check]) -> ExitCode:
    """Return the exit status of the worst failure, or OK if no check failed."""
    failures = {check.status for check in checks if check.result is Result.FAIL}
    return next((status for status in _WORST_FIRST if status in failures), ExitCode.OK)


def to_lines(checks: Sequence[Check]) -> list[str]:
    """Format each check as a line, results and names aligned."""
    width = max((len(check.name) for check in checks), default=0)
    return [_to_line(check, width) for check in checks]


def to_json(checks: Sequence[Check]) -> dict[str, object]:
    """Return the checks as the document that `comfytui doctor --json` prints."""
    entries = [
        {
            "name": sanitize(check.name),
            "result": check.result.value,
            "found": sanitize(check.detail),
            "remedy": sanitize(check.hint),
        }
        for check in checks
    ]
    return {"schema": 1, "checks": entries}


def _to_line(check: Check, width: int) -> str:
    hint = f"  -> {check.hint}" if check.hint else ""
    return sanitize(f"{check.result:4}  {check.name:{width}}  {check.detail}{hint}")
