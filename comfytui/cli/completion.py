"""`completion`: the script that lets a shell complete what is typed after `comfytui`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfytui.cli.diagnostics import say
from comfytui.cli.grammar import actions_of
from comfytui.cli.options import file_path
from comfytui.cli.output import write_lines
from comfytui.cli.parser import make_parser
from comfytui.cli.status import ExitStatus

if TYPE_CHECKING:
    import argparse

__all__ = ["run", "script"]

# How the script for zsh tells whether it is to make itself known: `source` is for that as much as `eval` is.
_BY_EVAL = ("$zsh_eval_context[-1] == eval", "$zsh_eval_context[-1] == (eval|file)")


def run(args: argparse.Namespace) -> int:
    """Print the script for `args.shell`, made of what the parser knows; USAGE where what makes it is not installed."""
    try:
        lines = script(args.shell).splitlines()
    except ModuleNotFoundError:
        say("Completion needs one more package: pip install 'comfytui[completion]'")
        return ExitStatus.USAGE
    write_lines(lines)
    return ExitStatus.OK


def script(shell: str) -> str:
    """The script for this shell, `bash`, `zsh` or `fish`.

    Raises:
        ModuleNotFoundError: The extra `completion` is not installed.
    """
    import shtab

    parser = make_parser()
    for action in actions_of(parser):
        if action.type is file_path:
            # This is how shtab is told what is completed.
            vars(action)["complete"] = shtab.FILE
    written: str = shtab.complete(parser, shell)
    return written.replace(*_BY_EVAL) if shell == "zsh" else written
