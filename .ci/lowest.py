"""Print the lowest version that pyproject.toml allows of each dependency of the program, as constraints for pip."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

_EXTRAS = ("completion", "serve")
_LOWER_BOUND = re.compile(r"([\w.-]+)>=([\w.]+)")


def lowest(requirement: str) -> str:
    """Return the constraint that pins a requirement to its lower bound."""
    name, version = _LOWER_BOUND.match(requirement).groups()
    return f"{name}=={version}"


def main() -> None:
    """Print a constraint a line."""
    project = tomllib.loads(Path(sys.argv[1]).read_text())["project"]
    extras = [line for name in _EXTRAS for line in project["optional-dependencies"][name]]
    for requirement in (*project["dependencies"], *extras):
        print(lowest(requirement))


if __name__ == "__main__":
    main()
