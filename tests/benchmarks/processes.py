"""What the system knows of a process: the processor time it took, the memory it holds."""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["cpu_seconds", "resident_bytes"]

# How Linux makes a clock's number of a process's, see clock_getcpuclockid(3).
_PROCESS_CLOCK = 2
_CLOCK_BITS = 3


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has taken so far, all its threads together, to the nanosecond.

    Raises:
        OSError: There is no such process.
    """
    return time.clock_gettime((~pid << _CLOCK_BITS) | _PROCESS_CLOCK)


def resident_bytes(pid: int) -> int:
    """Bytes of memory that a process holds, those it shares with others included.

    Raises:
        OSError: There is no such process.
    """
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
