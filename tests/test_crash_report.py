from __future__ import annotations

import errno
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest

from comfytui import __version__
from comfytui.api.errors import UnauthorizedError
from comfytui.config.paths import display_path
from comfytui.crash_report import REPORTS_KEPT, format_report, install_excepthook, record_crash, write_report

NOW = datetime(2026, 11, 21, 14, 0, 0, 123456, tzinfo=UTC)
SECRET = "cfc_sekret"


E = TypeVar("E", bound=Exception)


def fail(error: Exception, cause: Exception | None = None) -> NoReturn:
    """Raise, with the secret in a variable."""
    secret = SECRET
    assert secret
    raise error from cause


def raised(error: E) -> E:
    """The error with the traceback of having been raised."""
    with pytest.raises(type(error)) as caught:
        fail(error)
    return caught.value


def test_report_has_error_location_and_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-kitty")
    report = format_report(raised(KeyError(SECRET)), NOW, (120, 40))
    assert f"comfytui {__version__} crashed at 2026-11-21 14:00:00 UTC." in report
    assert f"python    {sys.version.partition(' ')[0]} on {sys.platform}\n" in report
    assert "textual   8." in report
    assert "terminal  120x40, TERM=xterm-kitty\n" in report
    assert (
        f"{display_path(Path(__file__))}:{fail.__code__.co_firstlineno + 4}:fail\n      raise error from cause\n"
        in report
    )


@pytest.mark.parametrize(
    "error",
    [
        ValueError(SECRET),
        KeyError({"Authorization": SECRET}),
        UnauthorizedError("GET", f"/v1/{SECRET}", SECRET, 401),
        OSError(errno.ENOENT, SECRET, SECRET),
        UnicodeEncodeError("ascii", SECRET, 0, 1, SECRET),
        ExceptionGroup(SECRET, [ValueError(SECRET), ExceptionGroup(SECRET, [KeyError(SECRET)])]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_value_is_in_it(error: Exception) -> None:
    error.add_note(SECRET)
    report = format_report(raised(error), NOW, seen=["the end"])
    assert type(error).__name__ in report
    assert "sekret" not in report
    assert report.endswith("the end\n")


def test_report_follows_causes_groups_and_workers() -> None:
    class Failed(Exception):
        """As Textual's, which tells what a worker raised in its message and in this attribute."""

        error = raised(LookupError(SECRET))

    inner = raised(ExceptionGroup(SECRET, [raised(ZeroDivisionError()), Failed()]))
    error = raised(TypeError(SECRET))
    with pytest.raises(RuntimeError) as caught:
        fail(RuntimeError(SECRET), inner)
    error.__context__ = caught.value
    assert "while handling" not in format_report(error, NOW)
    error.__suppress_context__ = False
    lines = format_report(error, NOW).splitlines()
    told = [line for line in lines[7:] if line and not line.startswith(" ")]
    assert told == [
        "TypeError",
        "while handling: RuntimeError",
        "caused by: ExceptionGroup",
        "within it: ZeroDivisionError",
        f"within it: {__name__}.{Failed.__qualname__}",
        "within it: LookupError",
    ]


def test_report_ends_with_circular_causes() -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    assert format_report(first, NOW).count("caused by") == 1

    def deeper(depth: int) -> None:
        if depth == 0:
            raise LookupError
        deeper(depth - 1)

    with pytest.raises(LookupError) as caught:
        deeper(100)
    report = format_report(caught.value, NOW)
    assert "more\n" in report
    assert report.count(":deeper") == 40


def test_hostile_terminal_names_are_told_harmlessly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "\x1b]0;x\x07")
    assert "\x1b" not in format_report(None, NOW)


def test_reports_are_private_and_the_last_ones_are_kept(tmp_path: Path) -> None:
    directory = tmp_path / "state" / "comfytui"
    moments = [NOW + timedelta(seconds=number) for number in range(REPORTS_KEPT + 3)]
    paths = [write_report(f"{moment}", directory, moment) for moment in moments]
    assert paths[0].name == "crash-20261121T140000.123456Z.txt"
    assert sorted(directory.iterdir()) == paths[-REPORTS_KEPT:]
    assert paths[-1].read_text() == str(moments[-1])
    assert {path.stat().st_mode & 0o777 for path in paths[-REPORTS_KEPT:]} == {0o600}
    assert directory.stat().st_mode & 0o777 == 0o700
    with pytest.raises(FileExistsError):
        write_report("again", directory, moments[-1])


def test_a_record_says_where_it_is_or_why_it_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    said = record_crash(raised(ValueError(SECRET)))
    (path,) = (tmp_path / "comfytui").iterdir()
    assert said == f"Crashed (ValueError). A report without secrets is in {path}"
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null")
    assert record_crash(ValueError(SECRET)) == "Crashed (ValueError), and no report could be written: not a directory."


def python(code: str, state: Path) -> tuple[int, str]:
    """Exit status and everything that a Python with our hooks wrote."""
    imports = "from comfytui.cli.progress import print_error\nfrom comfytui.crash_report import *\n"
    code = f"{imports}install_excepthook(print_error)\n{code}"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"XDG_STATE_HOME": str(state)},
    )
    return ended.returncode, ended.stdout.decode()


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (f"secret = '{SECRET}'; raise RuntimeError(secret)", 1),
        (f"import threading; t = threading.Thread(target=lambda: {{}}['{SECRET}']); t.start(); t.join()", 0),
        (f"class A:\n  def __del__(self): raise RuntimeError('{SECRET}')\nA()", 0),
    ],
    ids=["main", "thread", "finalizer"],
)
def test_uncaught_error_is_one_line(tmp_path: Path, code: str, status: int) -> None:
    ended, said = python(code, tmp_path)
    assert ended == status
    (report,) = (tmp_path / "comfytui").iterdir()
    assert said.startswith("comfytui: Crashed (")
    assert said.endswith(f"). A report without secrets is in {report}\n")
    assert said.count("\n") == 1
    assert "sekret" not in said + report.read_text()


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("raise KeyboardInterrupt", -2),
        ("raise SystemExit(7)", 7),
        ("raise OSError(5, 'the terminal is gone')", 1),
        ("import threading; t = threading.Thread(target=exit); t.start(); t.join()", 0),
    ],
)
def test_endings_are_no_crashes(tmp_path: Path, code: str, status: int) -> None:
    assert python(code, tmp_path) == (status, "")
    assert list(tmp_path.iterdir()) == []


def test_hooks_are_installed_in_every_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for module, name in ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook")):
        monkeypatch.setattr(module, name, getattr(module, name))
    said: list[str] = []
    install_excepthook(said.append)
    sys.excepthook(ValueError, ValueError(SECRET), None)
    assert len(said) == 1
    assert "sekret" not in said[0]
