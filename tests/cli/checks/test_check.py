from __future__ import annotations

import pytest

from comfytui.cli.checks.check import Check, Result, document, fail, lines, ok, status_of, warn
from comfytui.cli.exit_codes import ExitStatus

REFUSED = fail("token", "401", "another one", status=ExitStatus.NO_TOKEN)
GONE = fail("dns", "no such host", "another one", status=ExitStatus.UNREACHABLE)
BROKEN = fail("config", "line 1", "correct it")


@pytest.mark.parametrize(
    ("checks", "status"),
    [
        ([], ExitStatus.OK),
        ([ok("a", "fine"), warn("b", "strange", "look")], ExitStatus.OK),
        ([ok("a", "fine"), BROKEN], ExitStatus.FAILED),
        ([BROKEN, GONE], ExitStatus.UNREACHABLE),
        ([BROKEN, GONE, REFUSED], ExitStatus.NO_TOKEN),
        ([Check("a", Result.WARN, "strange", status=ExitStatus.NO_TOKEN)], ExitStatus.OK),
    ],
)
def test_the_status_is_that_of_the_worst_failure(checks: list[Check], status: ExitStatus) -> None:
    assert status_of(checks) == status


def test_lines_are_aligned_and_end_with_the_remedy() -> None:
    assert lines([ok("api", "there"), warn("terminal", "small", "enlarge it"), BROKEN]) == [
        "ok    api       there",
        "warn  terminal  small  -> enlarge it",
        "fail  config    line 1  -> correct it",
    ]
    assert lines([]) == []


def test_what_came_from_elsewhere_stays_one_harmless_line() -> None:
    check = fail("a\nb", "an \x1b[31merror", "do\nthis")
    assert lines([check]) == ["fail  a␊b  an ␛[31merror  -> do␊this"]
    assert document([check]) == {
        "schema": 1,
        "checks": [{"name": "a␊b", "result": "fail", "found": "an ␛[31merror", "remedy": "do␊this"}],
    }
