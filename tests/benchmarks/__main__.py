"""Fast and light, measured against the floor: `python -m tests.benchmarks`.

The dashboard, against a gateway on this machine with 250 runners, in a terminal of 120 columns and 40 rows, beside two
floors: about the smallest Textual app that shows a table (`floor_table`), and about the smallest that polls
(`floor_polling`). Of everything that depends on how fast the machine is the ratio counts. It prints a table of
all figures; how each is taken is said in `tests.benchmarks.sessions`. Nothing else should run meanwhile.

`--short` takes fewer, and the status is 1 where one of those is twice its target.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.benchmarks.figures import Figure, as_json, table
from tests.benchmarks.suite import full, short

__all__ = ["main"]

_RUNS = 7


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=_count, default=_RUNS, metavar="N", help="runs of each, default %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--short", action="store_true", help="a few figures, and status 1 where one is far off")
    chosen = parser.parse_args(arguments)
    figures = _told(short() if chosen.short else full(chosen.runs))
    print(table(figures))
    if chosen.json is not None:
        chosen.json.write_text(as_json(figures) + "\n", encoding="utf-8")
    far_off = [each.name for each in figures if chosen.short and each.is_far_off]
    if far_off:
        print(f"far off: {', '.join(far_off)}", file=sys.stderr)
    return int(bool(far_off))


def _told(figures: Iterable[Figure]) -> list[Figure]:
    """All figures; each is named as it comes, for whoever waits."""
    taken = []
    for figure in figures:
        print(figure.name, file=sys.stderr)
        taken.append(figure)
    return taken


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
