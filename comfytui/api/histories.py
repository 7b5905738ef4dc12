"""A history that was cut, apart from `models` so that whoever only draws histories does not import pydantic."""

from __future__ import annotations

from typing import TypeVar

_T = TypeVar("_T")


MAX_HISTORY = 10
"""Workflows of a history at most (page get-runner-history)."""


class CutHistory(tuple[_T, ...]):
    """A runner's newest workflows, of which more were sent than a history has: the rest was left out."""

    __slots__ = ()
