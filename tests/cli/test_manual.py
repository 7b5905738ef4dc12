from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from comfytui.cli.exit_codes import ExitCode
from comfytui.cli.grammar import describe_parser
from comfytui.cli.manual import PAGE, render_manpage, write_manpage
from comfytui.cli.parser import build_parser

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


@pytest.fixture(scope="module")
def told() -> str:
    """The page as a reader sees it, on one line."""
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("there is no groff here")
    argv = [groff, "-man", "-Tutf8", "-ww", "-P-cbou", "-rLL=1000n", "-rHY=0"]
    made = subprocess.run(argv, input=render_manpage(build_parser()).encode(), capture_output=True, check=True)
    assert made.stderr == b"", "it is without flaws"
    return " ".join(made.stdout.decode().split())


def test_the_page_that_is_shipped_says_what_the_parser_says(tmp_path: Path) -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == render_manpage(build_parser()), "python -m comfytui.cli.manual writes it anew"
    write_manpage(tmp_path / "comfytui.1")
    assert (tmp_path / "comfytui.1").read_text(encoding="utf-8") == written


def test_the_wheel_has_it_where_man_looks() -> None:
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))
    (path,) = [
        path
        for path, place in project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"].items()
        if place == "share/man/man1/comfytui.1"
    ]
    assert PROJECT.parent / path == PAGE


def test_man_page_has_all_sections() -> None:
    lines = render_manpage(build_parser()).splitlines()
    assert [line.removeprefix(".SH ") for line in lines if line.startswith(".SH ")] == [
        *("NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "OPTIONS"),
        *("CONFIGURATION", "FILES", "ENVIRONMENT", "EXIT STATUS", "EXAMPLES"),
    ]
    assert all(line.isascii() for line in lines)


def test_a_reader_finds_every_command_option_and_status(told: str) -> None:
    program = describe_parser(build_parser())
    for command in (program, *program.commands):
        assert " ".join(command.description.split()) in told
        for option in (option for group in command.groups for option in group.options):
            head = " ".join(part for part in (", ".join(option.flags), option.value) if part)
            assert f"{head} {' '.join(option.help.split())}" in told
    statuses = told.partition("EXIT STATUS")[2]
    for status in (*ExitCode, 129, 143):
        assert f" {int(status)} " in statuses
    for example in ("comfytui runners --json --page 1", "--filter 'tag:a100 !last:failed'"):
        assert example in told.partition("EXAMPLES")[2]


def test_line_with_a_leading_dot_is_escaped() -> None:
    parser = build_parser()
    parser.description = r".so /etc/passwd \fBand - such's"
    assert r"\&.so /etc/passwd \efBand \- such\(aqs" in render_manpage(parser).splitlines()
