"""Narration: the only writer to standard error."""

from __future__ import annotations

import sys

__all__ = ["say"]


def say(sentence: str) -> None:
    """Tell the person something, on standard error; nothing where that is closed, for print would take the other."""
    if sys.stderr is not None:
        print(f"comfytui: {sentence}", file=sys.stderr, flush=True)
