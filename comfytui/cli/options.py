"""Options that several commands have, and what their values may be. Imports the standard library only."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from comfytui.config.settings import (
    API_URL,
    API_URL_VARIABLE,
    DEFAULT_INTERVAL,
    DEFAULT_RUNNERS,
    DEFAULT_TIMEOUT,
    MAX_PER_PAGE,
)

__all__ = [
    "MAX_PORT",
    "add_fleet_options",
    "add_format_options",
    "add_interval_option",
    "add_ordering_options",
    "add_page_options",
    "add_source_options",
    "add_waiting_option",
    "any_number",
    "file_path",
    "named_servers",
    "seconds",
    "whole_number",
]

MAX_PORT = 65535

_ABSENT = argparse.SUPPRESS


def add_fleet_options(parser: argparse.ArgumentParser, *, after: bool) -> None:
    """Whose runners, where no API is asked for them, and which configuration; each may stand before or after a command.

    They have no default, so that neither place undoes the other; those of `--comfyui` add up (`named_servers`).
    """
    group = parser.add_argument_group("whose runners")
    group.add_argument(
        "--comfyui",
        action="append",
        metavar="URL[,URL]",
        dest="comfyui_after" if after else "comfyui",
        default=_ABSENT,
        help="plain ComfyUI servers instead of the API; may be repeated",
    )
    group.add_argument("--demo", action="store_true", default=_ABSENT, help="a simulated fleet: no token, no network")
    group.add_argument(
        "--runners",
        type=whole_number(0, 1_000_000),
        metavar="N",
        default=_ABSENT,
        help=f"how many runners the simulated fleet has ({DEFAULT_RUNNERS})",
    )
    group.add_argument(
        "--seed", type=any_number, metavar="S", default=_ABSENT, help="another seed, another simulated fleet (0)"
    )
    group.add_argument(
        "--config", type=file_path, metavar="FILE", default=_ABSENT, help="the configuration to read, not the usual one"
    )


def add_source_options(parser: argparse.ArgumentParser, *, after: bool) -> None:
    """Those of `add_fleet_options`, and which API is asked, and how."""
    add_fleet_options(parser, after=after)
    group = parser.add_argument_group("which API")
    group.add_argument("--url", default=_ABSENT, help=f"the API's address ({API_URL_VARIABLE}, else {API_URL})")
    group.add_argument("--profile", metavar="NAME", default=_ABSENT, help="a profile of the configuration")
    group.add_argument(
        "--log",
        type=file_path,
        metavar="FILE",
        default=_ABSENT,
        help="copy the request log there, not into the state directory",
    )
    group.add_argument(
        "--insecure-http",
        action="store_true",
        default=_ABSENT,
        help="send the token over plain http even to another host",
    )


def add_page_options(parser: argparse.ArgumentParser, per_page: str) -> None:
    """How many runners make a page; the words tell what they are without it."""
    parser.add_argument(
        "--per-page",
        type=whole_number(1, MAX_PER_PAGE),
        metavar="N",
        default=_ABSENT,
        help=f"runners on a page, 1 to {MAX_PER_PAGE} ({per_page})",
    )


def add_interval_option(parser: argparse.ArgumentParser, what: str) -> None:
    """How often is asked; the words tell what is done then."""
    parser.add_argument(
        "--interval",
        type=seconds,
        metavar="SECONDS",
        default=_ABSENT,
        help=f"time between {what}, 1 or more ({DEFAULT_INTERVAL:g})",
    )


def add_format_options(parser: argparse.ArgumentParser) -> None:
    """How the answer is written: `format` is json, ndjson, csv or None, which depends on what it is written to."""
    group = parser.add_argument_group(
        "how it is written", "Without one of these: a table on a terminal, columns with tabs between them elsewhere."
    )
    formats = group.add_mutually_exclusive_group()
    for name, words in (
        ("json", "one JSON document, fields named as the API's"),
        ("ndjson", "one JSON object a line"),
        ("csv", "CSV below a line of names"),
    ):
        formats.add_argument(f"--{name}", dest="format", action="store_const", const=name, help=words)


def add_ordering_options(parser: argparse.ArgumentParser, keys: str, columns: str) -> None:
    """What comes first, and which columns there are; the keys are given in words."""
    parser.add_argument("--sort", metavar="KEY[:asc|:desc]", help=f"what decides the order: {keys}")
    parser.add_argument(
        "--columns", metavar="A,B,C", help=f"which columns, in which order: {columns}; JSON stays whole"
    )


def add_waiting_option(parser: argparse.ArgumentParser) -> None:
    """Seconds to wait for an answer, and whether to wait out a cooldown."""
    parser.add_argument(
        "--timeout",
        type=seconds,
        metavar="SECONDS",
        help=f"how long to wait for an answer, 1 or more ({DEFAULT_TIMEOUT:g})",
    )
    parser.add_argument(
        "--no-wait", action="store_true", help="end with status 5 while the API wants to be left alone, do not wait"
    )


def named_servers(args: argparse.Namespace) -> tuple[str, ...]:
    """What `--comfyui` was given before and after the command."""
    return (*(args.comfyui or ()), *(getattr(args, "comfyui_after", None) or ()))


def any_number(text: str) -> int:
    """A type of argument: any whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError("expected a whole number") from None


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """A type of argument: a whole number within these limits."""

    def whole(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"expected a whole number from {least} to {most}")
        return number

    return whole


def file_path(text: str) -> Path:
    """A type of argument: the path of a file, there or not."""
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError("expected the path of a file")
    return Path(text)


def seconds(text: str) -> float:
    """A type of argument: seconds, 1 or more."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 1):
        raise argparse.ArgumentTypeError("expected seconds, 1 or more")
    return number
