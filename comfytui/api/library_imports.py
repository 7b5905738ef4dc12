"""What the libraries need not bring along."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import cast


def trim_library_imports() -> None:
    """To be called before httpx and pydantic are first used: they then leave out what is of no use here.

    Where click is installed httpx imports that and rich for a command line of its own, which is a third of what its
    import takes. Pydantic looks through all that is installed for plugins of it, of which nothing here wants any.
    Httpcore looks for sniffio on the disk with each request, in vain where that is not installed.
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if "httpx" not in sys.modules:
        # Without a `main` in it httpx takes it for not installed.
        sys.modules.setdefault("httpx._main", ModuleType("httpx._main"))
    if "sniffio" not in sys.modules and find_spec("sniffio") is None:
        # To Python that says: there is none, and no need to look.
        cast("dict[str, object]", sys.modules)["sniffio"] = None
