"""What may be wished of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from comfytui.engine.snapshot import Attention

__all__ = ["Action", "Attend", "ChangeInterval", "Reconnect", "Refresh"]


class Attend(NamedTuple):
    """Look at this from now on; what it holds that was never asked is asked at once."""

    attention: Attention


class Refresh:
    """Ask everything attended again now, paused or not; what is already under way is not asked twice.

    Wished again and again, as by a key held down, it asks no more often than the allowance bears.
    """


class ChangeInterval(NamedTuple):
    """Poll every so many seconds, 1 or more, from now on."""

    seconds: float


class Reconnect:
    """Close the connections, connect anew, as with another token, and ask everything attended again."""


Action: TypeAlias = Attend | Refresh | ChangeInterval | Reconnect
