"""The person's time zone, which the pure functions take from the process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest

InZone: TypeAlias = Callable[[str], None]


@pytest.fixture
def in_zone() -> Iterator[InZone]:
    """Move the process to a time zone; it is back where it was afterwards."""

    def move(zone: str) -> None:
        patch.setenv("TZ", zone)
        time.tzset()

    with pytest.MonkeyPatch.context() as patch:
        yield move
    time.tzset()
