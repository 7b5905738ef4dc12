"""What items are called."""

from __future__ import annotations

__all__ = ["name_or_id"]


def name_or_id(name: str | None, item_id: str) -> str:
    """What to call an item: its name, or its id where the name is blank or missing."""
    return name if name and not name.isspace() else item_id
