"""What the beginning of a queue tells that is too large to be read: what runs, and some of what waits.

ComfyUI puts what runs first. What waits follows as the heap it is kept in, of which the first are among the next.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from comfytui.gateway.comfyui.models import read_queue

if TYPE_CHECKING:
    from comfytui.gateway.comfyui.models import Job

__all__ = ["GLIMPSE_BYTES", "glimpsed_queue"]

GLIMPSE_BYTES = 1_000_000
"""So much of it is looked at: what runs is one job, with a workflow of a hundredth to a tenth of that."""

_CERTAIN = (1, 3, 7)
"""Length of the heap's beginning that surely holds the first, the first two and the first three in run order."""

_DECODER = json.JSONDecoder()
_BLANKS = re.compile(r"\s*")


def glimpsed_queue(beginning: bytes) -> tuple[Job, ...] | None:
    """What runs, then the next of what waits; None where the beginning does not tell all that runs."""
    lists = _lists_of(beginning.decode("utf-8-sig", errors="replace"))
    if [*lists] != ["queue_running", "queue_pending"]:
        return None
    running = read_queue({**lists, "queue_pending": []}).jobs
    pending = lists["queue_pending"]
    waiting = read_queue({"queue_running": [], "queue_pending": pending}).jobs
    return *running, *waiting[: sum(len(pending) >= least for least in _CERTAIN)]


def _lists_of(text: str) -> dict[str, list[object]]:
    """The lists in an object that was cut off, each with its items as far as they are whole."""
    lists: dict[str, list[object]] = {}
    try:
        at = _past("{", text, 0)
        while True:
            name, at = _DECODER.raw_decode(text, _past("", text, at))
            at = _past("[", text, _past(":", text, at))
            at = _past(",", text, _read_items(text, at, lists.setdefault(str(name), [])))
    except (ValueError, RecursionError):
        # Where it was cut off, or where it is no such object any more.
        return lists


def _read_items(text: str, at: int, items: list[object]) -> int:
    """Add the items of a list to these, and return what is behind its end; ValueError if that is not reached."""
    while not text.startswith("]", at := _past("", text, at)):
        item, at = _DECODER.raw_decode(text, _past("," if items else "", text, at))
        items.append(item)
    return at + 1


def _past(mark: str, text: str, at: int) -> int:
    """Where the text goes on behind blanks, this mark, and more blanks; ValueError if the mark is not there."""
    at = _end_of_blanks(text, at)
    if not text.startswith(mark, at):
        raise ValueError(f"expected {mark}")
    return _end_of_blanks(text, at + len(mark))


def _end_of_blanks(text: str, at: int) -> int:
    blanks = _BLANKS.match(text, at)
    return blanks.end() if blanks else at
