"""`comfytui completion`: completion scripts for shells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from comfytui.cli.exit_codes import ExitCode
from comfytui.cli.grammar import iter_actions
from comfytui.cli.options import file_path
from comfytui.cli.output import write_lines
from comfytui.cli.parser import build_parser
from comfytui.cli.progress import print_error

if TYPE_CHECKING:
    import argparse


# How the script for zsh tells whether it is to make itself known: `source` is for that as much as `eval` is.
_BY_EVAL = ("$zsh_eval_context[-1] == eval", "$zsh_eval_context[-1] == (eval|file)")

# To _arguments, `--option=[…]` takes its value behind a `=` as well as in the next word.
_VALUE_FOR_ZSH = re.compile(r'^(  "\*?--[\w-]+)(\[.*[^\]]")$', re.MULTILINE)

# fish completes a whole word, and the path in it may stand behind the option.
_PATH_FOR_FISH = (
    "(__fish_complete_path (commandline -ct))",
    "(__fish_complete_path (string replace -r -- '^--[^=]+=' '' (commandline -ct)))",
)

# Bash makes several words of `--option=value` and of `host:port`, and replaces the last one alone. The function that
# shtab writes knows nothing of that: it is asked for the option, to see if there is one, then for its value as a word.
_WORDS_FOR_BASH = r"""
_comfytui() {
  local word="" part kept last="${COMP_WORDS[COMP_CWORD]}" option="" breaks='^[=:@]+$' is_break=false
  local -a words=()
  for part in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
    if { $is_break || [[ $part =~ $breaks ]]; } && [[ -z ${COMP_LINE-} || $COMP_LINE == *"$word$part"* ]]; then
      word+=$part
    else
      _comfytui_add "$word"
      word=$part
    fi
    [[ $part =~ $breaks ]] && is_break=true || is_break=false
  done
  [[ $last =~ $breaks ]] && kept=$word || kept=${word%"$last"}
  COMPREPLY=()
  if [[ $word == --*=* ]]; then
    option=${word%%=*}
    [[ " VALUED " == *" $option "* ]] || return 0
    _comfytui_ask "${words[@]:1}" "$option"
    [[ " ${COMPREPLY[*]-} " == *" $option "* ]] || { COMPREPLY=(); return 0; }
    option+="="
  fi
  _comfytui_add "$word"
  _comfytui_ask "${words[@]:1}"
  for part in "${!COMPREPLY[@]}"; do
    word=$option${COMPREPLY[part]}
    COMPREPLY[part]=${word#"$kept"}
  done
}

_comfytui_add() {
  [[ $1 == --*=* ]] && words+=("${1%%=*}" "${1#*=}") || words+=("$1")
}

_comfytui_ask() {
  local -a COMP_WORDS=("$@")
  local COMP_CWORD=$(($# - 1))
  _shtab_comfytui
}

"""

_REGISTERED_IN_BASH = ("-F _shtab_comfytui comfytui", "-F _comfytui comfytui")


def run(args: argparse.Namespace) -> int:
    """Print the script for `args.shell`; the status is USAGE if the extra is not installed."""
    try:
        lines = completion_script(args.shell).splitlines()
    except ModuleNotFoundError:
        print_error("Completion needs one more package: pip install 'comfytui[completion]'")
        return ExitCode.USAGE
    write_lines(lines)
    return ExitCode.OK


def completion_script(shell: str) -> str:
    """Return the script for `bash`, `zsh` or `fish`.

    Raises:
        ModuleNotFoundError: The extra `completion` is not installed.
    """
    import shtab

    parser = build_parser()
    for action in iter_actions(parser):
        if action.type is file_path:
            # Attribute that shtab reads.
            vars(action)["complete"] = shtab.FILE
        if shell == "zsh" and isinstance(action.metavar, str):
            # Behind a colon stands what zsh runs.
            action.metavar = action.metavar.replace(":", r"\:")
    written: str = shtab.complete(parser, shell)
    match shell:
        case "bash":
            return _bash_words(parser) + written.replace(*_REGISTERED_IN_BASH)
        case "zsh":
            return _VALUE_FOR_ZSH.sub(r"\1=\2", written.replace(*_BY_EVAL))
        case _:
            return written.replace(*_PATH_FOR_FISH)


def _bash_words(parser: argparse.ArgumentParser) -> str:
    """Return the function that bash calls, which knows the options that take a value."""
    valued = {flag: None for action in iter_actions(parser) if action.nargs != 0 for flag in action.option_strings}
    return _WORDS_FOR_BASH.replace("VALUED", " ".join(valued))
