from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import pytest

from tests.benchmarks.processes import cpu_seconds, resident_bytes

# More than Linux gives out.
NOBODY = 2**22 + 1

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")


def test_processor_time_is_what_the_process_itself_is_told() -> None:
    before = time.process_time()
    seen = cpu_seconds(os.getpid())
    assert before <= seen <= time.process_time()


def test_memory_grows_by_what_is_written_to() -> None:
    before = resident_bytes(os.getpid())
    block = bytearray(b"x") * 50_000_000
    assert 45e6 < resident_bytes(os.getpid()) - before < 55e6
    del block


@pytest.mark.parametrize("ask", [cpu_seconds, resident_bytes])
def test_nothing_is_known_of_a_process_that_is_not_there(ask: Callable[[int], float]) -> None:
    with pytest.raises(OSError, match=r"No such|Invalid"):
        ask(NOBODY)
