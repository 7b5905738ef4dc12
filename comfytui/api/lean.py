"""What the import of httpx need not bring along."""

from __future__ import annotations

import sys
from types import ModuleType

__all__ = ["spare_httpx_its_command"]


def spare_httpx_its_command() -> None:
    """To be called before httpx is first imported: it then leaves out the command line that it has itself.

    Where click is installed httpx imports that and rich for it, which is a third of what its import takes.
    """
    if "httpx" not in sys.modules:
        # Without a `main` in it httpx takes it for not installed.
        sys.modules.setdefault("httpx._main", ModuleType("httpx._main"))
