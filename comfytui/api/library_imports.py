"""Smaller imports of httpx and pydantic."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import cast


def trim_library_imports() -> None:
    """Skip optional imports of httpx and pydantic plugins; call before importing either.

    If click is installed, httpx imports it and rich for its own command line, which takes a third of its import time.
    Pydantic searches all installed packages for plugins, which are not used here.
    Httpcore looks for sniffio on the disk with each request, in vain where that is not installed.
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if "httpx" not in sys.modules:
        # Without a `main` in it httpx takes it for not installed.
        sys.modules.setdefault("httpx._main", ModuleType("httpx._main"))
    if "sniffio" not in sys.modules and find_spec("sniffio") is None:
        # None in sys.modules makes the import fail without searching the path.
        cast("dict[str, object]", sys.modules)["sniffio"] = None
