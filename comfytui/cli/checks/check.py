"""What a look at one thing came to, and how all of them are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from comfytui.cli.exit_codes import ExitStatus
from comfytui.text import clean

_WORST_FIRST = (ExitStatus.NO_TOKEN, ExitStatus.UNREACHABLE, ExitStatus.FAILED)


class Result(StrEnum):
    """How it is with one thing."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """A look at one thing; nothing secret is in it.

    Attributes:
        name: What was looked at.
        result: How it is.
        found: What was found, in words.
        remedy: What helps, empty where nothing is wrong.
        status: What the process ends with where this failed.
    """

    name: str
    result: Result
    found: str
    remedy: str = ""
    status: ExitStatus = ExitStatus.FAILED


def ok(name: str, found: str) -> Check:
    """All is well."""
    return Check(name, Result.OK, found)


def warn(name: str, found: str, remedy: str) -> Check:
    """It works, or cannot be told, and somebody should know."""
    return Check(name, Result.WARN, found, remedy)


def fail(name: str, found: str, remedy: str, status: ExitStatus = ExitStatus.FAILED) -> Check:
    """It does not work."""
    return Check(name, Result.FAIL, found, remedy, status)


def status_of(checks: Sequence[Check]) -> ExitStatus:
    """What the process ends with: as the worst failure wants it, and well where there is none."""
    wanted = {check.status for check in checks if check.result is Result.FAIL}
    return next((status for status in _WORST_FIRST if status in wanted), ExitStatus.OK)


def lines(checks: Sequence[Check]) -> list[str]:
    """A line each, results and names aligned."""
    width = max((len(check.name) for check in checks), default=0)
    return [_line(check, width) for check in checks]


def document(checks: Sequence[Check]) -> dict[str, object]:
    """The same for programs."""
    told = [
        {
            "name": clean(check.name),
            "result": check.result.value,
            "found": clean(check.found),
            "remedy": clean(check.remedy),
        }
        for check in checks
    ]
    return {"schema": 1, "checks": told}


def _line(check: Check, width: int) -> str:
    remedy = f"  -> {check.remedy}" if check.remedy else ""
    return clean(f"{check.result:4}  {check.name:{width}}  {check.found}{remedy}")
