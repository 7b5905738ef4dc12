"""A history that was cut, apart from `models` so that whoever only draws histories does not import pydantic."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comfytui.api.models import Workflow

__all__ = ["MAX_HISTORY", "CutHistory"]

MAX_HISTORY = 10
"""Workflows of a history at most (page get-runner-history)."""


class CutHistory(tuple["Workflow", ...]):
    """A runner's newest workflows, of which more were sent than a history has: the rest was left out."""

    __slots__ = ()
