"""Shared options and argument types of the command line. Imports the standard library only."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from comfytui.config.settings import (
    API_URL,
    API_URL_VARIABLE,
    DEFAULT_INTERVAL_S,
    DEFAULT_RUNNERS,
    DEFAULT_TIMEOUT,
    MAX_PER_PAGE,
)

_ABSENT = argparse.SUPPRESS


def add_fleet_options(parser: argparse.ArgumentParser, *, after: bool) -> None:
    """Add the options that choose a data source other than the API, and the configuration.

    They are accepted before and after a command and have no default, so that neither place overrides the other;
    values of `--comfyui` add up (`named_servers`).
    """
    group = parser.add_argument_group("data source")
    group.add_argument(
        "--comfyui",
        action="append",
        metavar="URL[,URL]",
        dest="comfyui_after" if after else "comfyui",
        default=_ABSENT,
        help="watch plain ComfyUI servers instead of the API; may be repeated",
    )
    group.add_argument(
        "--demo", action="store_true", default=_ABSENT, help="watch a simulated fleet: no token, no network"
    )
    group.add_argument(
        "--runners",
        type=integer_between(0, 1_000_000),
        metavar="N",
        default=_ABSENT,
        help=f"number of runners of the simulated fleet (default: {DEFAULT_RUNNERS})",
    )
    group.add_argument(
        "--seed", type=integer, metavar="S", default=_ABSENT, help="seed of the simulated fleet (default: 0)"
    )
    add_config_option(group)


def add_config_option(parser: argparse._ActionsContainer) -> None:
    """Add the option that names another configuration file."""
    parser.add_argument(
        "--config", type=file_path, metavar="FILE", default=_ABSENT, help="configuration file to read instead"
    )


def add_source_options(parser: argparse.ArgumentParser, *, after: bool) -> None:
    """Add the options of `add_fleet_options`, and those of the connection to the API."""
    add_fleet_options(parser, after=after)
    group = parser.add_argument_group("API connection")
    group.add_argument(
        "--url", default=_ABSENT, help=f"base URL of the API (default: {API_URL_VARIABLE}, else {API_URL})"
    )
    group.add_argument("--profile", metavar="NAME", default=_ABSENT, help="profile of the configuration to use")
    group.add_argument(
        "--log",
        type=file_path,
        metavar="FILE",
        default=_ABSENT,
        help="write the request log to this file instead of the state directory",
    )
    group.add_argument(
        "--insecure-http",
        action="store_true",
        default=_ABSENT,
        help="allow sending the token unencrypted to another host",
    )


def add_page_options(parser: argparse.ArgumentParser, per_page: str) -> None:
    """Add the number of runners per page; `per_page` describes the default."""
    parser.add_argument(
        "--per-page",
        type=integer_between(1, MAX_PER_PAGE),
        metavar="N",
        default=_ABSENT,
        help=f"runners per page, 1 to {MAX_PER_PAGE} ({per_page})",
    )


def add_interval_option(parser: argparse.ArgumentParser, event: str) -> None:
    """Add the time between polls; `event` names them."""
    parser.add_argument(
        "--interval",
        type=seconds,
        metavar="SECONDS",
        default=_ABSENT,
        help=f"time between {event}, 1 or more (default: {DEFAULT_INTERVAL_S:g})",
    )


def add_format_options(parser: argparse.ArgumentParser) -> None:
    """Add the output formats: `format` is json, ndjson, csv or None for a table or tab-separated columns."""
    group = parser.add_argument_group(
        "output format", "By default a table on a terminal, tab-separated columns elsewhere."
    )
    formats = group.add_mutually_exclusive_group()
    for name, summary in (
        ("json", "one JSON document; field names match the API"),
        ("ndjson", "one JSON object per line"),
        ("csv", "CSV with a header line"),
    ):
        formats.add_argument(f"--{name}", dest="format", action="store_const", const=name, help=summary)


def add_ordering_options(parser: argparse.ArgumentParser, keys: str, columns: str) -> None:
    """Add the sort order and the columns; `keys` and `columns` list the accepted names."""
    parser.add_argument("--sort", metavar="KEY[:asc|:desc]", help=f"sort by {keys}")
    parser.add_argument("--columns", metavar="A,B,C", help=f"columns to print: {columns}; JSON has all fields")


def add_no_wait_option(parser: argparse.ArgumentParser) -> None:
    """Add the timeout of a response, and the option that forbids waiting out a cooldown."""
    parser.add_argument(
        "--timeout",
        type=seconds,
        metavar="SECONDS",
        help=f"time to wait for a response, 1 or more (default: {DEFAULT_TIMEOUT:g})",
    )
    parser.add_argument("--no-wait", action="store_true", help="if rate limited, exit with status 5 instead of waiting")


def server_arguments(args: argparse.Namespace) -> tuple[str, ...]:
    """Return the values of `--comfyui` from before and after the command."""
    return (*(args.comfyui or ()), *(getattr(args, "comfyui_after", None) or ()))


def integer(text: str) -> int:
    """Argument type: any whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError("expected a whole number") from None


def integer_between(least: int, most: int) -> Callable[[str], int]:
    """Return an argument type: a whole number within these limits."""

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
    """Argument type: the path of a file, which need not exist."""
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError("expected the path of a file")
    return Path(text)


def seconds(text: str) -> float:
    """Argument type: seconds, 1 or more."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 1):
        raise argparse.ArgumentTypeError("expected seconds, 1 or more")
    return number
