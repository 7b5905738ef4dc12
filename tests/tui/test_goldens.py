"""The main screens on every kind of terminal; `python -m tests.golden` writes anew what they are compared with."""

from __future__ import annotations

import re
import unicodedata

import pytest
from rich.cells import cell_len

from tests.golden import FOLDER, GOLDENS, SIZES, TERMINALS, Golden, drawn


def golden(size: tuple[int, int], terminal: str) -> str:
    return (FOLDER / Golden(size, terminal).name).read_text(encoding="utf-8")


def texts(written: str) -> list[str]:
    """The text of each screen, without its styles."""
    return re.findall(r"^=== [^\n]*\n(.*?)^---$", written, re.DOTALL | re.MULTILINE)


def styles(written: str) -> list[str]:
    return written.partition("=== styles\n")[2].splitlines()


@pytest.mark.parametrize("which", GOLDENS, ids=lambda which: which.name)
async def test_the_screens_are_as_they_were(which: Golden) -> None:
    assert await drawn(which) == (FOLDER / which.name).read_text(encoding="utf-8")


@pytest.mark.parametrize("size", SIZES)
def test_colours_change_no_text(size: tuple[int, int]) -> None:
    assert texts(golden(size, "truecolor")) == texts(golden(size, "16")) == texts(golden(size, "nocolor"))


@pytest.mark.parametrize("size", SIZES)
def test_ascii_is_ascii_cell_by_cell(size: tuple[int, int]) -> None:
    told, plain = texts(golden(size, "truecolor")), texts(golden(size, "ascii"))
    assert all(text.isascii() for text in plain)
    # The last line of each screen, and all of the help, name keys: in words where their signs cannot be drawn.
    for one, other in zip(told[:-1], plain[:-1], strict=True):
        assert [*map(cell_len, one.splitlines()[:-1])] == [*map(cell_len, other.splitlines()[:-1])]


@pytest.mark.parametrize("size", SIZES)
def test_without_colours_there_are_none_and_the_cursor_is_seen(size: tuple[int, int]) -> None:
    looks = [look.partition(" ")[2] for look in styles(golden(size, "nocolor"))]
    assert not any("#" in look or "color(" in look or " on " in f" {look} " for look in looks)
    assert any("reverse" in look for look in looks)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("terminal", TERMINALS)
def test_no_line_is_wider_than_the_terminal(size: tuple[int, int], terminal: str) -> None:
    for text in texts(golden(size, terminal)):
        assert len(text.splitlines()) == size[1]
        assert all(cell_len(line) <= size[0] for line in text.splitlines())
        assert not any(unicodedata.category(char) == "Cc" for char in text.replace("\n", ""))
