from __future__ import annotations

import pytest

from comfytui.cli.doctor.check import Check, Result, exit_code, fail, ok, to_json, to_lines, warn
from comfytui.cli.exit_codes import ExitCode

REFUSED = fail("token", "401", "another one", status=ExitCode.NO_TOKEN)
GONE = fail("dns", "no such host", "another one", status=ExitCode.UNREACHABLE)
BROKEN = fail("config", "line 1", "correct it")


@pytest.mark.parametrize(
    ("checks", "status"),
    [
        ([], ExitCode.OK),
        ([ok("a", "fine"), warn("b", "strange", "look")], ExitCode.OK),
        ([ok("a", "fine"), BROKEN], ExitCode.FAILED),
        ([BROKEN, GONE], ExitCode.UNREACHABLE),
        ([BROKEN, GONE, REFUSED], ExitCode.NO_TOKEN),
        ([Check("a", Result.WARN, "strange", status=ExitCode.NO_TOKEN)], ExitCode.OK),
    ],
)
def test_exit_code_is_that_of_the_worst_failure(checks: list[Check], status: ExitCode) -> None:
    assert exit_code(checks) == status


def test_lines_are_aligned_and_end_with_the_hint() -> None:
    assert to_lines([ok("api", "there"), warn("terminal", "small", "enlarge it"), BROKEN]) == [
        "ok    api       there",
        "warn  terminal  small  -> enlarge it",
        "fail  config    line 1  -> correct it",
    ]
    assert to_lines([]) == []


def test_lines_of_untrusted_text_are_sanitized() -> None:
    check = fail("a\nb", "an \x1b[31merror", "do\nthis")
    assert to_lines([check]) == ["fail  a␊b  an ␛[31merror  -> do␊this"]
    assert to_json([check]) == {
        "schema": 1,
        "checks": [{"name": "a␊b", "result": "fail", "found": "an ␛[31merror", "remedy": "do␊this"}],
    }
