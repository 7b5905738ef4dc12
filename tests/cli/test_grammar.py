from __future__ import annotations

import argparse

from comfytui.cli.grammar import CommandHelp, Option, OptionGroup, describe_parser, iter_actions

HELP = Option(("-h", "--help"), "", "show this help message and exit")


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="boil", description="Boils eggs.", epilog="examples:\n  boil egg")
    parser.add_argument("--secret", help=argparse.SUPPRESS)
    water = parser.add_argument_group("water", "How much of it.")
    water.add_argument("--litres", type=int, default=2, help="how much (%(default)s)")
    water.add_argument("--salt", action="store_true")
    egg = parser.add_subparsers(dest="command").add_parser("egg", help="one egg", description="An egg.")
    egg.add_argument("id", metavar="ID", help="which")
    egg.add_argument("--how", choices=("soft", "hard"), help="for %(prog)s")
    return parser


def test_parser_is_described() -> None:
    egg = CommandHelp(
        name="boil egg",
        words="one egg",
        description="An egg.",
        epilog="",
        groups=(
            OptionGroup("", "", (Option((), "ID", "which"),)),
            OptionGroup("", "", (HELP, Option(("--how",), "soft|hard", "for boil egg"))),
        ),
    )
    assert describe_parser(parser()) == CommandHelp(
        name="boil",
        words="",
        description="Boils eggs.",
        epilog="examples:\n  boil egg",
        groups=(
            OptionGroup("", "", (HELP,)),
            OptionGroup(
                "water",
                "How much of it.",
                (Option(("--litres",), "LITRES", "how much (2)"), Option(("--salt",), "", "")),
            ),
        ),
        commands=(egg,),
    )


def test_the_actions_of_a_parser_and_of_its_commands() -> None:
    assert [action.dest for action in iter_actions(parser())] == [
        *("help", "secret", "litres", "salt", "command"),
        *("help", "id", "how"),
    ]
