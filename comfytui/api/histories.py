"""Truncated histories; apart from `models`, so that rendering does not import pydantic."""

from __future__ import annotations

from typing import TypeVar

_T = TypeVar("_T")


MAX_HISTORY = 10
"""Workflows of a history at most (page get-runner-history)."""


class CutHistory(tuple[_T, ...]):
    """Newest workflows of a runner that sent more than a history holds; the rest was left out."""

    __slots__ = ()
