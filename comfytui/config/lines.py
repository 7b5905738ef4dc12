"""Where in a TOML document each key is set."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import TypeAlias

__all__ = ["KeyPath", "line_of", "lines_of"]

KeyPath: TypeAlias = tuple[str, ...]
"""The names on the way to a key, from the outermost table inwards."""

# Quotes of strings over several lines, whole strings of one line, whole comments, brackets, line breaks.
_TOKEN = re.compile(r'''"""|\'{3}|"[^"\\\n]*(?:\\.[^"\\\n]*)*"|'[^'\n]*'|\#[^\n]*|[\[\]{}\n]''')

# Such a string may end with two quotes of its own before the three that close it.
_CLOSING = {'"""': re.compile(r'\\.|"{3,5}', re.DOTALL), "'''": re.compile("'{3,5}")}


def lines_of(text: str) -> Mapping[KeyPath, int]:
    """The line, from 1, on which each key and each table of a document begins.

    Args:
        text: A whole document that TOML's parser takes.
    """
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for number, statement in _statements(text.replace("\r\n", "\n")):
        paths = list(_paths(tomllib.loads(statement)))
        if statement.lstrip().startswith("["):
            table = paths[-1]
        else:
            paths = [table + path for path in paths]
        for path in paths:
            lines.setdefault(path, number)
    return lines


def line_of(path: KeyPath, lines: Mapping[KeyPath, int]) -> int | None:
    """The line of a key, else of the innermost thing around it that has one, else None."""
    around = (path[:length] for length in range(len(path), 0, -1))
    return next((lines[each] for each in around if each in lines), None)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each header and each `key = value` with the number of its first line: what the parser takes by itself."""
    number, start = 1, 0
    for end in (*_ends(text), len(text)):
        statement = text[start:end]
        if statement.strip() and not statement.lstrip().startswith("#"):
            yield number, statement
        number, start = number + statement.count("\n"), end


def _ends(text: str) -> Iterator[int]:
    """Where statements end: behind each line break that is neither within a string nor within brackets."""
    at = depth = 0
    while token := _TOKEN.search(text, at):
        at = token.end()
        match token[0]:
            case "[" | "{":
                depth += 1
            case "]" | "}":
                depth -= 1
            case "\n" if depth == 0:
                yield at
            case quotes if quotes in _CLOSING:
                at = _behind(text, at, _CLOSING[quotes])


def _behind(text: str, at: int, closing: re.Pattern[str]) -> int:
    """Where a string of several lines has ended that goes on here; a backslash takes what follows for text."""
    while token := closing.search(text, at):
        at = token.end()
        if not token[0].startswith("\\"):
            return at
    return len(text)


def _paths(said: Mapping[str, object]) -> Iterator[KeyPath]:
    for key, value in said.items():
        yield (key,)
        if isinstance(value, dict):
            yield from ((key, *path) for path in _paths(value))
