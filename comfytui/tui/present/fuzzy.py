"""Finding texts by a few of their letters."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from comfytui.engine.collation import fold

__all__ = ["Match", "match"]

_LONGEST = 200
"""Of a longer text only this many characters are looked at."""


class Match(NamedTuple):
    """How well a text matches, and by which of its characters.

    Attributes:
        score: Greater than 0 and at most 2: above 1 where what was typed stands in the text as it is.
        places: Offsets of the characters in the text, ascending.
    """

    score: float
    places: tuple[int, ...]


def match(typed: str, text: str) -> Match | None:
    """Where the letters typed stand in the text in this order, whatever their case; None where they do not.

    What stands in one piece, at the begin of a word, in a short text comes first. It takes a time proportional to
    the text, whatever either of them is: names come from the API.
    """
    wanted, (candidate, origins) = fold(typed.strip()), _folded(text[:_LONGEST])
    if not wanted:
        return None
    if (start := _piece(wanted, candidate)) is not None:
        whole_word = 0.5 if start == 0 or not candidate[start - 1].isalnum() else 0.0
        places = _places(range(start, start + len(wanted)), origins)
        return Match(1.0 + whole_word + 0.5 * len(wanted) / len(candidate), places)
    found = _scattered("".join(wanted.split()), candidate)
    return Match(len(found) / (found[-1] - found[0] + 1), _places(found, origins)) if found else None


def _folded(text: str) -> tuple[str, list[range]]:
    """Return the folded text, and for each of its characters the offsets in `text` that it comes from."""
    if text.isascii():
        return fold(text), [range(index, index + 1) for index in range(len(text))]
    folded: list[str] = []
    origins: list[range] = []
    for origin in _clusters(text):
        part = fold(text[origin.start : origin.stop])
        folded.append(part)
        origins.extend([origin] * len(part))
    return "".join(folded), origins


def _clusters(text: str) -> list[range]:
    """Return the offsets of each character together with the combining marks behind it."""
    starts = [index for index, character in enumerate(text) if not index or not unicodedata.combining(character)]
    return [range(start, stop) for start, stop in zip(starts, [*starts[1:], len(text)], strict=True)]


def _places(found: Iterable[int], origins: Sequence[range]) -> tuple[int, ...]:
    """Return the offsets in the text that these characters of the folded text come from, each once."""
    return tuple(dict.fromkeys(chain.from_iterable(origins[index] for index in found)))


def _piece(wanted: str, candidate: str) -> int | None:
    """Where it stands as it is: at the begin of a word if there is such a place, else the first place."""
    first = start = candidate.find(wanted)
    while start > 0 and candidate[start - 1].isalnum():
        start = candidate.find(wanted, start + 1)
    return start if start >= 0 else first if first >= 0 else None


def _scattered(wanted: str, candidate: str) -> tuple[int, ...]:
    """Places of the letters in this order, close together: the first end there is, then back from there."""
    place = -1
    for letter in wanted:
        if (place := candidate.find(letter, place + 1)) < 0:
            return ()
    places: list[int] = []
    place += 1
    for letter in reversed(wanted):
        place = candidate.rfind(letter, 0, place)
        places.append(place)
    return tuple(reversed(places))
