"""The footer: which keys work here."""

from __future__ import annotations

from collections.abc import Sequence

from comfytui.tui.present.cells import Line, Role, Span, beside, width_of

__all__ = ["hints_line"]

_GAP = Span("  ")


def hints_line(hints: Sequence[tuple[str, str]], kept: Sequence[tuple[str, str]], width: int) -> Line:
    """Hints of (keys, word) as one line; the later ones go where it is narrow, the `kept` ones never."""
    last = [_hint(*hint) for hint in kept]
    shown: list[Line] = []
    for hint in hints:
        candidate = [*shown, _hint(*hint)]
        if width_of(beside([*candidate, *last], _GAP)) > width:
            break
        shown = candidate
    return beside([*shown, *last], _GAP)


def _hint(keys: str, word: str) -> Line:
    return (Span(keys, Role.ACCENT), Span(f" {word}", Role.MUTED))
