"""The `comfytui` command: parses the arguments, runs the command and ends with its status."""

from __future__ import annotations

# Nothing is imported here, for Ctrl+C is handled from `main` on.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import NoReturn


_INTERRUPTED = 130


def entry_point() -> NoReturn:
    """Run the command line and end the process at once, without Python's slow finalization.

    All files are written and closed by the time that `main` returns.
    """
    import gc
    import os
    import sys

    # Imported modules are no garbage; commands that run for long enable the collector again.
    gc.disable()
    try:
        status = main()
    except SystemExit as end:
        # argparse has printed its message. Python would flush again, and change the status if that fails.
        status = int(end.code or 0)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            try:
                stream.flush()
            except OSError:
                # The writer has found that out already, and reported it if possible.
                continue
    os._exit(status)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line, by default that of the process, and return the exit status."""
    try:
        return _run_guarded(argv)
    except KeyboardInterrupt:
        return _INTERRUPTED


def _run_guarded(argv: Sequence[str] | None) -> int:
    from comfytui.cli.exit_codes import ExitCode
    from comfytui.cli.output import OutputError, PipeClosedError
    from comfytui.cli.progress import print_error
    from comfytui.config.settings import SettingsError
    from comfytui.crash_report import install_excepthook

    install_excepthook(print_error)
    try:
        return _run(_parse(argv))
    except SettingsError as error:
        print_error(str(error))
        return ExitCode.USAGE
    except OutputError as error:
        print_error(str(error))
        return ExitCode.FAILED
    except PipeClosedError:
        return ExitCode.OK


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    import sys

    from comfytui.cli.output import flush, output_error
    from comfytui.cli.parser import build_parser

    argv = sys.argv[1:] if argv is None else argv
    parser = build_parser(argv)
    if _is_option_value(argv):
        # CPython 3.13 would print the help and drop the rest.
        parser.error("argument -h/--help: ignored explicit argument")
    try:
        args = parser.parse_args(argv)
    except OSError as error:
        raise output_error(error) from None
    except SystemExit:
        # The output of argparse is still buffered.
        flush()
        raise
    flaw = _conflicts(args)
    if flaw:
        parser.error(flaw)
    return args


def _is_option_value(argv: Sequence[str]) -> bool:
    """Return True if an argument is `-h` with something attached to it."""
    options = argv[: argv.index("--")] if "--" in argv else argv
    return any(option.startswith("-h") and option != "-h" for option in options)


def _conflicts(args: argparse.Namespace) -> str:
    """Return a message about conflicting options, or empty if there are none."""
    if args.command == "config" and args.json and args.action != "print":
        return "--json goes with config print"
    return _fleet_conflicts(args) or (_list_conflicts(args) if args.command == "runners" else "")


def _fleet_conflicts(args: argparse.Namespace) -> str:
    """Return a message unless exactly one fleet is chosen, where `serve` needs one."""
    from comfytui.cli.options import server_arguments

    servers = server_arguments(args)
    if not args.demo and (args.runners is not None or args.seed is not None):
        return "--runners and --seed go with --demo"
    named = [
        flag
        for flag, given in (
            ("--demo", args.demo),
            ("--comfyui", servers),
            ("--url", args.url),
            ("--profile", args.profile),
        )
        if given
    ]
    if len(named) > 1 and named[0] in {"--demo", "--comfyui"}:
        return f"{named[0]} and {named[1]} exclude each other"
    if args.command == "serve" and not (args.demo or servers):
        return "serve needs to know which fleet: --demo or --comfyui URL"
    return ""


def _list_conflicts(args: argparse.Namespace) -> str:
    """Return a message about options that do not go with --watch, or that need it."""
    if not args.watch:
        return "--interval goes with --watch" if args.interval is not None else ""
    for flag, given in (
        ("--json", args.format == "json"),
        ("--csv", args.format == "csv"),
        ("--page", args.page),
        ("--per-page", args.per_page),
        ("--sort", args.sort),
        ("--columns", args.columns),
        ("--no-wait", args.no_wait),
        ("--timeout", args.timeout),
    ):
        if given:
            return f"--watch and {flag} exclude each other"
    return ""


def _run(args: argparse.Namespace) -> int:
    """Run the command, importing nothing of the others."""
    match args.command:
        case None:
            from comfytui.cli.commands.dashboard import run
        case "serve":
            from comfytui.cli.commands.serve import run
        case "doctor":
            from comfytui.cli.doctor.command import run
        case "config":
            from comfytui.cli.commands.config import run
        case "keys":
            from comfytui.cli.commands.keys import run
        case "completion":
            from comfytui.cli.commands.completion import run
        case "runners" if args.watch:
            from comfytui.cli.commands.watch import run
        case "runners":
            from comfytui.cli.commands.runners import run
        case _:
            from comfytui.cli.commands.runner import run
    return run(args)
