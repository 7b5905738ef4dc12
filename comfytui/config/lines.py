"""Where in a TOML document each key is set."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import TypeAlias

__all__ = ["KeyPath", "line_of", "lines_of"]

KeyPath: TypeAlias = tuple[str, ...]
"""The names on the way to a key, from the outermost table inwards."""


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
    statement, first = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        if not statement:
            first = number
        statement += f"{line}\n"
        try:
            said = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        if said:
            yield first, statement
        statement = ""


def _paths(said: Mapping[str, object]) -> Iterator[KeyPath]:
    for key, value in said.items():
        yield (key,)
        if isinstance(value, dict):
            yield from ((key, *path) for path in _paths(value))
