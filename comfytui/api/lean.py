"""What the libraries need not bring along."""

from __future__ import annotations

import os
import sys
from types import ModuleType

__all__ = ["spare_libraries_their_extras"]


def spare_libraries_their_extras() -> None:
    """To be called before httpx and pydantic are first used: they then leave out what is of no use here.

    Where click is installed httpx imports that and rich for a command line of its own, which is a third of what its
    import takes. Pydantic looks through all that is installed for plugins of it, of which nothing here wants any.
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if "httpx" not in sys.modules:
        # Without a `main` in it httpx takes it for not installed.
        sys.modules.setdefault("httpx._main", ModuleType("httpx._main"))
