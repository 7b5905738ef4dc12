"""Man page, generated from the parser; `python -m comfytui.cli.manual` writes the shipped file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from comfytui.cli.grammar import describe_parser
from comfytui.cli.parser import build_parser

if TYPE_CHECKING:
    import argparse

    from comfytui.cli.grammar import CommandHelp, Option, OptionGroup


PAGE = Path(__file__).parents[1] / "man" / "comfytui.1"
"""Path of the man page, which the wheel installs in `share/man/man1` as well."""

_FILES = (
    ("~/.config/comfytui/config.toml", "The configuration; see CONFIGURATION."),
    ("~/.config/comfytui/token", "The token that the dashboard saved on request; token-NAME for a profile."),
    ("~/.local/state/comfytui/state.json", "The view of the last session of the dashboard."),
    ("~/.local/state/comfytui/requests.log", "The latest requests, without secrets."),
    ("~/.local/state/comfytui/crash-*.txt", "Crash reports, without values."),
    ("~/.local/state/comfytui/clipboard.txt", "Copied text, if the terminal has no clipboard."),
    (
        "comfytui-UID/budget-1.sqlite",
        "The request budget that all processes of a user share, below /dev/shm, else below /tmp or in /run/user/UID.",
    ),
)

_ENVIRONMENT = (
    ("COMFYCONTROL_API_TOKEN", "The token; with serve, the token that clients must send."),
    ("COMFYCONTROL_API_URL", "The base URL of the API."),
    ("XDG_CONFIG_HOME, XDG_STATE_HOME", "Where the directories of FILES are."),
    ("HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY", "The proxy between this machine and the API."),
    ("SSL_CERT_FILE, SSL_CERT_DIR", "Certificates to trust instead of the system's."),
    ("NO_COLOR", "If set to anything: no colors."),
    ("TERM, COLORTERM, TERM_PROGRAM", "The capabilities of the terminal."),
    ("ESCDELAY", "Milliseconds to wait after Escape for the rest of a key."),
)


@dataclass(frozen=True, slots=True)
class _Epilog:
    """Parts of an epilog, each as lines."""

    prose: tuple[str, ...] = ()
    configuration: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()


def render_manpage(parser: argparse.ArgumentParser) -> str:
    """Return the page in roff, always the same for the same parser."""
    program = describe_parser(parser)
    told = _read(program.epilog)
    lines = (
        '.TH COMFYTUI 1 "" comfytui "User Commands"',
        *_section("NAME", [rf"{program.name} \- {_escape(_as_name(program.description))}"]),
        *_section("SYNOPSIS", _synopsis(program)),
        *_section("DESCRIPTION", _paragraphs([program.description, *told.prose])),
        *_section("COMMANDS", [line for each in program.commands for line in _command(each, program)]),
        *_section("OPTIONS", [line for group in program.groups for line in _group(group)]),
        *_section("CONFIGURATION", _verbatim(told.configuration)),
        *_section("FILES", _definition_list(_FILES)),
        *_section("ENVIRONMENT", _definition_list(_ENVIRONMENT)),
        *_section("EXIT STATUS", _definition_list(status.split(" ", 1) for status in told.statuses)),
        *_section("EXAMPLES", _verbatim(line for each in program.commands for line in _read(each.epilog).examples)),
    )
    return "".join(f"{line}\n" for line in lines)


def write_manpage(path: Path = PAGE) -> None:
    """Write the page of the current parser."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(render_manpage(build_parser()), encoding="utf-8")


def _read(epilog: str) -> _Epilog:
    """Parse an epilog into its blocks, which empty lines separate."""
    prose, configuration, examples, statuses = [], [], [], []
    for block in re.split(r"\n\n(?=\S)", epilog.strip()):
        head, _, rest = block.partition("\n")
        if head == "examples:":
            examples += [line.strip() for line in rest.splitlines()]
        elif head.startswith("configuration "):
            configuration += [line.removeprefix("  ") for line in rest.splitlines() if line.strip()]
        elif head.startswith("exit status: "):
            statuses += re.split(r", (?=\d+ )", _one_line(block.removeprefix("exit status: ")))
        else:
            prose.append(_one_line(block))
    return _Epilog(tuple(prose), tuple(configuration), tuple(examples), tuple(statuses))


def _synopsis(program: CommandHelp) -> Iterator[str]:
    yield rf"{_bold(program.name)} [{_italic('OPTION')}]..."
    for command in program.commands:
        arguments = "".join(f" {_value(each.value)}" for each in _all_commands(command) if not each.flags)
        yield ".br"
        yield rf"{_bold(command.name)} [{_italic('OPTION')}]...{arguments}"


def _command(command: CommandHelp, program: CommandHelp) -> Iterator[str]:
    """Yield the description of a command and the options that are not the program's own."""
    own, shared = _separate_pages(command, program)
    yield f".SS {_escape(command.name.removeprefix(program.name).strip())}"
    yield from _paragraphs([_one_line(command.description)])
    yield from _options(own)
    if shared:
        yield from _paragraphs([f"The options of {' and '.join(shared)} in OPTIONS apply, too."])
    if statuses := _read(command.epilog).statuses:
        yield from _paragraphs([f"Exit status: {', '.join(statuses)}."])


def _separate_pages(command: CommandHelp, program: CommandHelp) -> tuple[list[Option], list[str]]:
    """Return a command's own options, and the titles of the groups that the program has as well."""
    common = set(_all_commands(program))
    own = [option for option in _all_commands(command) if option not in common]
    shared = [f'"{group.title}"' for group in command.groups if group.title and common.issuperset(group.options)]
    return own, shared


def _all_commands(command: CommandHelp) -> Iterator[Option]:
    return (option for group in command.groups for option in group.options)


def _group(group: OptionGroup) -> Iterator[str]:
    if group.title:
        yield f".SS {_escape(group.title)}"
    yield from _paragraphs([group.words] if group.words else [])
    yield from _options(group.options)


def _options(options: Iterable[Option]) -> Iterator[str]:
    for option in options:
        yield ".TP"
        flags = ", ".join(map(_bold, option.flags))
        yield " ".join(part for part in (flags, _value(option.value)) if part)
        yield _escape(option.help)


def _value(value: str) -> str:
    """Return the value of an option: a placeholder, or the choices."""
    is_name = value == value.upper()
    return "|".join(map(_italic if is_name else _bold, value.split("|"))) if value else ""


def _definition_list(entries: Iterable[Sequence[str]]) -> Iterator[str]:
    for term, words in entries:
        yield from (".TP", _bold(term), _escape(words))


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield f".SH {title}"
    # A section starts with a paragraph anyway.
    lines = list(lines)
    yield from lines[1:] if lines[:1] == [".PP"] else lines


def _paragraphs(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from (".PP", _escape(text))


def _verbatim(lines: Iterable[str]) -> Iterator[str]:
    yield from (".nf", *map(_escape, lines), ".fi")


def _as_name(description: str) -> str:
    """Return the description for the NAME section: lower case, without a full stop."""
    return f"{description[:1].lower()}{description[1:]}".removesuffix(".")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _bold(text: str) -> str:
    return rf"\fB{_escape(text)}\fR"


def _italic(text: str) -> str:
    return rf"\fI{_escape(text)}\fR"


def _escape(text: str) -> str:
    """Escape text for roff: copyable hyphens, straight quotes, no line that is a request."""
    for char, escaped in (("\\", r"\e"), ("-", r"\-"), ("'", r"\(aq"), ("`", r"\(ga"), ("~", r"\(ti"), ("^", r"\(ha")):
        text = text.replace(char, escaped)
    return rf"\&{text}" if text.startswith((".", "'")) else text


if __name__ == "__main__":
    write_manpage()
