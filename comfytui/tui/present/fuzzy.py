"""Finding texts by a few of their letters."""

from __future__ import annotations

from typing import NamedTuple

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
    wanted, candidate = _lower(typed.strip()), _lower(text[:_LONGEST])
    if not wanted:
        return None
    if (start := _piece(wanted, candidate)) is not None:
        whole_word = 0.5 if start == 0 or not candidate[start - 1].isalnum() else 0.0
        return Match(1.0 + whole_word + 0.5 * len(wanted) / len(candidate), tuple(range(start, start + len(wanted))))
    places = _scattered("".join(wanted.split()), candidate)
    return Match(len(places) / (places[-1] - places[0] + 1), places) if places else None


def _lower(text: str) -> str:
    """The text in small letters, as many as it has."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else "".join(each.lower()[0] for each in text)


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
